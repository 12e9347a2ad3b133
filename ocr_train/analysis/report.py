"""The analysis at the end of a run: what the model reads well and what it does not, as tables and plots.

evaluation/evaluation.json                                        figures, and what they were counted from
predictions.png                                                   some images with the answers, from the worst to the best
rec:  predictions.csv by_length.csv by_class.csv confusion.csv    and a plot of each of the last three
det:  per_image.csv scores.csv, hmean.png scores.png, worst/*.png
cls:  predictions.csv confusion.csv
suspects.csv                                                      labels that look wrong (`suspects`)
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ocr_train.analysis import error_analysis, plots, tables
from ocr_train.analysis.box_scores import ALONE, MATCHED, BoxScore
from ocr_train.analysis.pictures import draw_boxes, draw_text, place_in_columns, save_png
from ocr_train.analysis.predictions import Reading, Scored, score_all, totals, worst_first
from ocr_train.analysis.sampling import ValidationSet, validation_set
from ocr_train.analysis.suspects import find_suspects, suspects_sentence, write_suspects
from ocr_train.analysis.text_scores import TextScore, error_rates
from ocr_train.data.character_classes import char_code, visible

FOLDER = "evaluation"
SUSPECTS = "suspects.csv"
LIMIT = 1000
"""At most this many validation images are read; which ones follows from their names (`sampling`)."""
WORST_SHOWN = 12
SHOWN = 4
_LOW = 0.5
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class AnalysisReport:
    """What was written: `files` with the artifact folder of each; the main `figures`; one `sentence` for people; a
    `picture` of some answers, and an `example`, the image that was read best."""

    files: tuple[tuple[Path, str], ...]
    figures: Mapping[str, float]
    sentence: str
    picture: Path | None = None
    example: Path | None = None


def analyse_validation(
    config: Path,
    task: str,
    read: Callable[[ValidationSet], Sequence[Reading]],
    folder: Path,
    *,
    limit: int = LIMIT,
) -> AnalysisReport:
    """Have `read` read the chosen validation images of the PaddleOCR configuration `config`, and write the evaluation to
    `folder`. Raises `DataError` where there are no labels, and whatever `read` raises."""
    chosen = validation_set(config, task, limit=limit)
    return write_evaluation(chosen, read(chosen), folder)


def write_evaluation(chosen: ValidationSet, answers: Sequence[Reading], folder: Path) -> AnalysisReport:
    """Score `answers`, one for each of the chosen samples and in their order, and write everything to `folder`."""
    scored = worst_first(score_all(chosen, answers))
    figures = {**totals(scored, chosen.task), **_error_rates(scored, chosen.task)}
    write = {"det": _write_det, "rec": _write_rec}.get(chosen.task, _write_cls)
    files, finding = write(scored, folder)
    suspects = find_suspects(scored)
    files.append(write_suspects(folder / SUSPECTS, suspects))
    wrong = suspects_sentence(suspects, f"{FOLDER}/{SUSPECTS}")
    sentence = " ".join(filter(None, (_headline(chosen, figures), finding, _failed(scored), wrong)))
    document = {
        "task": chosen.task,
        "images": len(scored),
        "validation_images": chosen.total,
        "capped": chosen.capped,
        "compared": _rule(chosen),
        "figures": figures,
        "suspects": len(suspects),
        "sentence": sentence,
    }
    files.append(tables.write_json(folder / "evaluation.json", document))
    picture = _draw_some(scored, folder / "predictions.png")
    return AnalysisReport(
        files=tuple((path, _folder(path, folder)) for path in [*files, *([picture] if picture else [])]),
        figures=figures,
        sentence=sentence,
        picture=picture,
        example=scored[-1].sample.path if scored else None,
    )


def _error_rates(scored: Sequence[Scored], task: str) -> dict[str, float]:
    scores = [one.score for one in scored if isinstance(one.score, TextScore)]
    return error_rates(scores) if task == "rec" else {}


def _draw_some(scored: Sequence[Scored], path: Path) -> Path | None:
    """A picture of some images with what the model made of them, evenly from the worst to the best."""
    drawn = []
    for one in evenly(scored, SHOWN):
        if isinstance(one.score, BoxScore):
            drawn.append(draw_boxes(one.sample, one.answer, one.score))
        elif isinstance(one.score, TextScore):
            drawn.append(draw_text(one.sample, one.score, error=one.answer.error))
    return save_png(place_in_columns(drawn), path) if drawn else None


def evenly(ranked: Sequence[_T], count: int) -> list[_T]:
    """`count` of them at most: the first, the last, and others at equal distances between."""
    if len(ranked) <= count:
        return list(ranked)
    return [ranked[round(place * (len(ranked) - 1) / (count - 1))] for place in range(count)]


def _folder(path: Path, folder: Path) -> str:
    """The artifact folder of a file in `folder`."""
    inner = path.parent.relative_to(folder).as_posix()
    return FOLDER if inner == "." else f"{FOLDER}/{inner}"


def _write_rec(scored: Sequence[Scored], folder: Path) -> tuple[list[Path], str]:
    scores = [one.score for one in scored if isinstance(one.score, TextScore)]
    lengths = error_analysis.by_length(scores)
    classes = error_analysis.by_class(scores)
    wrong = error_analysis.confusions(scores)
    files = [
        _write_predictions(scored, folder),
        tables.write_csv(folder / "by_length.csv", error_analysis.LengthRow._fields, lengths),
        tables.write_csv(folder / "by_class.csv", ("class", *error_analysis.ClassRow._fields[1:]), classes),
        _write_confusions(wrong, folder),
        plots.plot_by_length(lengths, folder / "by_length.png"),
        plots.plot_by_class(classes, folder / "by_class.png"),
        plots.plot_confusions(wrong, folder / "confusion.png"),
    ]
    return files, _weak_spots(classes, wrong)


def _write_cls(scored: Sequence[Scored], folder: Path) -> tuple[list[Path], str]:
    pairs = Counter(one.shown_pair for one in scored if one.shown_pair[0] != one.shown_pair[1])
    rows = [(*pair, count) for pair, count in pairs.most_common()]
    files = [
        _write_predictions(scored, folder),
        tables.write_csv(folder / "confusion.csv", ("truth", "prediction", "count"), rows),
    ]
    return files, f"Most often {rows[0][0]!r} is taken for {rows[0][1]!r} ({rows[0][2]}×)." if rows else ""


def _write_predictions(scored: Sequence[Scored], folder: Path) -> Path:
    rows = []
    for one in scored:
        if isinstance(one.score, TextScore):
            distance, similarity = one.score.edit_distance, one.score.similarity
            rows.append(
                (one.sample.name, *one.shown_pair, distance, similarity, one.answer.score, one.answer.error)
            )
    columns = ("name", "truth", "prediction", "edit_distance", "similarity", "score", "error")
    return tables.write_csv(folder / "predictions.csv", columns, rows)


def _write_confusions(wrong: Sequence[error_analysis.Confusion], folder: Path) -> Path:
    def described(char: str) -> tuple[str, str, str]:
        name = unicodedata.name(char, "") if char else ""
        return visible(char), char_code(char), name

    rows = [(*described(row.truth), *described(row.prediction), row.times, row.share) for row in wrong]
    columns = (
        *("truth", "truth_code", "truth_name", "prediction", "prediction_code", "prediction_name"),
        *("count", "share"),
    )
    return tables.write_csv(folder / "confusion.csv", columns, rows)


def _write_det(scored: Sequence[Scored], folder: Path) -> tuple[list[Path], str]:
    boxes = [(one, one.score) for one in scored if isinstance(one.score, BoxScore)]
    confidences = _confidences(boxes)
    # Bins of 0.05.
    by_score = [Counter(min(max(int(value * 20 + 1e-9), 0), 19) for value in one) for one in confidences]
    files = [
        _write_images(boxes, folder),
        tables.write_csv(
            folder / "scores.csv",
            ("score", "true", "false"),
            [(step / 20, *(bins[step] for bins in by_score)) for step in range(20)],
        ),
        plots.plot_hmeans([score.hmean for _, score in boxes], folder / "hmean.png"),
        plots.plot_confidences(*confidences, folder / "scores.png"),
    ]
    for rank, (one, score) in enumerate(boxes[:WORST_SHOWN]):
        if score.hmean < 1:
            picture = draw_boxes(one.sample, one.answer, score)
            files.append(save_png(picture, folder / "worst" / f"{rank:03d}.png"))
    low = sum(score.hmean < _LOW for _, score in boxes)
    worst = f"; the worst is {boxes[0][0].sample.name}" if boxes and boxes[0][1].hmean < 1 else ""
    return files, f"{low} of {len(boxes)} images are below an hmean of {_LOW}{worst}."


def _confidences(boxes: Sequence[tuple[Scored, BoxScore]]) -> tuple[list[float], list[float]]:
    """The model's own scores of its true and of its false boxes."""
    true: list[float] = []
    false: list[float] = []
    for one, score in boxes:
        for state, value in zip(score.predicted, one.answer.scores, strict=False):
            if state in (MATCHED, ALONE):
                (true if state == MATCHED else false).append(value)
    return true, false


