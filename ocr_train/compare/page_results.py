"""The page's first screen: who wins, how fast and for how much; and the table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ocr_train.compare.markup import Html, el
from ocr_train.compare.page_parts import (
    SHORT_ID,
    Shown,
    dollars,
    duration,
    moment,
    name_of,
    section,
    table,
)
from ocr_train.compare.scale import number
from ocr_train.compare.scores import Score, Target, leaders, winners
from ocr_train.compare.values import RunData, better, is_real

_BAD_STATES = ("FAILED", "KILLED")
_BESIDE = ("precision", "recall", "norm_edit_dis")
"""Evaluation metrics that the table has room for, where runs have them."""


def tiles(runs: Shown, scores: Sequence[Score], goal: Target | None) -> Html:
    """What matters most, in figures; nothing where no run has a score."""
    found = [*_score_tile(runs, scores)]
    if goal is not None:
        found += _goal_tiles(runs, goal)
    else:
        found += _spent_tiles(runs)
    return el("div", *found, class_="tiles") if found else Html("")


def _tile(what: str, value: Html | str, who: str, why: str, *, first: bool = False) -> Html:
    return el(
        "div",
        el("div", what, class_="what"),
        el("div", value, class_="value"),
        el("div", who, class_="who"),
        el("div", why, class_="why"),
        class_="tile first" if first else "tile",
    )


def _score_tile(runs: Shown, scores: Sequence[Score]) -> list[Html]:
    known = sorted(
        (score for score in scores if score.best is not None),
        key=lambda score: (better(score.metric) or 1) * (score.best or 0),
        reverse=True,
    )
    if not known or len({score.group for score in scores}) > 1:
        return []
    top = known[0]
    at = f"at step {top.best_step:,}" if top.best_step is not None else ""
    if len(known) == 1:
        return [_tile(f"Best {top.metric}", number(top.best or 0), runs.label(top.run_id), at, first=True)]
    equal = [score for score in known if score.best == top.best]
    if len(equal) > 1:
        who = f"{len(equal)} runs are level"
        return [_tile(f"Best {top.metric}", number(top.best or 0), who, "no winner", first=True)]
    ahead = abs((top.best or 0) - (known[1].best or 0))
    why = f"{at}; {number(ahead)} better than {runs.label(known[1].run_id)}"
    return [_tile(f"Best {top.metric}", number(top.best or 0), runs.label(top.run_id), why, first=True)]


def _goal_tiles(runs: Shown, goal: Target) -> list[Html]:
    found = []
    said = f"to reach {goal.metric} {number(goal.value)}, which every run did"
    for what, values, show in (
        ("Fastest", goal.hours, duration),
        ("Cheapest", goal.cost_usd, dollars),
    ):
        if len(values) == len(runs.runs):
            best = min(values, key=lambda run_id: values[run_id])
            found.append(_tile(what, show(values[best]), runs.label(best), said))
    return found + _spent_tiles(runs)


def _spent_tiles(runs: Shown) -> list[Html]:
    costs = [run.cost_usd for run in runs.runs]
    hours = sum(run.hours for run in runs.runs)
    count = f"{len(runs.runs)} runs" if len(runs.runs) > 1 else "1 run"
    known = [cost for cost in costs if cost is not None]
    missing = len(costs) - len(known)
    if not known:
        return [_tile("Time in all", duration(hours), count, "what an hour costs is not known")]
    why = f"{duration(hours)} of training" + (f"; {missing} without a price" if missing else "")
    return [_tile("Spent in all", dollars(sum(known)), count, why)]


def results(runs: Shown, scores: Sequence[Score], goal: Target | None) -> Html:
    """The table of results, a row for each run."""
    columns = _columns(runs, scores, goal)
    best = winners(scores)
    head = [
        el("th", "Run", scope="col"),
        *(el("th", *name, class_="num", scope="col") for name, _ in columns),
    ]
    head.append(el("th", "Device", scope="col"))
    rows = []
    for place, run in enumerate(runs.runs):
        cells = [el("td", *cells[run.run_id], class_="num") for _, cells in columns]
        device = el("td", run.tags.get("device", "–"))
        won = run.run_id in best
        rows.append(
            el("tr", _run_cell(runs, place, won=won), *cells, device, class_="winner" if won else None)
        )
    return section(
        "results",
        "Results",
        table(head, rows),
        sub="Best is the run's own best evaluation, the other scores are those of the same evaluation. The best of a "
        "column is green; scores are only set against each other where runs share the data and the metric.",
    )


def _run_cell(runs: Shown, place: int, *, won: bool) -> Html:
    run = runs.runs[place]
    parts: list[Html | str] = [name_of(runs, place), " "]
    if won:
        parts.append(el("span", "best", class_="badge"))
    if run.status != "FINISHED":
        bad = run.status in _BAD_STATES
        reason = run.tags.get("failure_reason", "")
        said = f"{run.status.lower()}{': ' + reason if bad and reason else ''}"
        parts.append(el("span", said, class_=f"badge {'bad' if bad else 'quiet'}"))
    facts = [run.model or "unknown model", run.run_id[:SHORT_ID], run.experiment, moment(run.started)]
    return el("th", *parts, el("small", " · ".join(facts)), class_="run", scope="row")


Cells = Mapping[str, tuple["Html | str", ...]]
Column = tuple[tuple["Html | str", ...], Cells]


def _columns(runs: Shown, scores: Sequence[Score], goal: Target | None) -> list[Column]:
    metrics = list(dict.fromkeys(score.metric for score in scores if score.metric))
    main = metrics[0] if len(metrics) == 1 else "score"
    found = [
        _column(
            f"Best {main}",
            scores,
            {one.run_id: one.best for one in scores},
            1,
            number,
            _where(scores, metrics),
        ),
        _column(f"Last {main}", scores, {one.run_id: one.last for one in scores}, 1, number),
    ]
    beside = [name for name in _BESIDE if any(name in score.beside for score in scores)]
    found += [
        _column(name, scores, {one.run_id: one.beside.get(name) for one in scores}, 1, number)
        for name in beside
    ]
    found.append(_loss(scores))
    found.append(_plain("Steps", {one.run_id: one.last_step for one in scores}, _count, _epochs(scores)))
    found.append(_plain("Duration", {one.run_id: one.hours for one in scores}, duration))
    if any(score.cost_usd is not None for score in scores):
        found.append(_plain("Cost", {one.run_id: one.cost_usd for one in scores}, dollars))
    if goal is not None:
        title = f"Time to {goal.metric} {number(goal.value)}"
        notes = {run_id: dollars(cost) for run_id, cost in goal.cost_usd.items()}
        sign = {one.run_id: goal.hours.get(one.run_id) for one in scores}
        found.append(_column(title, scores, sign, -1, duration, notes))
    rates = {one.run_id: one.samples_per_s for one in scores}
    found.append(_plain("Samples/s", rates, number))
    return found


def _where(scores: Sequence[Score], metrics: Sequence[str]) -> dict[str, str]:
    """Where the best was reached, and of what, where runs have several main metrics."""
    return {
        one.run_id: (f"{one.metric}, " if len(metrics) > 1 else "") + f"step {one.best_step:,}"
        for one in scores
        if one.best_step is not None
    }


def _epochs(scores: Sequence[Score]) -> dict[str, str]:
    return {one.run_id: f"epoch {one.epochs:g}" for one in scores if one.epochs is not None}


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _loss(scores: Sequence[Score]) -> Column:
    notes = {one.run_id: f"lowest {number(one.lowest_loss)}" for one in scores if one.lowest_loss is not None}
    return _plain("Last loss", {one.run_id: one.last_loss for one in scores}, number, notes)


def _plain(name, values, show, notes=None) -> Column:  # type: ignore[no-untyped-def]
    return (name,), {
        run_id: _cell(value, show, (notes or {}).get(run_id, "")) for run_id, value in values.items()
    }


def _column(name, scores, values, sign, show, notes=None) -> Column:  # type: ignore[no-untyped-def]
    """A column whose best cells, among comparable runs, are marked."""
    top: set[str] = set()
    for group in dict.fromkeys(score.group for score in scores):
        top |= leaders({one.run_id: values[one.run_id] for one in scores if one.group == group}, sign)
    cells = {
        run_id: _cell(value, show, (notes or {}).get(run_id, ""), top=run_id in top)
        for run_id, value in values.items()
    }
    return (name,), cells


def _cell(value, show, note: str, *, top: bool = False):  # type: ignore[no-untyped-def]
    if value is None or not is_real(value):
        return ("–",)
    said = el("span", show(value), class_="top") if top else show(value)
    return (said, el("small", note)) if note else (said,)


def facts_of(run: RunData) -> str:
    """One line on a run, for a description."""
    return f"{run.name} ({run.run_id})"
