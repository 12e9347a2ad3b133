"""The files of one look at the sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ocr_train.analysis import tables
from ocr_train.analysis.predictions import Reading, score_all
from ocr_train.analysis.sampling import validation_set
from ocr_train.analysis.step_files import StepFiles, write_step
from ocr_train.errors import DataError
from tests.analysis.builders import answer, box_at, write_validation


def look(folder: Path, task: str, truths: dict[str, object], answers: dict[str, Reading]) -> StepFiles:
    """Look at all images at step 120."""
    config = write_validation(folder / "data", truths)
    chosen = validation_set(config, task, limit=9)
    scored = score_all(chosen, [answers[sample.name] for sample in chosen.samples])
    return write_step(chosen, scored, folder / "look", step=120, time_ms=1700)


def document(folder: Path) -> dict[str, object]:
    """samples.json of the step."""
    found: dict[str, object] = json.loads(
        (folder / "look/samples/step_00000120/samples.json").read_text("utf-8")
    )
    return found


def test_texts_come_worst_first_with_their_crops(tmp_path: Path) -> None:
    """As `compare` reads them."""
    answers = {"a.png": answer(text="ลำดับ"), "b.png": answer(text="xy"), "c.png": answer(text="AB")}
    files = look(tmp_path, "rec", {"a.png": "ลำดับ", "b.png": "AB", "c.png": "AC"}, answers)
    found = document(tmp_path)
    assert (found["step"], found["task"]) == (120, "rec")
    images = found["images"]
    assert isinstance(images, list)
    assert [entry["name"] for entry in images] == ["b.png", "c.png", "a.png"]
    assert images[0] == {
        "name": "b.png",
        "picture": "000.png",
        "truth": "AB",
        "prediction": "xy",
        "edit_distance": 2,
        "score": 0.9,
    }
    with Image.open(tmp_path / "look/samples/step_00000120/000.png") as crop:
        assert crop.size == (80, 40)
    assert files.metrics == {"sample/acc": pytest.approx(1 / 3), "sample/norm_edit_dis": pytest.approx(0.5)}


def test_boxes_come_worst_first_with_their_scores(tmp_path: Path) -> None:
    """Recall and precision for each image."""
    truths: dict[str, object] = {"a.png": [box_at(0, 0)], "b.png": [box_at(0, 0), box_at(20, 0)]}
    answers = {"a.png": answer(boxes=(box_at(0, 0).points,), scores=(0.9,)), "b.png": answer()}
    files = look(tmp_path, "det", truths, answers)
    images = document(tmp_path)["images"]
    assert isinstance(images, list)
    assert [(entry["name"], entry["recall"], entry["precision"]) for entry in images] == [
        ("b.png", 0.0, 0.0),
        ("a.png", 1.0, 1.0),
    ]
    assert (images[0]["truth"], images[0]["prediction"], images[0]["missed"]) == ("2 boxes", "0 boxes", 2)
    assert files.metrics["sample/recall"] == pytest.approx(1 / 3)


def test_every_file_is_named_with_its_artifact_folder(tmp_path: Path) -> None:
    """What is listed is there, what is there is listed, and `latest.json` comes after what it names."""
    answers = {"a.png": answer(text="a"), "b.png": answer(text="x")}
    files = look(tmp_path, "rec", {"a.png": "a", "b.png": "b"}, answers)
    root = tmp_path / "look"
    assert {path for path, _ in files.files} == {path for path in root.rglob("*") if path.is_file()}
    assert all(path.parent == root / folder for path, folder in files.files)
    last, _ = files.files[-1]
    assert json.loads(last.read_text("utf-8")) == {"path": "samples/step_00000120"}
    for row in files.rows:
        cell = dict(zip(tables.COLUMNS["rec"], row, strict=True))["image"]
        assert (root / cell["filepath"]).is_file()
        assert (root / cell["compressed_filepath"]).is_file()


def test_an_image_keeps_its_key_whatever_its_rank(tmp_path: Path) -> None:
    """MLflow follows it over the steps by that."""
    first = look(
        tmp_path / "1", "rec", {"a.png": "a", "b.png": "b"}, {"a.png": answer(text="a"), "b.png": answer()}
    )
    second = look(
        tmp_path / "2", "rec", {"a.png": "a", "b.png": "b"}, {"a.png": answer(), "b.png": answer(text="b")}
    )
    keys = [
        {path.name.partition("+")[0] for path, folder in files.files if folder == "images"}
        for files in (first, second)
    ]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 2


def test_what_could_not_be_read_says_why(tmp_path: Path) -> None:
    """In samples.json and in the table; it counts as wrong."""
    files = look(tmp_path, "rec", {"a.png": "a"}, {"a.png": answer(error="damaged")})
    images = document(tmp_path)["images"]
    assert isinstance(images, list)
    assert images[0]["error"] == "damaged"
    assert files.metrics["sample/acc"] == 0.0
    assert "damaged" in files.rows[0]


def test_classes_are_right_or_wrong(tmp_path: Path) -> None:
    """Without an edit distance between them."""
    files = look(
        tmp_path,
        "cls",
        {"a.png": "0", "b.png": "180"},
        {"a.png": answer(label="0"), "b.png": answer(label="0")},
    )
    assert files.metrics == {"sample/acc": 0.5}
    images = document(tmp_path)["images"]
    assert isinstance(images, list)
    assert [(entry["prediction"], entry["right"]) for entry in images] == [("0", False), ("0", True)]


def test_answers_that_are_missing_are_no_look(tmp_path: Path) -> None:
    """No score is better than a wrong one."""
    chosen = validation_set(write_validation(tmp_path, {"a.png": "a"}), "rec", limit=9)
    with pytest.raises(DataError, match="0 answers"):
        score_all(chosen, [])
