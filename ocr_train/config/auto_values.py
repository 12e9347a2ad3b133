"""Parameters whose value is found by a short measurement when a training starts: `auto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_train.config.epoch_steps import batch_key, sampler_of
from ocr_train.config.overrides import parse_overrides
from ocr_train.config.parameters import Launch
from ocr_train.config.trainer_settings import PEAK, RATE, WORKERS

AUTO = "auto"
BATCH, LOADER = "batch_size", "num_workers"
AUTOMATIC = (BATCH, LOADER)
"""The parameters that take it."""


def is_auto(value: object) -> bool:
    """Whether a parameter is left to a measurement."""
    return isinstance(value, str) and value.strip().lower() == AUTO


def automatic(launch: Launch, config: Mapping[str, Any], problems: list[str]) -> tuple[str, ...]:
    """The parameters of `launch` that are to be measured; what makes that impossible is a problem."""
    names = tuple(name for name in AUTOMATIC if is_auto(getattr(launch, name)))
    overridden = {key.removeprefix("+") for key in parse_overrides(launch.overrides)[0]}
    key = batch_key(config)
    if BATCH in names and not key:
        who = (sampler_of(config) or {}).get("name")
        problems.append(
            f"batch_size=auto: Train.sampler ({who}) makes the batches: set its own keys by overrides"
        )
    for name, taken in ((BATCH, key), (LOADER, WORKERS)):
        if name in names and taken in overridden:
            problems.append(f"{name}=auto and overrides={taken}=... both say what it is: give one")
    if launch.nodes:
        problems += several_machines_problems(launch)
    return names


def several_machines_problems(launch: Launch) -> list[str]:
    """What keeps several machines from training together: each would have to come to the same numbers."""
    return [
        f"{name}=auto: several machines need a number. `python -m ocr_train tune` on one of them finds it"
        for name in AUTOMATIC
        if is_auto(getattr(launch, name))
    ]


def is_rate_given(launch: Launch) -> bool:
    """Whether the learning rate is the user's own: then no batch changes it."""
    named = {key.removeprefix("+") for key in parse_overrides(launch.overrides)[0]}
    return bool(launch.learning_rate) or not named.isdisjoint((RATE, PEAK))
