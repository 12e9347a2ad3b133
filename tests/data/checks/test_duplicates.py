"""The same image on several lines: in training and in validation, with other labels, or twice the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks import problems
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport

REC = Rules(task="rec", workers=2)
DET = Rules(task="det", workers=2)
BOX = {"transcription": "a", "points": [[1, 1], [5, 1], [5, 4], [1, 4]]}
COLOURS = ("black", "white", "red", "green", "blue")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five different pictures 0.png to 4.png, and copies c0.png to c4.png of them with the same bytes."""
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{number}.png")
        (tmp_path / f"c{number}.png").write_bytes((tmp_path / f"{number}.png").read_bytes())
    return tmp_path


def check(
    folder: Path, train: str, val: str = "", rules: Rules = REC, leaks: str = "stop"
) -> ValidationReport:
    """Validate train.txt and, where it has content, val.txt."""
    files = []
    for name, content in (("train.txt", train), ("val.txt", val)):
        if content:
            files.append(folder / name)
            files[-1].write_text(content, encoding="utf-8")
    rules = replace(rules, choices=LabelChoices(leaks=leaks))
    return validate(files, folder, rules, held=files[1:])


def found(report: ValidationReport) -> list[tuple[str, int, str]]:
    """File, line and kind of every problem."""
    return [(Path(one.file).name, one.line, one.kind) for one in report.problems]


@pytest.mark.parametrize(
    "name", ["0.png", "./0.png", "c0.png", "./c0.png", '["1.png", "c0.png"]', "x/../0.png"]
)
def test_an_image_in_training_and_validation_is_a_leak(folder: Path, name: str) -> None:
    """By name, by another spelling, by its bytes, or as one of a list; the line for validation has the error."""
    (folder / "x").mkdir()
    report = check(folder, "4.png\ta\n0.png\ta\n", f"3.png\ta\n{name}\ta\n")
    assert found(report) == [("val.txt", 2, "leak")]
    assert report.errors == 1
    (problem,) = report.problems
    assert problem.value == name
    assert f"{folder / 'train.txt'}:2" in problem.hint
    assert problem.other == (str(folder / "train.txt"), 2)


def test_a_leak_names_the_other_image_where_its_name_is_another(folder: Path) -> None:
    """Both places and both names: who reads it can look at the two."""
    (problem,) = check(folder, "0.png\ta\n", "c0.png\tb\n").problems
    assert problem.value == "c0.png"
    assert "train.txt:1 '0.png'" in problem.hint
    assert "same bytes, with another label" in problem.hint


def test_leaks_can_be_left_out_of_training(folder: Path) -> None:
    """`drop`: a note for each, and every line for training that has one of the images is to be left out."""
    report = check(folder, "0.png\ta\nc0.png\ta\n1.png\ta\n", "0.png\ta\n", leaks="drop")
    assert (report.errors, report.severity("leak")) == (0, "note")
    assert [(str(folder / "train.txt"), line) in report.left_out for line in (1, 2, 3)] == [True, True, False]
    assert "2 training samples with them are left out of training" in report.summary()
    assert report.problems[-1].severity == "note"


def test_leaks_can_be_kept(folder: Path) -> None:
    """`keep`: nothing is left out, and it is said how many validation samples mean little."""
    report = check(folder, "0.png\ta\n", "c0.png\ta\n0.png\ta\n1.png\t\n", leaks="keep")
    assert report.leaks is not None
    assert (report.leaks.val_lines, report.counts["leak"], len(report.dropped)) == (2, 2, 0)
    assert "2 of 3 validation images are also training images: the scores are too good" in report.summary()


def test_the_shape_of_a_real_set_is_said_in_one_sentence(tmp_path: Path) -> None:
    """366 of 552 validation images are training images, 95 of them with another label, as in a set that was published."""
    lines: dict[str, list[str]] = {"train": [], "val": []}
    for number in range(1000):
        Image.new("RGB", (2, 2), (number % 256, number // 256, 7)).save(tmp_path / f"t{number}.png")
        lines["train"].append(f"t{number}.png\tword{number}\n")
    for number in range(552):
        name, label = f"v{number}.png", f"word{number}"
        if number < 366:
            (tmp_path / name).write_bytes((tmp_path / f"t{number}.png").read_bytes())
        else:
            Image.new("RGB", (2, 2), (number % 256, number // 256, 8)).save(tmp_path / name)
        lines["val"].append(f"{name}\t{'other' if number < 95 else label}\n")
    report = check(tmp_path, "".join(lines["train"]), "".join(lines["val"]))
    assert report.summary().splitlines()[1] == (
        "366 of 552 validation images are also training images (95 of them with another label): "
        "the scores would be too good"
    )
    assert dict(report.counts) == {"leak": 366}


def test_equal_bytes_with_another_label_disagree(folder: Path) -> None:
    """In one set it is an error of both lines, each naming the other."""
    report = check(folder, "0.png\ta\n1.png\tb\nc0.png\tc\n")
    assert found(report) == [("train.txt", 1, "duplicate_conflict"), ("train.txt", 3, "duplicate_conflict")]
    assert "train.txt:3 'c0.png' has an image with the same bytes" in report.problems[0].hint
    assert "train.txt:1 '0.png' has an image with the same bytes" in report.problems[1].hint


def test_equal_bytes_with_the_same_label_count_double(folder: Path) -> None:
    """A note, which says in which set both lines are."""
    report = check(folder, "0.png\ta\nc0.png\ta \n", "1.png\ta\nc1.png\ta\n")
    assert [one for one in found(report) if one[2] == "duplicate_image"] == [
        ("train.txt", 2, "duplicate_image"),
        ("val.txt", 2, "duplicate_image"),
    ]
    hints = [one.hint for one in report.problems if one.kind == "duplicate_image"]
    assert "both lines are for training, so it counts double" in hints[0]
    assert "both lines are for validation, so it counts double" in hints[1]


def test_boxes_are_compared_by_what_they_say(folder: Path) -> None:
    """Spaces in the JSON, 1.0 for 1 and another order are no other label; another text is."""
    other = {"transcription": "b", "points": [[1, 5], [5, 5], [5, 7], [1, 7]]}
    one = json.dumps([BOX, other])
    same = json.dumps([other, {**BOX, "points": [[1.0, 1], [5, 1], [5, 4], [1, 4.0]]}], separators=(",", ":"))
    assert dict(check(folder, f"0.png\t{one}\nc0.png\t{same}\n", rules=DET).counts) == {"duplicate_image": 1}
    report = check(folder, f"0.png\t{one}\nc0.png\t{json.dumps([BOX])}\n", rules=DET)
    assert dict(report.counts) == {"duplicate_conflict": 2}


def test_leaks_beyond_the_limit_are_counted_and_marked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, yet the quarantine is complete."""
    monkeypatch.setattr("ocr_train.data.checks.duplicates.KEPT_PER_KIND", 2)
    monkeypatch.setattr(problems, "KEPT_PER_KIND", 2)
    lines = "".join(f"{number}.png\ta\n" for number in range(5))
    report = check(folder, lines, lines.replace("\n", "\n\n"))
    assert (report.counts["leak"], len([one for one in report.problems if one.kind == "leak"])) == (5, 2)
    assert [line for line, kind in report.bad_lines.of(str(folder / "val.txt"))] == [1, 3, 5, 7, 9]


def test_without_files_for_validation_there_is_no_leak(folder: Path) -> None:
    """Files of one set only count double."""
    assert dict(check(folder, "0.png\ta\n0.png\ta\n").counts) == {"duplicate_image": 1}
