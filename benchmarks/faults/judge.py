"""What was printed against what is kept: points, checkpoints, status. Values in, a verdict out.

The rules, all of them:

- A point is a number of a progress line or of an evaluation ("cur metric"). MLflow holds as many points of its name
  and step, with its value, as the log printed: fewer are lost, more are doubled.
- Every `best_accuracy` and `iter_epoch_N` whose "save model" line was printed is stored at its step, and of `latest`
  the newest: a `latest` gives way to a newer one, as the trainer overwrites it in place. Stored is what has a
  manifest and comes back with its SHA-256. Sets that the trainer still has have that very sum.
- FINISHED is true where the trainer printed its last epoch's checkpoint; every other status only with a reason, and
  with one that the fault explains. A run that still says RUNNING when nobody tracks it lies.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Point = tuple[str, int]
"""The name of a metric, and the run's step."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint whose "save model" line was printed; `sha256` of its .pdparams where the trainer still has it."""

    name: str
    kind: str
    step: int
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What the trainer's log shows; `finished`: it came to the end of its last epoch."""

    points: Mapping[Point, Sequence[float]] = field(default_factory=dict)
    saved: Sequence[Saved] = ()
    finished: bool = False


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A checkpoint in the artifact store; `whole`: all its bytes came back with the sums of its manifest."""

    step: int
    whole: bool
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What MLflow says of the run once everything is back."""

    points: Mapping[Point, Sequence[float]] = field(default_factory=dict)
    checkpoints: Sequence[Stored] = ()
    status: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`points` and `checkpoints` were printed; of them so many are lost or doubled. `lie`: why the status is not
    true, empty where it is."""

    points: int = 0
    points_lost: int = 0
    points_doubled: int = 0
    checkpoints: int = 0
    checkpoints_lost: int = 0
    lie: str = ""
    details: Sequence[str] = ()


def judge(printed: Printed, kept: Kept, *, reasons: Sequence[str]) -> Verdict:
    """Compare; `reasons` are the failure reasons that the fault explains."""
    lost, doubled = _points(printed, kept)
    wanted = _to_be_stored(printed.saved)
    missing = [why for one in wanted if (why := _missing(one, kept.checkpoints))]
    return Verdict(
        points=sum(len(values) for values in printed.points.values()),
        points_lost=sum(lost.values()),
        points_doubled=sum(doubled.values()),
        checkpoints=len(wanted),
        checkpoints_lost=len(missing),
        lie=_lie(printed, kept, reasons),
        details=(*_shown("lost", lost), *_shown("doubled", doubled), *missing),
    )


def _points(printed: Printed, kept: Kept) -> tuple[Counter[Point], Counter[Point]]:
    lost: Counter[Point] = Counter()
    doubled: Counter[Point] = Counter()
    for point, values in printed.points.items():
        have = Counter(_value(value) for value in kept.points.get(point, ()))
        want = Counter(_value(value) for value in values)
        lost[point] = (want - have).total()
        doubled[point] = (have - want).total()
    return +lost, +doubled


def _value(value: float) -> str:
    """Equal for equal numbers; MLflow's SQL stores keep infinities as the largest float."""
    if math.isnan(value):
        return "nan"
    limit = 1.7976931348623157e308
    return repr(min(max(value, -limit), limit))


def _to_be_stored(saved: Sequence[Saved]) -> Sequence[Saved]:
    newest = max((one.step for one in saved if one.kind == "latest"), default=None)
    return [one for one in saved if one.kind != "latest" or one.step == newest]


def _missing(one: Saved, stored: Sequence[Stored]) -> str:
    """Why the checkpoint cannot be had, "" where it can."""
    there = [other for other in stored if other.step == one.step]
    if not there:
        return f"{one.name} at step {one.step} is not stored"
    if not any(other.whole for other in there):
        return f"{one.name} at step {one.step} is damaged"
    if one.sha256 and one.sha256 not in {other.sha256 for other in there}:
        return f"{one.name} at step {one.step} holds other bytes than the trainer's"
    return ""


def _lie(printed: Printed, kept: Kept, reasons: Sequence[str]) -> str:
    if kept.status == "FINISHED":
        return "" if printed.finished else "FINISHED, but the trainer did not come to its end"
    if kept.status not in ("FAILED", "KILLED"):
        return f"{kept.status or 'no status'}, but nobody tracks it"
    if kept.reason not in reasons:
        return f"{kept.status} with the reason {kept.reason!r}; true: {', '.join(reasons) or 'FINISHED'}"
    return ""


def _shown(what: str, counted: Counter[Point], limit: int = 3) -> Sequence[str]:
    shown = [f"{what}: {key} at step {step}" for key, step in sorted(counted)[:limit]]
    return [*shown, f"{what}: {len(counted) - limit} more"] if len(counted) > limit else shown
