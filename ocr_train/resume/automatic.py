"""resume=auto: which interrupted run of the same training to pick up, if any; what a spot instance needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.run import Echo
from ocr_train.tracking import heartbeat
from ocr_train.tracking.heartbeat import HEARTBEAT_TAG
from ocr_train.trainer.failures import PRUNED

CONFIG_TAG = "config_digest"
INTERRUPTED = ("KILLED", "FAILED")
DEAD_AFTER_S = 300.0
"""Ten heartbeats: there is no process to wait for."""
WATCH_S = 95.0
"""Three heartbeats without a sign: the process that trained it has ended."""
LOOK_EVERY_S = 5.0


def _silent(text: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """The clock (Unix seconds), how to wait, and whom to tell."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    echo: Echo = _silent


def find_interrupted(
    runs: Sequence[Any],
    *,
    dataset_digest: str,
    config_digest: str,
    has_checkpoint: Callable[[Any], bool],
    beat: Callable[[Any], Any],
    waiter: Waiter,
) -> str | None:
    """The id of the newest of `runs` (newest first) to continue, None to start from the beginning.

    Only runs on the same data with the same configuration count. A finished one means that the work is done; one
    whose heartbeat still changes, that a process trains it. One that was interrupted before its first checkpoint gives
    way to the one before it. `beat` fetches a run again.
    """
    wanted = {"dataset_digest": dataset_digest, CONFIG_TAG: config_digest}
    same = [
        run
        for run in runs
        if all(run.data.tags.get(key) == value for key, value in wanted.items())
        # A sweep has ended it because others were better: nobody was interrupted.
        and run.data.tags.get("failure_reason") != PRUNED
    ]
    for run in same:
        if run.info.status == "RUNNING" and is_alive(run, beat, waiter):
            waiter.echo(
                f"resume=auto: the run {run.info.run_id} is being trained; starting from the beginning"
            )
            return None
        if run.info.status not in (*INTERRUPTED, "RUNNING"):
            waiter.echo(
                f"resume=auto: the run {run.info.run_id} is {run.info.status}; starting from the beginning"
            )
            return None
        if has_checkpoint(run):
            return str(run.info.run_id)
    waiter.echo(
        "resume=auto: no interrupted run of this configuration and dataset; starting from the beginning"
    )
    return None


def is_alive(run: Any, beat: Callable[[Any], Any], waiter: Waiter) -> bool:
    """Whether the tag moves while we look: clocks of two machines need not agree."""
    last = run.data.tags.get(HEARTBEAT_TAG, "")
    sign = heartbeat.parse_time(last)
    if waiter.now() - (run.info.start_time / 1000 if sign is None else sign) > DEAD_AFTER_S:
        return False
    waiter.echo(
        f"resume=auto: the run {run.info.run_id} is RUNNING; looking for {WATCH_S:g} s if it is alive"
    )
    deadline = waiter.now() + WATCH_S
    while waiter.now() < deadline:
        waiter.sleep(LOOK_EVERY_S)
        seen = beat(run)
        if seen.info.status != "RUNNING":
            return False
        if seen.data.tags.get(HEARTBEAT_TAG, "") != last:
            return True
    return False
