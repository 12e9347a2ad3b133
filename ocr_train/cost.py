"""Hours and money of a run, and what to do where the time goes into waiting."""

from __future__ import annotations

import os

STARVING = 0.3
"""From this share of waiting on, the loader is worth a word: below, the model is what takes the time."""


def spent(seconds: float, hourly_usd: float | None) -> dict[str, float]:
    """`time/hours`, and `cost/usd` where an hour has a price."""
    hours = seconds / 3600
    values = {"time/hours": hours}
    if hourly_usd is not None:
        values["cost/usd"] = hours * hourly_usd
    return values


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
        return f"{waiting}raise num_workers (now {now}, {cores} cores): overrides=Train.loader.num_workers={cores}"
    return (
        f"{waiting}the {now} workers keep all {cores} cores busy: use a machine with more cores for each GPU, smaller "
        "images or cheaper transforms"
    )
