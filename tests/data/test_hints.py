"""What a person is told to do about labels: something that helps with these data."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.checks.detection import parse_boxes
from ocr_train.data.checks.listing import list_problems
from ocr_train.data.checks.problems import Finding, Problem, make_problem
from tests.cli_run import command
from tests.data.formats.folders import put
from tests.data.formats.test_yolo import UPRIGHT

Capsys = pytest.CaptureFixture[str]


def told(capsys: Capsys, folder: Path) -> str:
    """What `prepare` says of recognition data that it cannot use."""
    ran = command(capsys, "prepare", "--task", "rec", "--data", folder, "--out", folder.parent / "out")
    assert ran.code == 3
    return ran.err


def test_label_files_further_down_are_found(capsys: Capsys, tmp_path: Path) -> None:
    """With the folder to give instead."""
    put(tmp_path / "s" / "train_data" / "words", {"train.txt": "0.jpg\ttext\n"})
    assert f"the first ones are in {tmp_path / 's' / 'train_data' / 'words'}" in told(capsys, tmp_path / "s")


def test_images_that_are_somewhere_else(capsys: Capsys, tmp_path: Path) -> None:
    """Their folder is asked for: quarantine would leave nothing."""
    said = told(
        capsys, put(tmp_path / "s", {"train.txt": "a.jpg\tone\nb.jpg\ttwo\n", "val.txt": "c.jpg\tthree\n"})
    )
    assert "3 of 3 lines name an image that was not found: name the images' folder (--images FOLDER" in said
    assert "--on-bad-sample" not in said


def test_quarantine_is_no_advice_where_nothing_is_left(capsys: Capsys, tmp_path: Path) -> None:
    """Every line has an error of some kind."""
    said = told(
        capsys, put(tmp_path / "s", {"train.txt": "0.jpg\t\n1.jpg\ta\x01b\n"}, images=("0.jpg", "1.jpg"))
    )
    assert "no line is without an error" in said
    assert "--on-bad-sample" not in said


def test_nor_where_a_tools_crops_are_all_missing(capsys: Capsys, tmp_path: Path) -> None:
    """What the conversion lost are all lines that there are."""
    labels = {"Label.txt": "", "fileState.txt": "", "rec_gt.txt": "crop_img/0.jpg\ta\n"}
    folder = put(tmp_path / "s", labels, images=())
    said = told(capsys, folder)
    assert "crop_missing" in said
    assert "--on-bad-sample" not in said


def test_boxes_of_one_image_are_one_place() -> None:
    """It is not named again and again."""

    def problem(file: str) -> Problem:
        return make_problem(file, 0, Finding("empty_text", "", "type it"), "det")

    assert list_problems([problem("a")] * 3) == ["a: empty_text '': type it (3 times)"]
    assert list_problems([problem("a"), problem("b"), problem("a"), problem("b")]) == [
        "a: empty_text '': type it (4 times, also at b)"
    ]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("29404", "a number; put"),
        ('{"a": 1}', "an object; put"),
        ("null", "null; put"),
        ("true", "true or false; put"),
    ],
)
def test_values_of_json_have_names_of_json(label: str, said: str) -> None:
    """Not those of Python."""
    assert parse_boxes(label)[1][0].hint.startswith(said)


def test_a_tool_without_texts_is_told_once(capsys: Capsys, tmp_path: Path) -> None:
    """Detection needs none: nobody is asked to type them, box by box."""
    files = {"labels/0.txt": UPRIGHT, "labels/1.txt": UPRIGHT, "data.yaml": "names: ['text']\n"}
    folder = put(tmp_path / "s", files, images=("images/0.jpg", "images/1.jpg"))
    ran = command(
        capsys, "prepare", "--task", "det", "--data", folder, "--out", tmp_path / "out", "--json", "-"
    )
    assert ran.code == 0, ran.err
    assert ran.json["counts"] == {"no_text": 1}
    assert "empty_text" not in ran.err


@pytest.mark.parametrize(
    ("task", "name", "content", "said"),
    [
        (
            "table",
            "a.json",
            [{"filename": "0.jpg", "html": {}}],
            "a list of tables' labels: write each on a line",
        ),
        ("table", "a.md", "", 'a line of JSON with "filename" and "html"'),
        ("table", "train.txt", '{\n "filename": "0.jpg",\n "html": 1\n}\n', "write each image's on one line"),
        ("table", "train.txt", "a\nb\n", "no line is without an error"),
        ("kie", "zh.train.json", {"lang": "zh", "documents": []}, "XFUND's own JSON"),
        ("kie", "a.json", {"form": []}, "FUNSD's JSON"),
        ("kie", "a.md", "", "a JSON list of boxes with their classes"),
    ],
)
def test_files_for_tables_and_kie_are_named(
    capsys: Capsys, tmp_path: Path, task: str, name: str, content: object, said: str
) -> None:
    """As what they are, with what to do."""
    folder = put(tmp_path / "s", {name: content})
    ran = command(capsys, "prepare", "--task", task, "--data", folder, "--out", tmp_path / "out")
    assert ran.code == 3
    assert said in ran.err
