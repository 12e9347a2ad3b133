"""The learning curves: which metrics, on which axis, and where the lines and numbers of a chart lie.

The page's template draws charts as inline SVG, whose colours are variables of the style sheet, so that it is right
on light and on dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ocr_train.compare.axes import AXES, COST, EPOCH, LABELS, MAX_POINTS, STEP, TITLES, Curve, Line, curve
from ocr_train.compare.values import RunData

WIDTH, HEIGHT = 430, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 26, 12, 44
COLOURS = 10
"""Colours of the page; further runs have them again, with dashes."""
MAX_DOTS = 25
_MAX_CHART_POINTS = 8000
LOG_FROM = 50
"""From this ratio of the largest to the smallest on, a loss is drawn on a logarithmic axis."""
LOSS, RATE = "train/loss", "train/lr"
MAX_OTHERS = 9
_COUNTERS = frozenset({"train/epoch", "cost/usd", "time/hours"})
"""Metrics that are axes or counters, not curves."""
_WHY_EMPTY = {
    EPOCH: "No run says its epochs.",
    COST: "What an hour costs is not known: train with hourly_usd, or set the tag hourly_usd on the runs.",
}


@dataclass(frozen=True, kw_only=True)
class AxisScale:
    """From `low` to `high`, with `ticks` in between; logarithmic where `log`."""

    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def at(self, value: float) -> float:
        """Where `value` lies: 0 at the low end, 1 at the high one."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def scale_for(values: Iterable[float], *, log: bool = False, room: float = 0.0, ticks: int = 6) -> AxisScale:
    """A scale that holds `values`, with `room` (a share) above and below; `log` where they span enough for it."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    known = list(values)
    low, high = min(known, default=0.0), max(known, default=1.0)
    log = log and low > 0 and high / low >= LOG_FROM
    if log:
        low, high = low / 1.15, high * 1.15
        found = LogLocator(subs=(1, 2, 5) if high / low < 1e4 else (1,)).tick_values(low, high)
    else:
        if low == high:
            low, high = low - (abs(low) * 0.5 or 0.5), high + (abs(high) * 0.5 or 0.5)
        floor, spread = 0.0 if low >= 0 else -math.inf, high - low
        low, high = max(floor, low - room * spread), high + room * spread
        found = MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return AxisScale(
        low=low, high=high, ticks=[float(tick) for tick in found if low <= tick <= high], log=log
    )


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The lines of one metric, those that were taken over first, so that they lie below the rest, and a note on the
    runs that are not in it. Lengths are in pixels of a picture of WIDTH x HEIGHT."""

    metric: str
    note: str
    x_label: str
    lines: Sequence[Curve]
    x: AxisScale
    y: AxisScale
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM
    width: int = WIDTH
    height: int = HEIGHT

    def x_px(self, value: float) -> str:
        """Pixels from the left."""
        return f"{LEFT + self.x.at(value) * (WIDTH - LEFT - RIGHT):.1f}"

    def y_px(self, value: float) -> str:
        """Pixels from the top."""
        return f"{HEIGHT - BOTTOM - self.y.at(value) * (HEIGHT - TOP - BOTTOM):.1f}"

    def points_px(self, piece: Line) -> str:
        """A piece of a line as the points of a polyline."""
        return " ".join(f"{self.x_px(x)},{self.y_px(y)}" for x, y in piece)


