"""Hours and money of a run, and what to do where the time goes into waiting."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

STARVING = 0.3
"""From this share of waiting on, the loader is worth a word: below, the model is what takes the time."""


def spent(seconds: float, hourly_usd: float | None) -> dict[str, float]:
    """`time/hours`, and `cost/usd` where an hour has a price."""
    hours = seconds / 3600
    values = {"time/hours": hours}
    if hourly_usd is not None:
        values["cost/usd"] = hours * hourly_usd
    return values


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a training is expected to take: seconds of a step, an epoch and of all of it; `usd` is None without a price."""

    step_s: float
    epoch_s: float
    total_s: float
    usd: float | None


def estimate(
    *,
    seconds_per_sample: float,
    samples: int,
    epochs: int,
    hourly_usd: float | None = None,
    batch_size: int = 1,
    evaluation_s: float = 0.0,
    start_s: float = 0.0,
    machines: int = 1,
) -> Estimate:
    """Time and money of `epochs` epochs of `samples` training samples, from what one sample took in a short trial.

    `seconds_per_sample` are those of the whole training, so that two machines of the same kind have half of one's;
    `batch_size` samples are one step; `evaluation_s` comes once an epoch and `start_s` (image, data, start) once.
    `hourly_usd` is what an hour of one machine costs, and all `machines` are paid until the end. Raises `ValueError` for
    values that no trial can have measured.
    """
    durations = (seconds_per_sample, evaluation_s, start_s)
    if not all(math.isfinite(one) and one >= 0 for one in durations) or seconds_per_sample == 0:
        raise ValueError(f"no durations that a trial can have measured: {durations!r}")
    if min(samples, epochs, batch_size, machines) < 1:
        raise ValueError(f"no training: {samples=}, {epochs=}, {batch_size=}, {machines=}")
    epoch_s = seconds_per_sample * samples + evaluation_s
    total_s = start_s + epoch_s * epochs
    return Estimate(
        step_s=seconds_per_sample * batch_size,
        epoch_s=epoch_s,
        total_s=total_s,
        usd=None if hourly_usd is None else machines * spent(total_s, hourly_usd)["cost/usd"],
    )


def starving(reader_share: float | None, num_workers: int | None, *, cores: int | None = None) -> str:
    """One sentence where the data loader keeps the model waiting, else nothing.

    `reader_share` is between 0 and 1, `num_workers` what Train.loader says, `cores` those of this machine.
    """
    if reader_share is None or reader_share < STARVING:
        return ""
    cores = cores or os.cpu_count() or 1
    waiting = f"{reader_share:.0%} of each step waits for data: "
    now = num_workers or 0
    if now < cores:
        return f"{waiting}raise num_workers (now {now}, {cores} cores): num_workers={cores}"
    return (
        f"{waiting}the {now} workers keep all {cores} cores busy: use a machine with more cores for each GPU, smaller "
        "images or cheaper transforms"
    )
