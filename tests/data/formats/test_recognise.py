"""Whose labels a folder holds, told from what lies in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.formats.recognise import detect_format
from ocr_train.errors import DataError

LABELME = '{"version": "5.0", "shapes": [], "imagePath": "a.jpg"}'


def put(folder: Path, **files: str) -> Path:
    """Write files; `__` in a name stands for a slash, and the last `_` for the dot of the suffix."""
    for name, text in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("labelme", "labelme"),
        ("labelme/balls", "labelme"),
        ("dirt/plates_list_transcription", "ppocrlabel"),
        ("dirt/ic15_rec/train_data", "paddleocr"),
        ("wires", "paddleocr"),
        ("wires/det", "paddleocr"),
        ("thai_gazette/rec", "paddleocr"),
    ],
)
def test_real_folders_are_recognised(shared: Path, name: str, expected: str) -> None:
    """What people have put on GitHub."""
    assert detect_format(shared / "data" / name) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a_json": LABELME}, "labelme"),
        ({"pages__one__a_json": LABELME}, "labelme"),
        ({"a_json": LABELME, "classes_txt": "text\n"}, "labelme"),
        ({"a_json": LABELME, "notes_txt": "no labels here\n"}, "labelme"),
        ({"package_json": '{"name": "x"}', "a_json": LABELME}, "labelme"),
        ({"package_json": '{"name": "x"}'}, "paddleocr"),
        ({"broken_json": "{"}, "paddleocr"),
        ({"list_json": "[1, 2]"}, "paddleocr"),
        ({"Label_txt": "d/a.jpg\t[]\n", "fileState_txt": "C:\\d\\a.jpg\t1\n"}, "ppocrlabel"),
        ({"Label_txt": "d/a.jpg\t[]\n"}, "paddleocr"),
        ({"d__Label_txt": "d/a.jpg\t[]\n", "d__fileState_txt": "a\t1\n"}, "ppocrlabel"),
        ({"fileState_txt": "a\t1\n"}, "paddleocr"),
        ({}, "paddleocr"),
    ],
)
def test_a_format_shows_in_its_files(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """Each tool's own files tell it; where nothing does, it is PaddleOCR's, which says what is missing."""
    assert detect_format(put(tmp_path, **files)) == expected


def test_a_training_file_wins(tmp_path: Path) -> None:
    """Who has split PPOCRLabel's or LabelMe's labels trains on the split."""
    put(tmp_path, Label_txt="d/a.jpg\t[]\n", fileState_txt="a\t1\n", a_json=LABELME)
    assert detect_format(tmp_path) == "ppocrlabel"
    put(tmp_path, det__train_txt="a.jpg\t[]\n")
    assert detect_format(tmp_path) == "paddleocr"


def test_a_label_file_beside_labelme_wins(tmp_path: Path) -> None:
    """It was made of them, or the JSON files are leftovers."""
    put(tmp_path, a_json=LABELME, gt_txt="a.jpg\t[]\n")
    assert detect_format(tmp_path) == "paddleocr"


def test_our_own_records_do_not_count(tmp_path: Path) -> None:
    """A folder that was fetched has a hidden one with state."""
    put(tmp_path, **{".ocr-train__a_json": LABELME})
    assert detect_format(tmp_path) == "paddleocr"


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_said(tmp_path: Path, name: str) -> None:
    """A missing folder, and a file."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="there is no folder"):
        detect_format(tmp_path / name)
