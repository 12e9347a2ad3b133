"""A learning-rate range test on a bench: one short training whose rate rises from step to step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ocr_train.config.epoch_steps import is_known, steps_per_epoch
from ocr_train.config.overrides import get_key
from ocr_train.config.trainer_settings import RATE
from ocr_train.events import TrainProgress
from ocr_train.tuning.measurement import Setting
from ocr_train.tuning.rate_range import (
    FEWEST_STEPS,
    MOST_STEPS,
    RateRange,
    analyse,
    has_diverged,
    loss_of,
    rising_rates,
    schedule_of,
)
from ocr_train.tuning.trial import Bench, lines_for, run_trial, short_config, trial_failed

START_S = 20.0
"""What the start of a trainer may take, where that was not seen."""


def find_rate(
    bench: Bench, job: Mapping[str, Any], setting: Setting, *, step_s: float, start_s: float, deadline: float
) -> RateRange:
    """Train with rising rates at `setting`, in as many steps as there is time for until `deadline` (monotonic).

    `job` is what the training's script is to do from its first step: new layers warm up first, at the experiment's rate, as
    they would. `step_s` is what a step takes, `start_s` the start. Raises `TrainingFailed` where the trainer fails.
    """
    config = short_config(bench, setting)
    why = _impossible(config)
    if why:
        return RateRange(why=f"not tested: {why}")
    lead = int(job.get("warm_steps", 0))
    left = deadline - time.monotonic() - start_s - lead * step_s
    steps = min(MOST_STEPS, int(left / max(step_s, 1e-6)))
    if steps < FEWEST_STEPS:
        return RateRange(
            why=f"not tested: there was time for {max(0, steps)} steps, and it takes {FEWEST_STEPS}; "
            "--max-minutes gives more"
        )
    rates = rising_rates(steps)
    in_all = lead + steps
    config["Optimizer"]["lr"] = schedule_of(
        rates,
        steps_per_epoch(config, [lines_for(config, in_all, bench.device)], bench.device.processes),
        lead=lead,
        lead_rate=float(get_key(config, RATE, 0.0) or 0.0),
    )

    def over(progress: Sequence[TrainProgress]) -> bool:
        losses = [loss_of(event.metrics) for event in progress]
        return len(losses) >= in_all or has_diverged(losses[lead:])

    run = run_trial(
        replace(bench, job=job) if lead else bench,
        config,
        "learning_rate",
        steps=in_all,
        over=over,
        deadline=deadline,
    )
    losses = [loss_of(event.metrics) for event in run.progress][lead:]
    if run.outcome is not None and len(losses) < FEWEST_STEPS // 2:
        raise trial_failed(f"{run.outcome.explanation} {run.outcome.hint}")
    return analyse(rates[: len(losses)], losses)


def _impossible(config: Mapping[str, Any]) -> str:
    if not is_known(config):
        return "how many steps an epoch has is only known to PaddleOCR"
    if get_key(config, "Optimizer.lr.name", "") == "Piecewise":
        return "the schedule Piecewise takes no learning rate, it has Optimizer.lr.values"
    return ""
