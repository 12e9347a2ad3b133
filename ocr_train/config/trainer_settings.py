"""What the everyday numbers mean in a PaddleOCR configuration, and what one must have for a run to be possible.

`batch_size` and `learning_rate` go where this configuration's sampler and schedule read them; where they would be
read by nothing, that is a problem to report, not a number to log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ocr_train.config.epoch_steps import (
    LOADER_BATCH,
    MULTI_SCALE,
    batch_key,
    batch_size,
    sampler_of,
    scales_of,
)
from ocr_train.config.overrides import get_key, set_key
from ocr_train.errors import ConfigError

EVAL_STEPS, EVAL_EPOCHS = "Global.eval_batch_step", "Global.eval_batch_epoch"
RATE = "Optimizer.lr.learning_rate"
WORKERS = "Train.loader.num_workers"
PEAK = "Optimizer.lr.max_lr"
_COUNTS = (
    *("epoch_num", "print_batch_step", "save_epoch_step", "eval_batch_epoch", "calc_epoch_interval"),
    "log_smooth_window",
)
"""Keys of Global that PaddleOCR divides by or loops over."""


def settle_batch(config: dict[str, Any], chosen: int | None, overridden: Iterable[str]) -> list[str]:
    """Put `chosen` (batch_size) where this configuration takes it from; problems, one line each.

    `overridden` are the keys of `overrides`, which outweigh it. Where a sampler makes the batches,
    `Train.loader.batch_size_per_card` is set to what it uses, so that the run's params say so.
    """
    train = config.get("Train")
    if isinstance(train, dict) and "sampler" in train and not train["sampler"]:
        # PaddleOCR only asks whether the key is there.
        del train["sampler"]
    key, named = batch_key(config), set(overridden)
    who = f"Train.sampler ({(sampler_of(config) or {}).get('name')})" if sampler_of(config) else key
    if key != LOADER_BATCH and LOADER_BATCH in named:
        instead = f"overrides={key}=N, or batch_size=N" if key else "the sampler's own keys"
        return [f"overrides: {LOADER_BATCH!r} has no effect: {who} makes the batches. Use {instead}"]
    if chosen is not None and not key:
        return [
            f"batch_size has no effect: {who} makes the batches. Use overrides with the sampler's own keys"
        ]
    if chosen is not None and key not in named:
        set_key(config, key, chosen)
    if sampler_of(config) is not None and key and isinstance(get_key(config, key, 1), int):
        set_key(config, LOADER_BATCH, batch_size(config))
    return []


def settle_workers(config: dict[str, Any], chosen: int | None, overridden: Iterable[str]) -> None:
    """Put `chosen` (num_workers) where the loader of the training reads it; an override outweighs it."""
    if chosen is not None and WORKERS not in set(overridden):
        set_key(config, WORKERS, chosen)


def settle_evaluations(config: dict[str, Any], overridden: Iterable[str]) -> None:
    """Let an interval in steps that was asked for count: PaddleOCR goes by `eval_batch_epoch` where that is set, and passes
    over the steps (tools/program.py)."""
    named = set(overridden)
    if EVAL_STEPS in named and EVAL_EPOCHS not in named and get_key(config, EVAL_EPOCHS, None) is not None:
        set_key(config, EVAL_EPOCHS, None)


def settle_rate(config: dict[str, Any], chosen: float | None, overridden: Iterable[str]) -> list[str]:
    """Put `chosen` (learning_rate) where this configuration's schedule reads it; problems, one line each.

    A rate that the schedule does not read leaves the configuration. Source: ppocr/optimizer/learning_rate.py, where
    Piecewise and OneCycle are the ones that take no `learning_rate`, in every version.
    """
    schedule = get_key(config, "Optimizer.lr", None)
    if not isinstance(schedule, dict):
        return []
    named = set(overridden)
    if schedule.get("name") == "Piecewise":
        schedule.pop("learning_rate", None)
        return _piecewise_problems(schedule, unread=chosen is not None or RATE in named)
    if schedule.get("name") == "OneCycle":
        given = get_key(config, RATE, None) if RATE in named else chosen
        schedule.pop("learning_rate", None)
        if given is not None and PEAK not in named:
            set_key(config, PEAK, given)
    elif chosen is not None and RATE not in named:
        set_key(config, RATE, chosen)
    return []


def _piecewise_problems(schedule: Mapping[str, Any], *, unread: bool) -> list[str]:
    values, epochs = schedule.get("values"), schedule.get("decay_epochs")
    problems = []
    # Paddle 3 wants one value more than epochs; older ones, and a file of PaddleOCR's own, do with as many.
    if not isinstance(values, list) or not isinstance(epochs, list) or len(values) < len(epochs):
        problems.append(
            f"Optimizer.lr is Piecewise with decay_epochs {epochs!r} and values {values!r}: give both as lists, one "
            "value more than epochs"
        )
    if unread:
        problems.append(
            f"learning_rate has no effect: the schedule Piecewise takes its rates from Optimizer.lr.values ({values}). "
            "Leave learning_rate out and use overrides='Optimizer.lr.values=[...]', or another Optimizer.lr.name"
        )
    return problems


def check_trainer(config: Mapping[str, Any], source: Path) -> list[str]:
    """What a PaddleOCR configuration must have for a run to be possible at all."""
    problems = []
    for key in (
        *("Global.epoch_num", "Architecture.algorithm", "Train.dataset", LOADER_BATCH),
        *("Eval.dataset", "Eval.loader", "PostProcess", "Metric", "Optimizer", "Loss"),
    ):
        if get_key(config, key, None) is None:
            problems.append(f"{source}: the PaddleOCR configuration has no {key!r}")
    batch_keys = {LOADER_BATCH, batch_key(config) or LOADER_BATCH}
    for key in (*(f"Global.{name}" for name in _COUNTS), *sorted(batch_keys)):
        value = get_key(config, key, None)
        if value is not None and not _is_count(value):
            problems.append(f"{key} is {value!r}: give a whole number of at least 1")
    for key in ("Train.dataset", "Eval.dataset"):
        if not isinstance(get_key(config, key, {}) or {}, dict):
            problems.append(f"{key} is {get_key(config, key)!r}: it must be a mapping")
        problems += _ratio_problems(get_key(config, f"{key}.ratio_list", None), f"{key}.ratio_list")
    return problems + _interval_problems(config) + _sampler_problems(config)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _interval_problems(config: Mapping[str, Any]) -> list[str]:
    interval = get_key(config, "Global.eval_batch_step", None)
    start, every = interval[:2] if isinstance(interval, list) and len(interval) > 1 else (0, interval)
    whole = isinstance(start, int) and not isinstance(start, bool)
    if interval is None or (whole and _is_count(every)):
        return []
    return [
        f"Global.eval_batch_step is {interval!r}: give [start, every] in steps, every at least 1, such as [0, 2000]"
    ]


def _ratio_problems(ratios: object, key: str) -> list[str]:
    values = ratios if isinstance(ratios, list) else [1.0 if ratios is None else ratios]
    fine = all(
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1 for value in values
    )
    if values and fine and any(values):
        return []
    return [
        f"{key} is {ratios!r}: give a share between 0 and 1, or one for each label file, such as [0.1, 1.0]"
    ]


def _sampler_problems(config: Mapping[str, Any]) -> list[str]:
    sampler = sampler_of(config)
    if sampler is None or sampler.get("name") != MULTI_SCALE or not _is_count(sampler.get("first_bs", 1)):
        return []
    problems = []
    try:
        scales_of(sampler)
    except ConfigError as exc:
        problems.append(exc.problem)
    if get_key(config, "Train.dataset.ds_width", False):
        problems.append(
            "Train.dataset.ds_width needs the size of each image in the label files, which ours do not have: "
            "overrides=Train.dataset.ds_width=false"
        )
    return problems
