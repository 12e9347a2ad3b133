"""The table of results: best and last values of each run, and who wins where scores can be compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ocr_train.compare.axes import COST, TIME, curve
from ocr_train.compare.values import RunData, Series, better, is_finite, scored_on

_ALL = 10_000_000
_RATES = ("time/images_per_s", "train/ips")


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a run came to. `best` is the run's own best of its main metric at `best_step`, and `beside` the other
    evaluation metrics at that step; None where there is none. `at_end` are figures of the best checkpoint that were read at
    the end of the run: `cer`, and `kept`, the main metric on the set `keep_digest`, of which `kept_before` is that before training. `group` are
    runs whose scores can be compared: same main metric, same data."""

    run_id: str
    metric: str
    group: tuple[str, str]
    best: float | None
    best_step: int | None
    last: float | None
    beside: Mapping[str, float] = field(default_factory=dict)
    at_end: Mapping[str, float] = field(default_factory=dict)
    lowest_loss: float | None = None
    last_loss: float | None = None
    last_step: int | None = None
    epochs: float | None = None
    hours: float = 0.0
    cost_usd: float | None = None
    samples_per_s: float | None = None
    kept_before: float | None = None
    keep_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoreTarget:
    """A score that every run of a group has reached, and when: hours and dollars by run id."""

    metric: str
    value: float
    hours: Mapping[str, float]
    cost_usd: Mapping[str, float]


def scores(runs: Sequence[RunData]) -> list[Score]:
    """One a run, in their order."""
    digests = scored_on(runs)
    return [_score(run, digests[run.run_id]) for run in runs]


def _score(run: RunData, digest: str) -> Score:
    metric = run.main_metric
    series = run.series.get(f"eval/{metric}") or run.series.get(f"best/{metric}") or Series()
    best_step, best = _best(series, better(metric) or 1)
    loss = run.series.get("train/loss", Series())
    return Score(
        run_id=run.run_id,
        metric=metric,
        group=(metric, digest),
        best=best,
        best_step=best_step,
        last=_last(series),
        beside=_beside(run, metric, best_step),
        at_end=_at_end(run, metric),
        lowest_loss=_best(loss, -1)[1],
        last_loss=_last(loss),
        last_step=_last_step(run),
        epochs=_last(run.series.get("train/epoch", Series())),
        hours=run.hours,
        cost_usd=run.cost_usd,
        samples_per_s=_rate(run),
        kept_before=run.last.get(f"keep/base_{metric}"),
        keep_digest=run.tags.get("keep_digest", ""),
    )


def _best(series: Series, sign: int) -> tuple[int | None, float | None]:
    """The best value and its step, the later one of equals: PaddleOCR keeps that as its best, too."""
    if not series.finite:
        return None, None
    value, step = max((sign * value, step) for step, value in series.finite.items())
    return step, sign * value


def _last(series: Series) -> float | None:
    return next(reversed(series.finite.values()), None)


def _last_step(run: RunData) -> int | None:
    trained = [one for key, one in run.series.items() if one.steps and key.startswith(("train/", "eval/"))]
    return max((one.steps[-1] for one in trained), default=None)


def _beside(run: RunData, metric: str, step: int | None) -> dict[str, float]:
    """The other evaluation metrics where the main one was best."""
    return {
        key.removeprefix("eval/"): series.finite[step]
        for key, series in run.series.items()
        if key.startswith("eval/") and key != f"eval/{metric}" and step is not None and step in series.finite
    }


def _at_end(run: RunData, metric: str) -> dict[str, float]:
    keys = {"cer": "val/cer", "kept": f"keep/{metric}"}
    return {name: run.last[key] for name, key in keys.items() if is_finite(run.last.get(key, math.nan))}


def _rate(run: RunData) -> float | None:
    """Samples per second: the median of what the trainer printed."""
    rates = (run.series.get(key, Series()).finite.values() for key in _RATES)
    return next((statistics.median_high(values) for values in rates if values), None)


def winners(found: Sequence[Score]) -> set[str]:
    """The runs with the best score of their group, where the group has two runs or more that have one."""
    return leaders_of_groups(found, {one.run_id: one.best for one in found})


def leaders_of_groups(
    found: Sequence[Score], values: Mapping[str, float | None], sign: int | None = None
) -> set[str]:
    """The runs whose value (by run id) is the best of their group; `sign`: as in `leaders`, None for the main metric's."""
    best: set[str] = set()
    for group in dict.fromkeys(score.group for score in found):
        members = {one.run_id: values[one.run_id] for one in found if one.group == group}
        best |= leaders(members, sign or better(group[0]) or 1)
    return best


def leaders(values: Mapping[str, float | None], sign: int) -> set[str]:
    """Whose value is best (`sign` 1: the highest), where two or more have one and they are not all the same."""
    known = {run_id: value for run_id, value in values.items() if value is not None}
    if len(known) < 2 or len(set(known.values())) < 2 or not sign:
        return set()
    top = max(known.values(), key=lambda value: sign * value)
    return {run_id for run_id, value in known.items() if value == top}


def target(runs: Sequence[RunData], found: Sequence[Score]) -> ScoreTarget | None:
    """The highest score that all runs have reached, and when each did; None unless all can be compared.

    A run that was resumed from another has the time and cost of that one, up to the step it was resumed from, before
    its own; where that one is not among `runs` nobody knows, and it has neither.
    """
    if len(runs) < 2 or len({score.group for score in found}) > 1 or better(found[0].metric) < 0:
        return None
    bests = [score.best for score in found if score.best is not None]
    if len(bests) < len(runs) or min(bests) <= 0:
        return None
    value, metric = min(bests), f"eval/{found[0].metric}"
    known = {run.run_id: run for run in runs}
    hours = {run.run_id: _reached(run, known, metric, TIME, value) for run in runs}
    costs = {run.run_id: _reached(run, known, metric, COST, value) for run in runs}
    return ScoreTarget(
        metric=found[0].metric,
        value=value,
        hours={run_id: x for run_id, x in hours.items() if x is not None},
        cost_usd={run_id: x for run_id, x in costs.items() if x is not None},
    )


def _reached(
    run: RunData, known: Mapping[str, RunData], metric: str, axis: str, value: float, up_to: int | None = None
) -> float | None:
    """What was spent when `metric` first was `value`, in hours or dollars; None where it never was."""
    own = _first(run, metric, axis, value, up_to)
    if not run.parent:
        return own
    parent = known.get(run.parent)
    if parent is None:
        return None
    # A circle would never end.
    others = {run_id: one for run_id, one in known.items() if one is not run}
    earlier = _reached(parent, others, metric, axis, value, run.parent_step)
    if earlier is not None:
        return earlier
    before = spent_until(parent, others, axis, run.parent_step)
    return None if own is None or before is None else before + own


def spent_until(run: RunData, known: Mapping[str, RunData], axis: str, step: int) -> float | None:
    """Hours or dollars that `run` and those before it, which are in `known`, had cost at `step`."""
    line = curve(run, "train/loss", axis, up_to=step, most=_ALL).points
    if not line or not run.parent:
        return line[-1][0] if line else None
    parent = known.get(run.parent)
    others = {run_id: one for run_id, one in known.items() if one is not run}
    before = None if parent is None else spent_until(parent, others, axis, run.parent_step)
    return None if before is None else before + line[-1][0]


def _first(run: RunData, metric: str, axis: str, value: float, up_to: int | None) -> float | None:
    line = curve(run, metric, axis, up_to=up_to, most=_ALL)
    return next((x for x, y in line.points if y >= value), None)
