"""The page's first screen as values: who wins, how fast and for how much; and the table of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from ocr_train.compare.figures import dollars, duration, format_number, format_score
from ocr_train.compare.scores import Score, ScoreTarget, leaders, leaders_of_groups
from ocr_train.compare.values import RunData, better, label_of

_BESIDE = ("precision", "recall", "norm_edit_dis")
"""Evaluation metrics that the table has room for, where runs have them."""

_AT_END = {"cer": ("CER", -1), "kept": ("Kept", 1)}
"""Titles of figures of the best checkpoint, and whether more (1) or less (-1) is better."""

_DIGEST_SHOWN = 6


class Tile(NamedTuple):
    """A figure of the first screen: what it is, whose, and why it counts."""

    what: str
    value: str
    who: str
    why: str


def tiles(runs: Sequence[RunData], scores: Sequence[Score], goal: ScoreTarget | None) -> list[Tile]:
    """What matters most, in figures: the best score, who came there first and cheapest, and what was spent."""
    return [*_best_score(runs, scores), *(_to_goal(runs, goal) if goal else ()), _spent(runs)]


def _best_score(runs: Sequence[RunData], scores: Sequence[Score]) -> list[Tile]:
    known = [scores[place] for place in ranked(scores) if scores[place].best is not None]
    if not known or len({score.group for score in scores}) > 1:
        return []
    top, best = known[0], known[0].best or 0
    who, why = label_of(runs, top.run_id), f"at step {top.best_step:,}"
    if len(known) > 1:
        ahead = abs(best - (known[1].best or 0))
        why += f"; {format_score(ahead)} better than {label_of(runs, known[1].run_id)}"
        if not ahead:
            equal = sum(score.best == top.best for score in known)
            who, why = f"{equal} runs are equal", "no winner"
    return [Tile(f"Best {top.metric}", format_score(best), who, why)]


def _to_goal(runs: Sequence[RunData], goal: ScoreTarget) -> list[Tile]:
    found = []
    why = f"to reach {goal.metric} {format_score(goal.value)}, as every run did"
    # Of equals the one that got there itself, not the one that was resumed from it.
    resumed = {run.run_id for run in runs if run.parent}
    for what, values, show in (("Fastest", goal.hours, duration), ("Cheapest", goal.cost_usd, dollars)):
        if len(values) > 1:
            best = min(values, key=lambda run_id: (values[run_id], run_id in resumed))
            found.append(Tile(what, show(values[best]), label_of(runs, best), why))
    return found


def _spent(runs: Sequence[RunData]) -> Tile:
    hours = duration(sum(run.hours for run in runs))
    count = f"{len(runs)} runs" if len(runs) > 1 else "1 run"
    known = [run.cost_usd for run in runs if run.cost_usd is not None]
    missing = len(runs) - len(known)
    if not known:
        return Tile("Time in all", hours, count, "what an hour costs is not known")
    why = f"{hours} of training" + (f"; {missing} without a price" if missing else "")
    return Tile("Spent in all", dollars(sum(known)), count, why)


def ranked(scores: Sequence[Score]) -> list[int]:
    """The places of the runs by their best score, where all can be compared; else as they are."""
    places = range(len(scores))
    if len({score.group for score in scores}) > 1:
        return list(places)
    sign = better(scores[0].metric) or 1
    return sorted(places, key=lambda place: (scores[place].best is None, -sign * (scores[place].best or 0)))


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table, by run id: values, how they are written, the small print, and which are the best."""

    title: str
    values: Mapping[str, float | None]
    show: Callable[[float], str]
    notes: Mapping[str, str] = field(default_factory=dict)
    top: AbstractSet[str] = frozenset()


def columns(scores: Sequence[Score], goal: ScoreTarget | None) -> list[Column]:
    """The columns of the table of results."""

    def values(read: Callable[[Score], float | None]) -> dict[str, float | None]:
        return {score.run_id: read(score) for score in scores}

    def some(column: Column) -> list[Column]:
        return [column] if any(value is not None for value in column.values.values()) else []

    losses = {
        one.run_id: f"lowest {format_number(one.lowest_loss)}"
        for one in scores
        if one.lowest_loss is not None
    }
    epochs = {one.run_id: f"epoch {one.epochs:g}" for one in scores if one.epochs is not None}
    return [
        *_score_columns(scores),
        *_end_columns(scores),
        Column(title="Last loss", values=values(lambda one: one.last_loss), show=format_number, notes=losses),
        Column(title="Steps", values=values(lambda one: one.last_step), show="{:,.0f}".format, notes=epochs),
        Column(title="Duration", values=values(lambda one: one.hours), show=duration),
        *some(Column(title="Cost", values=values(lambda one: one.cost_usd), show=dollars)),
        *([_time_to(goal)] if goal else ()),
        Column(title="Samples/s", values=values(lambda one: one.samples_per_s), show=format_number),
    ]


def _score_columns(scores: Sequence[Score]) -> list[Column]:
    """Scores, of which the best among comparable runs are marked."""
    metrics = list(dict.fromkeys(score.metric for score in scores if score.metric))
    main = metrics[0] if len(metrics) == 1 else "score"
    prefix = "{}, " if len(metrics) > 1 else ""
    where = {
        one.run_id: f"{prefix.format(one.metric)}step {one.best_step:,}"
        for one in scores
        if one.best_step is not None
    }
    found = {f"Best {main}": {one.run_id: one.best for one in scores}}
    found[f"Last {main}"] = {one.run_id: one.last for one in scores}
    for name in _BESIDE:
        if name not in metrics and any(name in one.beside for one in scores):
            title = name.replace("_", " ").capitalize()
            found[title] = {one.run_id: one.beside.get(name) for one in scores}
    return [
        Column(
            title=title,
            values=values,
            show=format_score,
            notes=where if title.startswith("Best") else {},
            top=leaders_of_groups(scores, values),
        )
        for title, values in found.items()
    ]


def _end_columns(scores: Sequence[Score]) -> list[Column]:
    """What the best checkpoints were found to read at the end, where any was."""
    found = []
    for name, (title, sign) in _AT_END.items():
        values = {one.run_id: one.at_end.get(name) for one in scores}
        if any(value is not None for value in values.values()):
            notes = _of_keep_sets(scores) if name == "kept" else {}
            # Runs that read several sets have no best one.
            several = any("set " in note for note in notes.values())
            top = leaders_of_groups(scores, values, sign) if not several else set[str]()
            found.append(Column(title=title, values=values, show=format_score, notes=notes, top=top))
    return found


def _of_keep_sets(scores: Sequence[Score]) -> dict[str, str]:
    """What each run's weights read of its keep set before training, and which set that was, where runs had several."""
    several = len({one.keep_digest for one in scores if "kept" in one.at_end}) > 1
    notes = {}
    for one in scores:
        before = [] if one.kept_before is None else [f"before {format_score(one.kept_before)}"]
        which = [f"set {one.keep_digest[:_DIGEST_SHOWN]}"] if several else []
        if "kept" in one.at_end:
            notes[one.run_id] = ", ".join([*before, *which])
    return notes


def _time_to(goal: ScoreTarget) -> Column:
    return Column(
        title=f"Time to {goal.metric} {format_score(goal.value)}",
        values=goal.hours,
        show=duration,
        notes={run_id: dollars(cost) for run_id, cost in goal.cost_usd.items()},
        top=leaders(goal.hours, -1),
    )
