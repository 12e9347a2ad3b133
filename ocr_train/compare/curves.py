"""The learning curves of the page: each metric on step, epoch, wall time and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_train.compare.axes import AXES, COST, EPOCH, LABELS, STEP, TITLES, curve
from ocr_train.compare.chart import Chart, Drawn, chart
from ocr_train.compare.shown import Shown
from ocr_train.compare.values import RunData

LOSS, RATE = "train/loss", "train/lr"
MAX_OTHERS = 9
_PLAIN = frozenset({"train/epoch", "cost/usd", "time/hours"})
"""Metrics that are axes or counters, not curves."""
_WHY_EMPTY = {
    EPOCH: "No run says its epochs.",
    COST: "What an hour costs is not known: train with hourly_usd, or set the tag hourly_usd on the runs.",
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric: its chart, None where no run has it, and a note on the runs that are not in it."""

    metric: str
    note: str
    chart: Chart | None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All figures on one axis; `empty` says why there are none, `missing` which runs have no price."""

    axis: str
    button: str
    title: str
    empty: str
    missing: str
    mains: Sequence[Figure]
    others: Sequence[Figure]


def main_metrics(runs: Sequence[RunData]) -> list[str]:
    """The metrics with a large chart: loss, the main metric of each task, the learning rate."""
    mains = [f"eval/{run.main_metric}" for run in runs if run.main_metric]
    wanted = dict.fromkeys([*mains, LOSS, RATE])
    return [name for name in wanted if any(len(run.series.get(name, ())) for run in runs)]


def other_metrics(runs: Sequence[RunData]) -> list[str]:
    """What else all runs have a curve of, evaluations first."""
    shared = set.intersection(*(set(run.series) for run in runs)) if runs else set()
    names = shared - set(main_metrics(runs)) - _PLAIN
    names = {name for name in names if not name.startswith("best/")}
    moving = [name for name in names if any(len(set(run.series[name].values)) > 1 for run in runs)]
    order = ("eval/", "sample/", "train/", "time/")
    return sorted(moving, key=lambda name: (order.index(f"{name.partition('/')[0]}/"), name))[:MAX_OTHERS]


def drawn(runs: Shown, metric: str, axis: str) -> list[Drawn]:
    """The lines of a chart; of a resumed run also what it took over, where the run before is here, too.

    That is only on step and epoch: its own clock and bill begin at its own start.
    """
    found = []
    known = {run.run_id: run for run in runs.runs}
    for place, run in enumerate(runs.runs):
        line = curve(run, metric, axis)
        if line.points:
            found.append(Drawn(label=runs.labels[place], colour=place, line=line))
        parent = known.get(run.parent)
        if parent is not None and line.points and axis in (STEP, EPOCH):
            before = curve(parent, metric, axis, up_to=run.parent_step)
            if before.points:
                found.append(Drawn(label=runs.labels[place], colour=place, line=before))
    return found


def panels(runs: Shown) -> list[Panel]:
    """A panel for each axis: the page shows one at a time, paper all of them."""
    return [_panel(runs, axis) for axis in AXES]


def _panel(runs: Shown, axis: str) -> Panel:
    mains = [(name, drawn(runs, name, axis)) for name in main_metrics(runs.runs)]
    others = [(name, drawn(runs, name, axis)) for name in other_metrics(runs.runs)]
    there = {one.colour for _, lines in mains for one in lines}
    lacking = [label for place, label in enumerate(runs.labels) if place not in there]
    return Panel(
        axis=axis,
        button=TITLES[axis],
        title=LABELS[axis],
        empty="" if there else _WHY_EMPTY.get(axis, "No run has a curve yet."),
        missing=few(lacking) if axis == COST else "",
        mains=[_figure(runs, name, lines, axis) for name, lines in mains],
        others=[_figure(runs, name, lines, axis) for name, lines in others if lines],
    )


def _figure(runs: Shown, metric: str, lines: Sequence[Drawn], axis: str) -> Figure:
    there = {one.colour for one in lines}
    lacking = [label for place, label in enumerate(runs.labels) if place not in there]
    return Figure(
        metric=metric,
        note=f"not in {few(lacking, 2)}" if lacking and there else "",
        chart=chart(lines, metric=metric, x_label=LABELS[axis]) if lines else None,
    )


def curve_notes(runs: Shown) -> list[str]:
    """What has to be known of the curves: points left out, gaps, resumed runs."""
    metrics = [*main_metrics(runs.runs), *other_metrics(runs.runs)]
    lines = [curve(run, metric, axis) for run in runs.runs for metric in metrics for axis in AXES]
    notes = []
    if any(line.thinned for line in lines):
        most = max(line.total for line in lines)
        notes.append(
            f"Curves of up to {most:,} points are drawn with fewer: of each stretch the lowest and the highest. "
            "Every point is in MLflow."
        )
    bad = {
        f"{runs.labels[place]}: {name} ({series.non_finite})"
        for place, run in enumerate(runs.runs)
        for name, series in run.series.items()
        if series.non_finite
    }
    if bad:
        notes.append(f"NaN or infinite values are gaps: {few(sorted(bad))}.")
    if any(run.parent for run in runs.runs):
        notes.append(
            "A resumed run continues at its own steps; the thin dashed line is what it took over from the run before. "
            "Its time and cost count from its own start."
        )
    return notes


def few(names: Sequence[str], most: int = 6) -> str:
    """The first of `names`, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