def _write_images(boxes: Sequence[tuple[Scored, BoxScore]], folder: Path) -> Path:
    columns = (
        *("name", "boxes", "predicted", "matched", "missed", "false"),
        *("recall", "precision", "hmean", "error"),
    )
    rows = [
        (
            *(one.sample.name, score.matched + score.missed, score.matched + score.false, score.matched),
            *(score.missed, score.false, score.recall, score.precision, score.hmean, one.answer.error),
        )
        for one, score in boxes
    ]
    return tables.write_csv(folder / "per_image.csv", columns, rows)


def _rule(chosen: ValidationSet) -> str:
    if chosen.task == "det":
        return "a box fits at an intersection over union above 0.5, as in PaddleOCR's evaluation"
    return str(chosen.rules)


def _headline(chosen: ValidationSet, figures: Mapping[str, float]) -> str:
    count = f"{len(chosen.samples)} of {chosen.total}" if chosen.capped else f"{chosen.total}"
    if chosen.task == "det":
        scores = ", ".join(
            f"{name} {figures.get(name, 0.0):.3f}" for name in ("recall", "precision", "hmean")
        )
        return f"On {count} validation images: {scores}."
    right = figures.get("acc", 0.0)
    if chosen.task != "rec":
        return f"On {count} validation images {right:.1%} of the classes are right."
    found = [f"On {count} validation images {right:.1%} of the texts are right"]
    if figures.get("acc_spelled", right) != right:
        found.append(f"({figures['acc_spelled']:.1%} when both are in one spelling)")
    if figures.get("cer"):
        found.append(f"and {figures['cer']:.1%} of the characters are wrong (CER)")
    return " ".join(found) + "."


def _weak_spots(classes: Sequence[error_analysis.ClassRow], wrong: Sequence[error_analysis.Confusion]) -> str:
    found = []
    row = error_analysis.weakest(classes)
    if row is not None:
        found.append(f"Weakest: {row.name} ({row.accuracy or 0.0:.1%} of {row.characters:,} characters)")
    mixed = next((row for row in wrong if row.truth and row.prediction), None)
    if mixed is not None:
        truth, read = visible(mixed.truth), visible(mixed.prediction)
        found.append(f"most often {truth} read as {read} ({mixed.times}×)")
    return "; ".join(found) + "." if found else ""


def _failed(scored: Sequence[Scored]) -> str:
    failed = [one for one in scored if one.answer.error]
    return f"{len(failed)} could not be read: {failed[0].answer.error}." if failed else ""
