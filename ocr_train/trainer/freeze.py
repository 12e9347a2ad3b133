"""Which layers stay as they are, and for how long: from rules and the model's layers to what `train_script.py` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ocr_train.config.fine_tune import FreezeRule
from ocr_train.errors import ConfigError

WARM_UP_STEPS = 50
WARM_UP_RATE = 0.003
"""Of new layers, while nothing else moves (docs/finetune.md has what was tried)."""


@dataclass(frozen=True, kw_only=True)
class FreezePlan:
    """What stays as it is: `frozen` for ever, `until` a step of the run. `warm` are layers that start from nothing:
    they train at `warm_factor` times the rate for `warm_steps` steps. `freeze_bn`: no normalisation changes its
    statistics, except theirs."""

    frozen: Sequence[str] = ()
    until: Sequence[tuple[str, int]] = ()
    warm: Sequence[str] = ()
    warm_steps: int = 0
    warm_factor: float = 1.0
    freeze_bn: bool = False
    layers: int = 0

    def __bool__(self) -> bool:
        """Whether anything stays as it is."""
        return bool(self.frozen or self.until or self.freeze_bn)

    def __str__(self) -> str:
        found = []
        if self.frozen:
            found.append(f"{len(self.frozen)} of {self.layers} layers stay as they are")
        steps = sorted({steps for _, steps in self.until})
        if steps:
            count = (
                f"{len(self.until)} of {self.layers} layers" if not self.frozen else f"{len(self.until)} more"
            )
            found.append(f"{count} stay so for the first {steps[-1]} steps")
        if self.warm_steps:
            found.append(
                f"the {len(self.warm)} new ones warm up at {self.warm_factor:.3g} times the rate meanwhile"
            )
        if self.freeze_bn:
            found.append("batch normalisation keeps its statistics")
        return ", ".join(found)

    def job(self, *, done: int) -> dict[str, object]:
        """What train_script.py reads; `done` are the run's steps before its next process."""
        if not self:
            return {}
        return {
            "frozen": list(self.frozen),
            "until": dict(self.until),
            "warm": list(self.warm),
            "warm_steps": self.warm_steps,
            "warm_factor": self.warm_factor,
            "freeze_bn": self.freeze_bn,
            "done": done,
        }


def plan_freeze(
    rules: Sequence[FreezeRule] | None,
    layers: Iterable[str],
    *,
    new: Iterable[str],
    freeze_bn: bool,
    total_steps: int,
    rate: float | None,
) -> FreezePlan:
    """What `rules` mean for a model with `layers`; without any, `new` layers warm up for a while, the rest frozen.

    A warm-up takes a fifth of `total_steps` at most; `rate` is the learning rate. Raises `ConfigError` for a pattern that
    fits no layer, and where nothing would be trained.
    """
    names = list(layers)
    fresh = set(new) & set(names)
    if rules is None:
        steps = min(WARM_UP_STEPS, total_steps // 5)
        known = [name for name in names if name not in fresh]
        if not (fresh and known and steps):
            return FreezePlan(freeze_bn=freeze_bn, layers=len(names))
        return FreezePlan(
            until=tuple((name, steps) for name in known),
            warm=tuple(sorted(fresh)),
            warm_steps=steps,
            warm_factor=max(1.0, WARM_UP_RATE / rate) if rate else 1.0,
            freeze_bn=freeze_bn,
            layers=len(names),
        )
    frozen: set[str] = set()
    until: dict[str, int] = {}
    for rule in rules:
        # What starts from nothing has nothing to keep.
        chosen = _chosen(rule, names) - fresh
        if rule.steps:
            until |= {name: max(rule.steps, until.get(name, 0)) for name in chosen}
        else:
            frozen |= chosen
    if names and frozen >= set(names):
        raise ConfigError(
            f"freeze={','.join(map(str, rules))}: no layer would be trained.", hint="Leave some layers out."
        )
    left = {name: steps for name, steps in until.items() if name not in frozen}
    return FreezePlan(
        frozen=tuple(sorted(frozen)),
        until=tuple(left.items()),
        warm=tuple(sorted(fresh - frozen)),
        freeze_bn=freeze_bn,
        layers=len(names),
    )


def _chosen(rule: FreezeRule, names: Sequence[str]) -> set[str]:
    matching = {name for name in names if _fits(rule.pattern, name)}
    if not matching:
        starts = sorted({name.partition(".")[0] for name in names})
        raise ConfigError(
            f"freeze: no layer of the model is called {rule.pattern!r}.",
            hint=f"Names of layers begin with {', '.join(starts)}; a part of a name, or a pattern with *, works too.",
        )
    return set(names) - matching if rule.all_but else matching


def _fits(pattern: str, name: str) -> bool:
    return name == pattern or fnmatchcase(name, f"{pattern}.*") or fnmatchcase(name, pattern)
