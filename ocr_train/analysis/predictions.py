"""What a model reads in images, and the validation samples scored with it, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.analysis.box_scores import BoxScore, box_totals, score_boxes
from ocr_train.analysis.sampling import Sample, ValidationSet
from ocr_train.analysis.text_scores import TextScore, score_text, text_totals
from ocr_train.errors import DataError

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """A line of text on a page: its four corners from the top left clockwise; `error` where it cannot be read."""

    box: tuple[Point, ...]
    score: float
    text: str
    text_score: float
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a model says of one image: `boxes` and `scores` (det), `text` and `score` (rec), `label` and `score`
    (cls), `lines` (detection and recognition together). Boxes are in pixels of the upright image. `error` says why
    there is nothing. `text_logp` and `label_logp`: the natural logarithms of how probable `text` and the image's label are
    for a CTC head that was asked."""

    image: Path
    boxes: tuple[tuple[Point, ...], ...] = ()
    scores: tuple[float, ...] = ()
    text: str = ""
    score: float = 0.0
    label: str = ""
    lines: tuple[TextLine, ...] = ()
    error: str = ""
    text_logp: float | None = None
    label_logp: float | None = None


def parse_reading(image: Path, values: Mapping[str, Any]) -> Reading:
    """The reading of `image` that is in JSON, by the names of its fields; what is left out has its default."""
    return Reading(
        image=image,
        boxes=tuple(_box(box) for box in values.get("boxes", ())),
        scores=tuple(float(score) for score in values.get("scores", ())),
        text=str(values.get("text", "")),
        score=float(values.get("score", 0.0)),
        label=str(values.get("label", "")),
        lines=tuple(_line(line) for line in values.get("lines", ())),
        error=str(values.get("error", "")),
        text_logp=_number(values.get("text_logp")),
        label_logp=_number(values.get("label_logp")),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _line(values: Mapping[str, Any]) -> TextLine:
    return TextLine(
        box=_box(values["box"]),
        score=float(values["score"]),
        text=str(values["text"]),
        text_score=float(values["text_score"]),
        error=str(values.get("error", "")),
    )


def _box(points: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in points)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One image with its answer and its score; `index` is its place in the sample, the same at every step."""

    index: int
    sample: Sample
    answer: Reading
    score: BoxScore | TextScore

    @property
    def error_rank(self) -> tuple[float, float]:
        """The greater, the worse: what images are sorted by."""
        if isinstance(self.score, BoxScore):
            return 1 - self.score.hmean, float(self.score.missed + self.score.false)
        return 1 - self.score.similarity, float(self.score.edit_distance)

    @property
    def shown_pair(self) -> tuple[str, str]:
        """Truth and prediction for a table: texts as they were written and read, or how many boxes."""
        if isinstance(self.score, BoxScore):
            true = sum(not box.ignored for box in self.sample.boxes)
            return _boxes(true), _boxes(len(self.answer.boxes))
        return self.sample.text, self.answer.text or self.answer.label


def score_all(chosen: ValidationSet, answers: Sequence[Reading]) -> list[Scored]:
    """The samples of `chosen` with their answers, in the same order; raises `DataError` where they are not as many."""
    if len(answers) != len(chosen.samples):
        raise DataError(
            f"{len(chosen.samples)} images were sent to be read and {len(answers)} answers came.",
            hint="The process that reads images ended early: its last line says why.",
        )
    return [
        Scored(index=index, sample=sample, answer=answer, score=_score(chosen, sample, answer))
        for index, (sample, answer) in enumerate(zip(chosen.samples, answers, strict=True))
    ]


def worst_first(scored: Sequence[Scored]) -> list[Scored]:
    """Sorted by score; equal ones stay in the sample's order."""
    return sorted(scored, key=lambda one: one.error_rank, reverse=True)


def totals(scored: Sequence[Scored], task: str) -> dict[str, float]:
    """recall, precision and hmean; acc and norm_edit_dis; or acc alone for a classification."""
    boxes = [one.score for one in scored if isinstance(one.score, BoxScore)]
    texts = [one.score for one in scored if isinstance(one.score, TextScore)]
    figures = box_totals(boxes) if task == "det" else text_totals(texts)
    return {"acc": figures["acc"]} if task == "cls" and figures else figures


def score_columns(scored: Scored, task: str) -> dict[str, Any]:
    """The scores of one image, by the names of tables and of `samples.json`."""
    score = scored.score
    if isinstance(score, BoxScore):
        return {
            "recall": round(score.recall, 4),
            "precision": round(score.precision, 4),
            "hmean": round(score.hmean, 4),
            "missed": score.missed,
            "false": score.false,
        }
    if task == "cls":
        return {"right": score.right, "score": round(scored.answer.score, 4)}
    return {"edit_distance": score.edit_distance, "score": round(scored.answer.score, 4)}


def _score(chosen: ValidationSet, sample: Sample, answer: Reading) -> BoxScore | TextScore:
    if chosen.task == "det":
        return score_boxes(sample.boxes, answer.boxes)
    return score_text(sample.text, answer.label if chosen.task == "cls" else answer.text, chosen.rules)


def _boxes(count: int) -> str:
    return f"{count} box" if count == 1 else f"{count} boxes"
