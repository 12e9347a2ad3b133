"""A set of what a model could read before its training, read before and after it: tables for the run, a sentence for people.

evaluation/keep_before.json        what was read before training, so that a run that goes on can compare, too
evaluation/keep_predictions.csv    name, truth, before, after
evaluation/keep_characters.csv     rec: each character of the truth, what was lost most first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.analysis import tables
from ocr_train.analysis.box_scores import ALONE, IGNORED, MATCHED, BoxScore
from ocr_train.analysis.kept_characters import (
    COLUMNS,
    characters_sentence,
    kept_characters,
    score_sentence,
)
from ocr_train.analysis.predictions import Reading, Scored, score_all, totals
from ocr_train.analysis.sampling import ValidationSet
from ocr_train.analysis.text_scores import TextScore

BEFORE_FILE = "keep_before.json"
_STATES = (MATCHED, ALONE, IGNORED)


@dataclass(frozen=True, kw_only=True)
class KeepReading:
    """What a model reads of the samples of `chosen`, one `scored` for each and in their order, and its `figures`."""

    chosen: ValidationSet
    scored: tuple[Scored, ...]
    figures: Mapping[str, float]

    def only(self, names: frozenset[str]) -> KeepReading:
        """The same of the samples of these names alone."""
        scored = tuple(one for one in self.scored if one.sample.name in names)
        samples = tuple(one.sample for one in scored)
        chosen = replace(self.chosen, samples=samples, total=len(samples))
        return KeepReading(chosen=chosen, scored=scored, figures=totals(scored, chosen.task))


def reading_of(chosen: ValidationSet, answers: Sequence[Reading]) -> KeepReading:
    """`answers`, one for each sample of `chosen` and in their order, scored; raises `DataError` where they are not as many."""
    scored = tuple(score_all(chosen, answers))
    return KeepReading(chosen=chosen, scored=scored, figures=totals(scored, chosen.task))


def before_document(reading: KeepReading, **facts: object) -> dict[str, Any]:
    """For keep_before.json, with `facts` such as the digest of the set."""
    return {
        **facts,
        "task": reading.chosen.task,
        "figures": dict(reading.figures),
        "samples": [_row(one) for one in reading.scored],
    }


def _row(one: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"name": one.sample.name}
    if isinstance(one.score, BoxScore):
        return {**row, "truth": list(one.score.truth), "predicted": list(one.score.predicted)}
    return {**row, "read": one.answer.label or one.answer.text}


def names_in(document: Mapping[str, Any]) -> frozenset[str]:
    """The names of the samples in keep_before.json; none in anything else."""
    rows = document.get("samples")
    named = [row.get("name") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return frozenset(name for name in named if isinstance(name, str))


def read_before(document: Mapping[str, Any], chosen: ValidationSet) -> KeepReading | None:
    """The reading that `before_document` wrote of the samples of `chosen`, scored again; None where it is of others."""
    rows = document.get("samples")
    known = (
        {str(row.get("name")): row for row in rows if isinstance(row, dict)} if isinstance(rows, list) else {}
    )
    if document.get("task") != chosen.task or {sample.name for sample in chosen.samples} != known.keys():
        return None
    texts = [known[sample.name].get("read", "") for sample in chosen.samples]
    if not all(isinstance(text, str) for text in texts):
        return None
    field = "label" if chosen.task == "cls" else "text"
    answers = [
        Reading(image=sample.path, **{field: text})
        for sample, text in zip(chosen.samples, texts, strict=True)
    ]
    if chosen.task != "det":
        return reading_of(chosen, answers)
    scores = [_box_score(known[sample.name]) for sample in chosen.samples]
    scored = tuple(
        Scored(index=index, sample=sample, answer=answer, score=score)
        for index, (sample, answer, score) in enumerate(zip(chosen.samples, answers, scores, strict=True))
        if score is not None
    )
    if len(scored) < len(scores):
        return None
    return KeepReading(chosen=chosen, scored=scored, figures=totals(scored, "det"))


def _box_score(row: Mapping[str, Any]) -> BoxScore | None:
    states = [row.get(name) for name in ("truth", "predicted")]
    if not all(isinstance(one, list) and all(state in _STATES for state in one) for one in states):
        return None
    return BoxScore(truth=tuple(states[0] or ()), predicted=tuple(states[1] or ()))


def write_keep(folder: Path, after: KeepReading, before: KeepReading | None) -> tuple[list[Path], str]:
    """Write the tables to `folder`; the files, and what to say of single characters (nothing for other tasks than rec)."""
    earlier: Sequence[Scored | None] = before.scored if before else [None] * len(after.scored)
    rows = [
        (now.sample.name, now.shown_pair[0], _shown(then), _shown(now))
        for now, then in zip(after.scored, earlier, strict=True)
    ]
    files = [tables.write_csv(folder / "keep_predictions.csv", ("name", "truth", "before", "after"), rows)]
    if after.chosen.task != "rec":
        return files, ""
    characters = kept_characters(_texts(after), _texts(before) if before else None)
    files.append(tables.write_csv(folder / "keep_characters.csv", COLUMNS, [one.row for one in characters]))
    return files, characters_sentence(characters)


def _shown(one: Scored | None) -> str | None:
    """What was read, for a table: a text or class, or how many of the boxes were found."""
    if one is None:
        return None
    if isinstance(one.score, BoxScore):
        return f"{one.score.matched} found, {one.score.false} false"
    return one.shown_pair[1]


def _texts(reading: KeepReading) -> list[TextScore]:
    return [one.score for one in reading.scored if isinstance(one.score, TextScore)]


def keep_sentence(metric: str, after: KeepReading, before: KeepReading | None, characters: str) -> str:
    """What the training did to what could be read before it, for people."""
    said = score_sentence(metric, before.figures if before else None, after.figures, len(after.scored))
    return f"{said}: {characters}" if characters else said


def fallen(metric: str, after: KeepReading, before: KeepReading | None) -> float:
    """By how much the main figure fell; 0 where it did not, or where it is not known."""
    if before is None:
        return 0.0
    return max(0.0, before.figures.get(metric, 0.0) - after.figures.get(metric, 0.0))
