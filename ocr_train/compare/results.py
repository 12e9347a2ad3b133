"""The page's first screen as values: who wins, how fast and for how much; and the table of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ocr_train.compare.scale import figure, format_number
from ocr_train.compare.scores import Score, ScoreTarget, leaders, winners
from ocr_train.compare.shown import SHORT_ID, Shown, dollars, duration, moment
from ocr_train.compare.values import better, is_finite

_BAD_STATES = ("FAILED", "KILLED")
_BESIDE = ("precision", "recall", "norm_edit_dis")
"""Evaluation metrics that the table has room for, where runs have them."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A figure of the first screen: what it is, whose, and why it counts."""

    what: str
    value: str
    who: str
    why: str
    first: bool = False


def tiles(runs: Shown, scores: Sequence[Score], goal: ScoreTarget | None) -> list[Tile]:
    """What matters most, in figures; nothing where no run has a score."""
    return [
        *_score_tile(runs, scores),
        *(_goal_tiles(runs, goal) if goal is not None else ()),
        *_spent_tiles(runs),
    ]


def _tile(what: str, value: str, who: str, why: str, *, first: bool = False) -> Tile:
    return Tile(what=what, value=value, who=who, why=why, first=first)


def _score_tile(runs: Shown, scores: Sequence[Score]) -> list[Tile]:
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
        who = f"{len(equal)} runs are equal"
        return [_tile(f"Best {top.metric}", figure(top.best or 0), who, "no winner", first=True)]
    ahead = abs((top.best or 0) - (known[1].best or 0))
    why = f"{at}; {figure(ahead)} better than {runs.label(known[1].run_id)}"
    return [_tile(f"Best {top.metric}", figure(top.best or 0), runs.label(top.run_id), why, first=True)]


def _goal_tiles(runs: Shown, goal: ScoreTarget) -> list[Tile]:
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
    return found


def _spent_tiles(runs: Shown) -> list[Tile]:
    costs = [run.cost_usd for run in runs.runs]
    hours = sum(run.hours for run in runs.runs)
    count = f"{len(runs.runs)} runs" if len(runs.runs) > 1 else "1 run"
    known = [cost for cost in costs if cost is not None]
    missing = len(costs) - len(known)
    if not known:
        return [_tile("Time in all", duration(hours), count, "what an hour costs is not known")]
    why = f"{duration(hours)} of training" + (f"; {missing} without a price" if missing else "")
    return [_tile("Spent in all", dollars(sum(known)), count, why)]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A figure of the table: `top` is the best of its column, `note` the small print."""

    text: str
    note: str = ""
    top: bool = False


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """A run in the table of results, at `place` among the runs."""

    place: int
    won: bool
    badge: str
    bad: bool
    facts: Sequence[str]
    cells: Sequence[Cell]
    device: str


def results(
    runs: Shown, scores: Sequence[Score], goal: ScoreTarget | None
) -> tuple[Sequence[str], Sequence[ResultRow]]:
    """The titles of the columns and a row for each run; the best one first where all can be compared."""
    columns = _columns(scores, goal)
    best = winners(scores)
    rows = [_row(runs, place, columns, won=runs.runs[place].run_id in best) for place in ranked(scores)]
    return [column.title for column in columns], rows


def _row(runs: Shown, place: int, columns: Sequence[Column], *, won: bool) -> ResultRow:
    run = runs.runs[place]
    bad = run.status in _BAD_STATES
    reason = run.tags.get("failure_reason", "") if bad else ""
    state = "" if run.status == "FINISHED" else run.status.lower()
    return ResultRow(
        place=place,
        won=won,
        badge=f"{state}: {reason}" if reason else state,
        bad=bad,
        facts=[run.model or "unknown model", run.run_id[:SHORT_ID], run.experiment, moment(run.started)],
        cells=[_cell(column, run.run_id) for column in columns],
        device=run.tags.get("device", "–"),
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


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table, by run id: values, how they are written, the small print, and which are the best."""

    title: str
    values: Mapping[str, float | None]
    show: Callable[[float], str]
    notes: Mapping[str, str] = field(default_factory=dict)
    top: frozenset[str] = frozenset()


def _cell(column: Column, run_id: str) -> Cell:
    value = column.values.get(run_id)
    if value is None or not is_finite(value):
        return Cell(text="–")
    return Cell(text=column.show(value), note=column.notes.get(run_id, ""), top=run_id in column.top)


def _columns(scores: Sequence[Score], goal: ScoreTarget | None) -> list[Column]:
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
    return [*found, Column(title="Samples/s", values=rates, show=format_number)]


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
    notes = {
        one.run_id: f"lowest {format_number(one.lowest_loss)}"
        for one in scores
        if one.lowest_loss is not None
    }
    values = {one.run_id: one.last_loss for one in scores}
    return Column(title="Last loss", values=values, show=format_number, notes=notes)


def _steps(scores: Sequence[Score]) -> Column:
    notes = {one.run_id: f"epoch {one.epochs:g}" for one in scores if one.epochs is not None}
    return Column(
        title="Steps", values={one.run_id: one.last_step for one in scores}, show=_count, notes=notes
    )


def _count(value: float) -> str:
    return f"{value:,.0f}"
