"""The page's first screen: who wins, how fast and for how much; and the table of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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
from ocr_train.compare.scale import figure, number
from ocr_train.compare.scores import Score, Target, leaders, winners
from ocr_train.compare.values import better, is_real

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
        return [_tile(f"Best {top.metric}", figure(top.best or 0), runs.label(top.run_id), at, first=True)]
    equal = [score for score in known if score.best == top.best]
    if len(equal) > 1:
        who = f"{len(equal)} runs are level"
        return [_tile(f"Best {top.metric}", figure(top.best or 0), who, "no winner", first=True)]
    ahead = abs((top.best or 0) - (known[1].best or 0))
    why = f"{at}; {figure(ahead)} better than {runs.label(known[1].run_id)}"
    return [_tile(f"Best {top.metric}", figure(top.best or 0), runs.label(top.run_id), why, first=True)]


def _goal_tiles(runs: Shown, goal: Target) -> list[Html]:
    found = []
    said = f"to reach {goal.metric} {figure(goal.value)}, as every run did"
    for what, values, show in (
        ("Fastest", goal.hours, duration),
        ("Cheapest", goal.cost_usd, dollars),
    ):
        if len(values) > 1:
            # Of equals the one that got there itself, not the one that went on from it.
            resumed = {run.run_id for run in runs.runs if run.parent}
            best = min(values, key=lambda run_id: (values[run_id], run_id in resumed))
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
    """The table of results, a row for each run; the best one first where all can be compared."""
    columns = _columns(scores, goal)
    best = winners(scores)
    head: list[Html | str] = [el("th", "Run", scope="col")]
    head += [el("th", column.title, class_="num", scope="col") for column in columns]
    head.append(el("th", "Device", scope="col"))
    rows = []
    for place in ranked(scores):
        run = runs.runs[place]
        cells = [_cell(column, run.run_id) for column in columns]
        device = el("td", run.tags.get("device", "–"))
        won = run.run_id in best
        rows.append(
            el("tr", _run_cell(runs, place, won=won), *cells, device, class_="winner" if won else None)
        )
    return section(
        "results",
        "Results",
        table(head, rows),
        sub="Best is the run's own best evaluation, the scores beside it are of that same evaluation. Green is the best "
        "of a column; scores are only set against each other where runs share the data and the metric.",
    )


def ranked(scores: Sequence[Score]) -> list[int]:
    """The places of the runs by their best score, where all can be compared; else as they are."""
    places = list(range(len(scores)))
    if len({score.group for score in scores}) > 1:
        return places
    sign = better(scores[0].metric) or 1
    known = [place for place in places if scores[place].best is not None]
    known.sort(key=lambda place: -sign * (scores[place].best or 0))
    return [*known, *(place for place in places if place not in known)]


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


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table, by run id: values, how they are written, the small print, and which are the best."""

    title: str
    values: Mapping[str, float | None]
    show: Callable[[float], str]
    notes: Mapping[str, str] = field(default_factory=dict)
    top: frozenset[str] = frozenset()


def _cell(column: Column, run_id: str) -> Html:
    value = column.values.get(run_id)
    if value is None or not is_real(value):
        return el("td", "–", class_="num")
    said = column.show(value)
    note = column.notes.get(run_id, "")
    return el(
        "td",
        el("span", said, class_="top") if run_id in column.top else said,
        el("small", note) if note else "",
        class_="num",
    )


def _columns(scores: Sequence[Score], goal: Target | None) -> list[Column]:
    found = [*_score_columns(scores), _loss(scores), _steps(scores)]
    hours = {one.run_id: one.hours for one in scores}
    costs = {one.run_id: one.cost_usd for one in scores}
    found.append(Column(title="Duration", values=hours, show=duration))
    if any(cost is not None for cost in costs.values()):
        found.append(Column(title="Cost", values=costs, show=dollars))
    if goal is not None:
        found.append(
            Column(
                title=f"Time to {goal.metric} {figure(goal.value)}",
                values=goal.hours,
                show=duration,
                notes={run_id: dollars(cost) for run_id, cost in goal.cost_usd.items()},
                top=frozenset(leaders(goal.hours, -1)),
            )
        )
    rates = {one.run_id: one.samples_per_s for one in scores}
    return [*found, Column(title="Samples/s", values=rates, show=number)]


def _score_columns(scores: Sequence[Score]) -> list[Column]:
    metrics = list(dict.fromkeys(score.metric for score in scores if score.metric))
    main = metrics[0] if len(metrics) == 1 else "score"
    where = {
        one.run_id: (f"{one.metric}, " if len(metrics) > 1 else "") + f"step {one.best_step:,}"
        for one in scores
        if one.best_step is not None
    }
    found = [
        _ranked_column(f"Best {main}", scores, {one.run_id: one.best for one in scores}, where),
        _ranked_column(f"Last {main}", scores, {one.run_id: one.last for one in scores}),
    ]
    for name in _BESIDE:
        values = {one.run_id: one.beside.get(name) for one in scores}
        if name not in metrics and any(value is not None for value in values.values()):
            found.append(_ranked_column(name.replace("_", " ").capitalize(), scores, values))
    return found


def _ranked_column(
    title: str,
    scores: Sequence[Score],
    values: Mapping[str, float | None],
    notes: Mapping[str, str] | None = None,
) -> Column:
    """Scores, of which the best among comparable runs are marked."""
    top: set[str] = set()
    for group in dict.fromkeys(score.group for score in scores):
        top |= leaders({one.run_id: values[one.run_id] for one in scores if one.group == group}, 1)
    return Column(title=title, values=values, show=figure, notes=notes or {}, top=frozenset(top))


def _loss(scores: Sequence[Score]) -> Column:
    notes = {one.run_id: f"lowest {number(one.lowest_loss)}" for one in scores if one.lowest_loss is not None}
    values = {one.run_id: one.last_loss for one in scores}
    return Column(title="Last loss", values=values, show=number, notes=notes)


def _steps(scores: Sequence[Score]) -> Column:
    notes = {one.run_id: f"epoch {one.epochs:g}" for one in scores if one.epochs is not None}
    return Column(
        title="Steps", values={one.run_id: one.last_step for one in scores}, show=_count, notes=notes
    )


def _count(value: float) -> str:
    return f"{value:,.0f}"
