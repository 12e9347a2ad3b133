"""The learning curves of the page: each metric on step, epoch, wall time and cost."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_train.compare.axes import AXES, COST, EPOCH, LABELS, STEP, TIME, TITLES, Curve, curve
from ocr_train.compare.chart import Drawn, chart
from ocr_train.compare.markup import Html, el
from ocr_train.compare.page_parts import Shown, legend, section
from ocr_train.compare.values import RunData

LOSS, RATE = "train/loss", "train/lr"
MAX_OTHERS = 9
_PLAIN = frozenset({"train/epoch", "cost/usd", "time/hours"})
"""Metrics that are axes or counters, not curves."""
_WHY_EMPTY = {
    EPOCH: "No run says its epochs.",
    COST: "What an hour costs is not known: train with hourly_usd, or set the tag hourly_usd on the runs.",
}


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


def curves(runs: Shown) -> Html:
    """The section: the axis is chosen with buttons that need no script; on paper all are printed."""
    inputs: list[Html] = []
    panels: list[Html] = []
    lines: list[Curve] = []
    for number, axis in enumerate(AXES):
        name = f"axis-{axis}"
        inputs.append(el("input", type="radio", name="axis", id=name, checked=number == 0))
        inputs.append(el("label", TITLES[axis], for_=name))
        panels.append(_panel(runs, axis, lines))
    return section(
        "curves",
        "Learning curves",
        legend(runs),
        el("div", *inputs, *panels, class_="tabs"),
        *_notes(runs, lines),
        sub="Choose what the curves are drawn on. Rest on a point or line to see whose it is.",
    )


def _panel(runs: Shown, axis: str, lines: list[Curve]) -> Html:
    mains = [(name, drawn(runs, name, axis)) for name in main_metrics(runs.runs)]
    others = [(name, drawn(runs, name, axis)) for name in other_metrics(runs.runs)]
    lines += [one.line for _, found in (*mains, *others) for one in found if not one.line.inherited]
    title = el("h3", f"On {LABELS[axis]}")
    if not any(found for _, found in mains):
        why = _WHY_EMPTY.get(axis, "No run has a curve yet.")
        return el("div", title, el("p", why, class_="empty"), class_=f"panel p-{axis}")
    parts = [title, _missing(runs, axis, mains)]
    parts.append(el("div", *(_figure(runs, name, found, axis) for name, found in mains), class_="charts"))
    if others and axis in (STEP, EPOCH, TIME, COST):
        parts.append(
            el(
                "div",
                *(_figure(runs, name, found, axis) for name, found in others if found),
                class_="charts small",
            )
        )
    return el("div", *parts, class_=f"panel p-{axis}")


def _figure(runs: Shown, metric: str, lines: Sequence[Drawn], axis: str) -> Html:
    there = {one.colour for one in lines}
    lacking = [runs.labels[place] for place in range(len(runs.runs)) if place not in there]
    note = [el("small", f"not in {_few(lacking, 2)}")] if lacking and there else []
    body = (
        chart(lines, metric=metric, x_label=LABELS[axis])
        if lines
        else el("p", "No run has it.", class_="empty")
    )
    return el("figure", el("figcaption", metric, *note), body)


def _missing(runs: Shown, axis: str, mains: Sequence[tuple[str, Sequence[Drawn]]]) -> Html:
    there = {one.colour for _, found in mains for one in found}
    lacking = [runs.labels[place] for place in range(len(runs.runs)) if place not in there]
    if axis != COST or not lacking:
        return Html("")
    return el("p", f"Without a price, and so not here: {_few(lacking)}.", class_="sub")


def _notes(runs: Shown, lines: Sequence[Curve]) -> list[Html]:
    notes = []
    if any(line.thinned for line in lines):
        most = max(line.total for line in lines)
        notes.append(
            f"Curves of up to {most:,} points are drawn with fewer: of each stretch the lowest and the highest. "
            "Every point is in MLflow."
        )
    if any(line.unreal for line in lines):
        bad = sorted(
            {
                f"{runs.labels[place]}: {name} ({series.unreal})"
                for place, run in enumerate(runs.runs)
                for name, series in run.series.items()
                if series.unreal
            }
        )
        notes.append(f"NaN or infinite values are gaps: {_few(bad)}.")
    if any(run.parent for run in runs.runs):
        notes.append(
            "A resumed run goes on at its own steps; the thin dashed line is what it took over from the run before. "
            "Its time and cost count from its own start."
        )
    return [el("ul", *(el("li", note, class_="sub") for note in notes), class_="plain")] if notes else []


def _few(names: Sequence[str], most: int = 6) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
