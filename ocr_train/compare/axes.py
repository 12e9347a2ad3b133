"""A metric's history on the training step, the epoch, the clock or the money spent, and fewer points of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from ocr_train.compare.values import RunData, Series, is_finite

STEP, EPOCH, TIME, COST = "step", "epoch", "time", "cost"
AXES = (STEP, EPOCH, TIME, COST)
LABELS = {STEP: "training step", EPOCH: "epoch", TIME: "hours since the start", COST: "US dollars"}
TITLES = {STEP: "Step", EPOCH: "Epoch", TIME: "Wall time", COST: "Cost"}
MAX_POINTS = 400
"""Points of one line on the page: more cannot be distinguished there."""

Line = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a chart, of `run`: pieces between which values are missing (NaN), in x and y; `total` points in
    all. `inherited` is what `run` took over from the run that it was resumed from."""

    run: RunData
    pieces: Sequence[Line]
    total: int
    non_finite: int
    inherited: bool = False

    @property
    def points(self) -> Line:
        """All points."""
        return [point for piece in self.pieces for point in piece]

    @property
    def thinned(self) -> bool:
        """Whether points were left out."""
        return len(self.points) < self.total - self.non_finite


def curve(run: RunData, metric: str, axis: str, *, up_to: int | None = None, most: int = MAX_POINTS) -> Curve:
    """`metric` of `run` on `axis`; empty where the run lacks either. `up_to` leaves out later steps."""
    series = run.series.get(metric, Series())
    xs = _xs(run, series, axis)
    pieces: list[Line] = []
    piece: Line = []
    total = non_finite = 0
    for step, x, y in zip(series.steps, xs, series.values, strict=True):
        if up_to is not None and step > up_to:
            break
        total += 1
        if is_finite(y) and is_finite(x):
            piece.append((x, y))
        else:
            non_finite += 1
            pieces.append(piece)
            piece = []
    pieces = [piece for piece in (*pieces, piece) if piece]
    share = most / max(1, total - non_finite)
    if share < 1:
        pieces = [thin(piece, max(4, int(len(piece) * share))) for piece in pieces]
    return Curve(run=run, pieces=pieces, total=total, non_finite=non_finite, inherited=up_to is not None)


def _xs(run: RunData, series: Series, axis: str) -> Sequence[float]:
    """Where the points lie on the axis; NaN where that is not known."""
    if axis == STEP:
        return [float(step) for step in series.steps]
    if axis == EPOCH:
        return epochs_at(run, series.steps)
    hours = [max(0.0, moment - run.started) / 3600 for moment in series.times]
    return hours if axis == TIME else _costs(run, series.times, hours)


def epochs_at(run: RunData, steps: Sequence[int]) -> list[float]:
    """Epochs done at each step, with a part of one, from the history of `train/epoch`; NaN before and without it.

    The trainer prints a line at the end of each epoch, so the last step that names an epoch is its end.
    """
    ends: dict[int, int] = {}
    for step, value in run.series.get("train/epoch", Series()).finite.items():
        ends[int(value)] = max(step, ends.get(int(value), 0))
    if not ends:
        return [math.nan] * len(steps)
    first = min(ends)
    begin = run.parent_step if run.parent and run.parent_step < ends[first] else 0
    known = [(begin, float(first - 1)), *((step, float(epoch)) for epoch, step in sorted(ends.items()))]
    # The newest epoch is not over: as long as the one before.
    if len(known) > 2 and run.status == "RUNNING":
        (before, done), (step, epoch) = known[-2:]
        usual = max(1, before - known[-3][0])
        known[-1] = (step, min(epoch, done + (step - before) / usual))
    return _interpolated(steps, known)


def _interpolated(xs: Sequence[float], known: Sequence[tuple[float, float]]) -> list[float]:
    """The values at `xs` on the line through `known`; NaN before it, beyond its end the last one."""
    import numpy as np

    places, values = np.array(known).T
    found: list[float] = np.interp(xs, places, values, left=math.nan).tolist()
    return found


def _costs(run: RunData, times: Sequence[float], hours: Sequence[float]) -> list[float]:
    """Dollars spent at each time: as `cost/usd` was logged, else hours times the price of one."""
    logged = run.series.get("cost/usd", Series())
    known = sorted(
        (moment * 1000, value)
        for moment, value in zip(logged.times, logged.values, strict=True)
        if is_finite(value)
    )
    if known:
        known = [(min(run.started * 1000, known[0][0] - 1), 0.0), *known]
        return _interpolated([moment * 1000 for moment in times], known)
    price = math.nan if run.hourly_usd is None else run.hourly_usd
    return [hour * price for hour in hours]


def thin(line: Line, most: int) -> Line:
    """At most about `most` points of `line`: of each stretch the lowest and the highest, and both ends."""
    if len(line) <= most:
        return line
    stretches = max(1, (most - 2) // 2)
    size = (len(line) - 2) / stretches
    kept = [line[0]]
    for number in range(stretches):
        part = line[1 + int(number * size) : 1 + int((number + 1) * size)]
        if part:
            ends = {part.index(find(part, key=itemgetter(1))) for find in (min, max)}
            kept += [part[place] for place in sorted(ends)]
    return [*kept, line[-1]]