def dots_of(line: Curve) -> Line:
    """The points that are drawn as dots: every one of a short line, of a long one those that no stroke shows."""
    if len(line.points) <= MAX_DOTS and not line.inherited:
        return line.points
    return [piece[0] for piece in line.pieces if len(piece) == 1]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All charts on one axis; `empty` says why there are none, `missing` which runs have no price."""

    axis: str
    button: str
    title: str
    empty: str
    missing: str
    mains: Sequence[Chart]
    others: Sequence[Chart]


def main_metrics(runs: Sequence[RunData]) -> list[str]:
    """The metrics with a large chart: loss, the main metric of each task, the learning rate."""
    mains = [f"eval/{run.main_metric}" for run in runs if run.main_metric]
    wanted = dict.fromkeys([*mains, LOSS, RATE])
    return [name for name in wanted if any(len(run.series.get(name, ())) for run in runs)]


def other_metrics(runs: Sequence[RunData]) -> list[str]:
    """What else all runs have a curve of, evaluations first."""
    shared = set.intersection(*(set(run.series) for run in runs)) if runs else set()
    names = {name for name in shared - _COUNTERS if not name.startswith("best/")} - set(main_metrics(runs))
    moving = [name for name in names if any(len(set(run.series[name].values)) > 1 for run in runs)]
    order = ("eval/", "sample/", "train/", "time/")
    return sorted(moving, key=lambda name: (order.index(f"{name.partition('/')[0]}/"), name))[:MAX_OTHERS]


def points_each(count: int) -> int:
    """How many points a line has at most where a chart has `count` of them: a page of many runs stays one that a browser opens."""
    return max(MAX_POINTS // 5, min(MAX_POINTS, _MAX_CHART_POINTS // max(1, count)))


def lines_of(runs: Sequence[RunData], metric: str, axis: str) -> list[Curve]:
    """The lines of a chart; of a resumed run also what it took over, where the run before is here, too.

    That is only on step and epoch: its own clock and bill begin at its own start.
    """
    found = []
    known = {run.run_id: run for run in runs}
    most = points_each(len(runs))
    for run in runs:
        line = curve(run, metric, axis, most=most)
        parent = known.get(run.parent) if axis in (STEP, EPOCH) else None
        before = (
            curve(parent, metric, axis, up_to=run.parent_step, most=most) if parent and line.points else None
        )
        found += [line, *([replace(before, run=run)] if before else [])]
    return [line for line in found if line.points]


def panels(runs: Sequence[RunData]) -> list[Panel]:
    """A panel for each axis: the page shows one at a time, paper all of them."""
    return [_panel(runs, axis) for axis in AXES]


def _panel(runs: Sequence[RunData], axis: str) -> Panel:
    mains = [_chart(runs, name, axis) for name in main_metrics(runs)]
    others = [_chart(runs, name, axis) for name in other_metrics(runs)]
    there = {line.run.run_id for chart in mains for line in chart.lines}
    return Panel(
        axis=axis,
        button=TITLES[axis],
        title=LABELS[axis],
        empty="" if there else _WHY_EMPTY.get(axis, "No run has a curve yet."),
        missing=few([run.label for run in runs if run.run_id not in there]) if axis == COST else "",
        mains=mains,
        others=[chart for chart in others if chart.lines],
    )


def _chart(runs: Sequence[RunData], metric: str, axis: str) -> Chart:
    lines = lines_of(runs, metric, axis)
    there = {line.run.run_id for line in lines}
    lacking = [run.label for run in runs if run.run_id not in there]
    points = [point for line in lines for point in line.points]
    return Chart(
        metric=metric,
        note=f"not in {few(lacking, 2)}" if lacking and there else "",
        x_label=LABELS[axis],
        lines=sorted(lines, key=lambda line: not line.inherited),
        x=scale_for((x for x, _ in points), ticks=6),
        y=scale_for((y for _, y in points), log="loss" in metric, room=0.06, ticks=5),
    )


def curve_notes(runs: Sequence[RunData], panels: Sequence[Panel]) -> list[str]:
    """What has to be known of the curves: points left out, gaps, resumed runs."""
    charts = [chart for panel in panels for chart in (*panel.mains, *panel.others)]
    lines = [line for chart in charts for line in chart.lines if not line.inherited]
    notes = []
    if any(line.thinned for line in lines):
        most = max(line.total for line in lines)
        notes.append(
            f"Curves of up to {most:,} points are drawn with fewer: of each stretch the lowest and the highest. "
            "Every point is in MLflow."
        )
    gaps = {
        f"{run.label}: {name} ({len(series) - len(series.finite)})"
        for run in runs
        for name, series in run.series.items()
        if len(series) > len(series.finite)
    }
    if gaps:
        notes.append(f"NaN or infinite values are gaps: {few(sorted(gaps))}.")
    if any(run.parent for run in runs):
        notes.append(
            "A resumed run continues at its own steps; the thin dashed line is what it took over from the run before. "
            "Its time and cost count from its own start."
        )
    return notes


def few(names: Sequence[str], most: int = 6) -> str:
    """The first of `names`, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
