"""The tables and plots at the end of a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ocr_train.analysis.predictions import Reading
from ocr_train.analysis.report import FOLDER, AnalysisReport, analyse_validation, evenly
from ocr_train.analysis.sampling import ValidationSet
from tests.analysis.builders import answer, box_at, write_validation


def evaluate(
    folder: Path, task: str, truths: dict[str, Any], answers: dict[str, Reading], **options: Any
) -> AnalysisReport:
    """Evaluate with these answers by image name."""
    config = write_validation(folder / "data", truths)

    def read(chosen: ValidationSet) -> list[Reading]:
        return [answers[path.name] for path in chosen.paths]

    return analyse_validation(config, task, read, folder / FOLDER, **options)


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rec(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AnalysisReport]:
    """Four texts: one right, one with a lost tone mark, one with O for 0, one that could not be read."""
    folder = tmp_path_factory.mktemp("rec")
    truths = {"a.png": "ที่ 1", "b.png": "ที่", "c.png": "A0", "d.png": "0-9"}
    answers = {
        "a.png": answer(text="ที่1"),
        "b.png": answer(text="ที"),
        "c.png": answer(text="AO"),
        "d.png": answer(error="damaged"),
    }
    return folder / FOLDER, evaluate(folder, "rec", truths, answers)


@pytest.fixture(scope="module")
def det(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AnalysisReport]:
    """Two pages: one right, one with a missed and a false box."""
    folder = tmp_path_factory.mktemp("det")
    truths = {"a.png": [box_at(0, 0)], "b.png": [box_at(0, 0), box_at(20, 0), box_at(40, 0, "###")]}
    answers = {
        "a.png": answer(boxes=(box_at(0, 0).points,), scores=(0.91,)),
        "b.png": answer(boxes=(box_at(20, 0).points, box_at(60, 20).points), scores=(0.82, 0.41)),
    }
    return folder / FOLDER, evaluate(folder, "det", truths, answers)


def test_every_file_is_named_with_its_artifact_folder(
    rec: tuple[Path, AnalysisReport], det: tuple[Path, AnalysisReport]
) -> None:
    """What is listed is there, and what is there is listed."""
    for folder, written in (rec, det):
        assert {path for path, _ in written.files} == {path for path in folder.rglob("*") if path.is_file()}
        assert all((folder.parent / place / path.name) == path for path, place in written.files)


def test_a_picture_shows_some_answers(
    rec: tuple[Path, AnalysisReport], det: tuple[Path, AnalysisReport]
) -> None:
    """Of crops and of pages; the image that was read best is one to try the model with."""
    for folder, written in (rec, det):
        assert written.picture == folder / "predictions.png"
        with Image.open(written.picture) as picture:
            assert picture.width > 320
        assert written.example is not None
        assert written.example.name == "a.png"


def test_what_is_shown_lies_evenly_between_the_worst_and_the_best() -> None:
    """Not the best alone, which would flatter, nor the worst."""
    assert evenly(range(10), 4) == [0, 3, 6, 9]
    assert evenly(range(2), 4) == [0, 1]


def test_texts_are_listed_worst_first(rec: tuple[Path, AnalysisReport]) -> None:
    """As they were written and read; blanks are left out of the comparison."""
    found = rows(rec[0] / "predictions.csv")
    assert [row["name"] for row in found] == ["d.png", "c.png", "b.png", "a.png"]
    assert (found[0]["error"], found[-1]["truth"], found[-1]["edit_distance"]) == ("damaged", "ที่ 1", "0")


def test_accuracy_is_told_by_length_and_by_class(rec: tuple[Path, AnalysisReport]) -> None:
    """In characters as compared."""
    lengths = {row["length"]: row for row in rows(rec[0] / "by_length.csv")}
    assert (lengths["3"]["texts"], lengths["4"]["accuracy"]) == ("2", "1.0000")
    classes = {row["class"]: row for row in rows(rec[0] / "by_class.csv")}
    assert classes["Thai"]["accuracy"] == f"{5 / 6:.4f}"
    assert classes["digits"]["missed"] == "2"
    assert set(classes) == {"digits", "Latin", "Thai", "punctuation"}


def test_a_lost_tone_mark_is_named(rec: tuple[Path, AnalysisReport]) -> None:
    """U+0E48 on a dotted circle, with its code and its name."""
    found = {(row["truth_code"], row["prediction_code"]): row for row in rows(rec[0] / "confusion.csv")}
    mark = found["U+0E48", ""]
    assert (mark["truth"], mark["truth_name"], mark["prediction"]) == (
        "◌่",
        "THAI CHARACTER MAI EK",
        "(nothing)",
    )
    assert mark["share"] == "0.5000"
    assert found["U+0030", "U+004F"]["count"] == "1"


def test_pages_are_listed_worst_first(det: tuple[Path, AnalysisReport]) -> None:
    """Ignored boxes count for nothing."""
    found = rows(det[0] / "per_image.csv")
    assert [(row["name"], row["boxes"], row["missed"], row["false"]) for row in found] == [
        ("b.png", "2", "1", "1"),
        ("a.png", "1", "0", "0"),
    ]
    assert found[0]["hmean"] == "0.5000"


def test_confidences_are_counted_for_true_and_false_boxes(det: tuple[Path, AnalysisReport]) -> None:
    """By steps of 0.05."""
    found = {row["score"]: (row["true"], row["false"]) for row in rows(det[0] / "scores.csv")}
    assert {low: counts for low, counts in found.items() if counts != ("0", "0")} == {
        "0.9000": ("1", "0"),
        "0.8000": ("1", "0"),
        "0.4000": ("0", "1"),
    }


def test_only_pages_with_mistakes_are_drawn(det: tuple[Path, AnalysisReport]) -> None:
    """The worst, in their order."""
    assert [path.name for path in (det[0] / "worst").iterdir()] == ["000.png"]


def test_plots_are_pictures(rec: tuple[Path, AnalysisReport], det: tuple[Path, AnalysisReport]) -> None:
    """Drawn with ink."""
    plots = [rec[0] / f"{name}.png" for name in ("by_length", "by_class", "confusion")]
    plots += [det[0] / f"{name}.png" for name in ("hmean", "scores")]
    for path in plots:
        with Image.open(path) as plot:
            assert plot.width >= 600
            assert len(plot.convert("RGB").getcolors(1 << 20) or ()) > 10


def test_the_sentences_say_what_matters(
    rec: tuple[Path, AnalysisReport], det: tuple[Path, AnalysisReport]
) -> None:
    """How good, what is weakest, what failed."""
    assert rec[1].sentence == (
        "On 4 validation images 25.0% of the texts are right and 41.7% of the characters are wrong (CER). Weakest: "
        "punctuation (0.0% of 1 characters); most often 0 read as O (1×). 1 could not be read: damaged."
    )
    assert det[1].sentence == (
        "On 2 validation images: recall 0.667, precision 0.667, hmean 0.667. 0 of 2 images are below an hmean of "
        "0.5; the worst is b.png."
    )


def test_figures_are_in_the_document(rec: tuple[Path, AnalysisReport]) -> None:
    """With the rules by which they were counted."""
    document = json.loads((rec[0] / "evaluation.json").read_text("utf-8"))
    assert document["figures"] == dict(rec[1].figures)
    assert document["figures"]["acc"] == 0.25
    assert "blanks are left out" in document["compared"]


def test_a_capped_evaluation_says_so(tmp_path: Path) -> None:
    """In the sentence and in the document."""
    truths = {f"{number}.png": "a" for number in range(5)}
    written = evaluate(tmp_path, "rec", truths, {name: answer(text="a") for name in truths}, limit=2)
    assert written.sentence == "On 2 of 5 validation images 100.0% of the texts are right."
    document = json.loads((tmp_path / FOLDER / "evaluation.json").read_text("utf-8"))
    assert (document["images"], document["validation_images"], document["capped"]) == (2, 5, True)


def test_classes_are_confused_as_a_whole(tmp_path: Path) -> None:
    """Which is taken for which."""
    answers = {"a.png": answer(label="180"), "b.png": answer(label="180")}
    written = evaluate(tmp_path, "cls", {"a.png": "0", "b.png": "180"}, answers)
    assert rows(tmp_path / FOLDER / "confusion.csv") == [{"truth": "0", "prediction": "180", "count": "1"}]
    assert written.sentence.endswith("Most often '0' is taken for '180' (1×).")
    assert written.figures == {"acc": 0.5}
