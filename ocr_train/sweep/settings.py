"""How a sweep draws (sampler) and when it gives a trial up (pruner): names and numbers, and what Optuna makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from ocr_train.config.overrides import nearest

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

TPE, RANDOM, GRID = "tpe", "random", "grid"
MEDIAN, HYPERBAND, NONE = "median", "hyperband", "none"


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """`name` is tpe (learns from the trials before), random or grid (all combinations once); the first `startup` trials
    of tpe are random; the same `seed` draws the same values for the same trial."""

    name: str = TPE
    seed: int = 0
    startup: int = 5

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}" + (
            f", {self.startup} at random first" if self.name == TPE else ""
        )


@dataclass(frozen=True, kw_only=True)
class PrunerSettings:
    """`name` is median (worse than half of the others at the same epoch), hyperband (ever fewer trials get ever more
    epochs, by a `factor`) or none. No trial is pruned before `startup` trials have finished (median), nor in its first
    `warmup` epochs."""

    name: str = MEDIAN
    startup: int = 4
    warmup: int = 1
    factor: int = 3

    def __str__(self) -> str:
        if self.name == NONE:
            return self.name
        detail = f"once {self.startup} have finished" if self.name == MEDIAN else f"factor {self.factor}"
        return f"{self.name}, {detail}, from epoch {self.warmup + 1} on"

    def make(self, epochs: int) -> BasePruner:
        """What Optuna asks; `epochs` are those of the longest trial, and a step is an epoch."""
        from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

        if self.name == MEDIAN:
            # Optuna prunes from this step on.
            return MedianPruner(n_startup_trials=self.startup, n_warmup_steps=self.warmup + 1)
        if self.name == HYPERBAND:
            return HyperbandPruner(
                min_resource=self.warmup + 1,
                max_resource=max(epochs, self.warmup + 1),
                reduction_factor=self.factor,
            )
        return NopPruner()


_SAMPLER_LEAST = {"seed": 0, "startup": 1}
_PRUNER_LEAST = {"startup": 1, "warmup": 0, "factor": 2}
_Settings = TypeVar("_Settings", SamplerSettings, PrunerSettings)


def parse_sampler(given: Any, problems: list[str]) -> SamplerSettings:
    """`tpe`, or a mapping with its `name` and numbers; the default where nothing is given."""
    return _parse(given, SamplerSettings, "sampler", (TPE, RANDOM, GRID), _SAMPLER_LEAST, problems)


def parse_pruner(given: Any, problems: list[str]) -> PrunerSettings:
    """`median`, or a mapping with its `name` and numbers; the default where nothing is given."""
    return _parse(given, PrunerSettings, "pruner", (MEDIAN, HYPERBAND, NONE), _PRUNER_LEAST, problems)


def _parse(
    given: Any,
    kind: type[_Settings],
    where: str,
    names: tuple[str, ...],
    least: Mapping[str, int],
    problems: list[str],
) -> _Settings:
    if given is None:
        return kind()
    values = given if isinstance(given, dict) else {"name": given}
    known = [each.name for each in fields(kind)]
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            problems.append(f"{where}: unknown key {key!r}{nearest(str(key), known)}")
        elif key == "name":
            if value not in names:
                problems.append(
                    f"{where}: {value!r} is not one of {', '.join(names)}{nearest(str(value), list(names))}"
                )
            found[key] = value
        elif isinstance(value, bool) or not isinstance(value, int) or value < least[key]:
            problems.append(f"{where}.{key}: {value!r} is not a whole number of at least {least[key]}")
        else:
            found[key] = value
    return kind(**found)
