"""What a fine-tune is asked for besides an ordinary training: weights to start from, what stays as it is, the rate."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ocr_train.config.epoch_steps import batch_size
from ocr_train.config.overrides import get_key, set_key
from ocr_train.config.trainer_settings import RATE

NONE = "none"
_OF_A_RUN = re.compile(r"[0-9a-f]{32}(:.*)?|latest|best|(runs|models|s3):/.*", re.I | re.S)
_RULE = re.compile(r"(?P<but>all-but-)?(?P<pattern>[A-Za-z0-9_.*?\[\]-]+)(:(?P<steps>\d{1,9}))?", re.ASCII)


def is_of_a_run(value: str) -> bool:
    """Whether `pretrained` names a checkpoint as `resume` does: of a run, of the registry, of S3."""
    return bool(_OF_A_RUN.fullmatch(value.strip()))


@dataclass(frozen=True, kw_only=True)
class FreezeRule:
    """Layers that stay as they are: those whose name is `pattern`, or begins with it and a dot (`*` and `?` stand for
    anything); with `all_but` all others. For `steps` steps of the run, 0: to its end."""

    pattern: str
    all_but: bool = False
    steps: int = 0

    def __str__(self) -> str:
        named = f"{'all but ' if self.all_but else ''}{self.pattern}"
        return f"{named}{f' for the first {self.steps} steps' if self.steps else ''}"


def parse_freeze(text: str, problems: list[str]) -> tuple[FreezeRule, ...] | None:
    """`backbone`, `all-but-head:200`, `backbone.blocks*,neck`: rules with commas between; None where nothing is said,
    no rule for `none`."""
    if not text.strip():
        return None
    if text.strip().lower() == NONE:
        return ()
    rules = []
    for part in text.split(","):
        found = _RULE.fullmatch(part.strip())
        if found is None:
            problems.append(
                f"freeze: {part.strip()!r} is no rule: give names of layers, such as backbone, or all-but-head:200 "
                "(for 200 steps), or none"
            )
            continue
        rules.append(
            FreezeRule(pattern=found["pattern"], all_but=bool(found["but"]), steps=int(found["steps"] or 0))
        )
    return tuple(rules)


def scale_rate(config: dict[str, Any], per_batch: int | None, devices: int) -> str:
    """Scale the learning rate of an experiment, which is for a batch of `per_batch`, to the batch of all `devices`; one
    line that says so, or nothing.

    By the square root, as suits Adam: the noise of a step's gradient falls with the root of the batch (Malladi et al.,
    "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022). In proportion for plain gradient descent (Goyal
    et al., "Accurate, Large Minibatch SGD", 2017).
    """
    rate = get_key(config, RATE, None)
    if not per_batch or not isinstance(rate, int | float):
        return ""
    real = batch_size(config) * max(1, devices)
    if real == per_batch:
        return f"learning rate: {rate:g}, for batches of {real}"
    linear = str(get_key(config, "Optimizer.name", "")) in ("SGD", "Momentum")
    scaled = float(f"{rate * (real / per_batch if linear else math.sqrt(real / per_batch)):.3g}")
    set_key(config, RATE, scaled)
    return f"learning rate: {scaled:g} ({rate:g} for batches of {per_batch}, scaled to {real})"


def pretrained_of(launch_value: str, file: Mapping[str, Any]) -> str:
    """The weights to start from: of the launch, else of the experiment; `none` for none, empty where neither says."""
    value = launch_value.strip() or str(file.get("pretrained") or "")
    return NONE if value.lower() == NONE else value


def freeze_of(launch_value: str, pretrained: str, file: Mapping[str, Any]) -> str:
    """What stays as it is: of the launch, else of the experiment, which means its own weights: a training from nothing
    (`pretrained` of the launch, else of the experiment) keeps nothing."""
    from_nothing = pretrained_of(pretrained, file) == NONE
    return launch_value or ("" if from_nothing else str(file.get("freeze") or ""))
