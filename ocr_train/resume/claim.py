"""One run is continued by one process: a start that finds another one training it, or starting with it, is refused.

Who wants to go on writes a tag of its own (`claim.<token>`), lets `SETTLE_S` pass, and reads those of others. With no
older claim there it writes itself into `tracked_by`; else it looks until the older one has done so, and is refused. A
claim that stands for `ROUNDS` looks and takes nothing was left by a process that was killed in between.

Of two starts at least one sees the other's claim or `tracked_by`, and both order them the same way, so that exactly
one goes on, whatever their clocks say, as long as the server answers each within `SETTLE_S`.
"""

from __future__ import annotations

import contextlib
from typing import Any

from ocr_train.errors import ConfigError, TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.resume.automatic import DEAD_AFTER_S, WATCH_S, Waiter, is_alive
from ocr_train.tracking import heartbeat
from ocr_train.tracking.heartbeat import HEARTBEAT_TAG
from ocr_train.tracking.holder import HOLDER_TAG, Holder, read_holder
from ocr_train.tracking.mlflow_client import get_run

CLAIM = "claim."
SETTLE_S = 2.0
ROUNDS = 5


def require_idle(client: Any, run_id: str, waiter: Waiter) -> Any:
    """The run, if no process trains it; else raises `ConfigError`, which names that process."""
    run = get_run(client, run_id)
    if run.info.status == "RUNNING" and is_alive(run, lambda one: get_run(client, one.info.run_id), waiter):
        raise _refused(run_id, read_holder(run.data.tags.get(HOLDER_TAG, "")), "its heartbeat still changes")
    return run


def claim(client: Any, idle: Any, holder: Holder, waiter: Waiter) -> None:
    """Make `holder` the only process that continues the run `idle`, which `require_idle` returned.

    Raises `ConfigError` where another start came first, `TrackingError` where the server does not answer.
    """
    run_id = idle.info.run_id
    own = f"{CLAIM}{holder.token}"
    try:
        client.set_tag(run_id, own, holder.to_tag())
        winner, older = _read_claims(client, idle, holder, waiter)
        if winner is None:
            _take(client, run_id, holder)
        for tag in (own, *older):
            # It may be gone already.
            with contextlib.suppress(Exception):
                client.delete_tag(run_id, tag)
    except Exception as exc:
        raise TrackingError(
            f"the run {run_id} cannot be opened again: {first_line(exc)}",
            hint="Use resume_mode=new, or check that you may change that run.",
        ) from exc
    if winner is not None:
        raise _refused(run_id, winner, "another start came first")


def _read_claims(client: Any, idle: Any, holder: Holder, waiter: Waiter) -> tuple[Holder | None, list[str]]:
    """The holder that has claimed the run since it was `idle`, or None; and older claims of processes that have ended."""
    before = idle.data.tags.get(HOLDER_TAG, "")
    older: list[str] = []
    for _ in range(ROUNDS):
        waiter.sleep(SETTLE_S)
        tags = client.get_run(idle.info.run_id).data.tags
        taken = tags.get(HOLDER_TAG, "")
        if taken != before and (winner := read_holder(taken)):
            return winner, []
        older = [
            tag
            for tag, text in tags.items()
            if tag.startswith(CLAIM) and (rival := read_holder(text)) and _order(rival) < _order(holder)
        ]
        if not older:
            break
    return None, older


def _order(holder: Holder) -> tuple[float, str]:
    return holder.since, holder.token


def _take(client: Any, run_id: str, holder: Holder) -> None:
    from mlflow.entities import RunTag

    tags = [RunTag(HOLDER_TAG, holder.to_tag()), RunTag(HEARTBEAT_TAG, heartbeat.now())]
    client.log_batch(run_id, tags=tags)
    client.update_run(run_id, status="RUNNING")


def _refused(run_id: str, other: Holder | None, why: str) -> ConfigError:
    who = f" ({other})" if other else ""
    return ConfigError(
        f"the run {run_id} is being trained by another process{who}: {why}.",
        hint="Stop that training, or wait for its end, and start again. If its machine is gone, its heartbeat stops: "
        f"a start then waits {WATCH_S:g} s to see whether it still changes, and {DEAD_AFTER_S / 60:g} minutes after "
        "the last heartbeat it continues at once. Or start a run of its own from its checkpoint: resume_mode=new.",
    )
