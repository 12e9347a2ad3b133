"""Files that macOS, Windows and tools put beside labels are no labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_train.data.files.system_files import is_system_file, walk_files
from ocr_train.data.formats.table import PADDLEOCR, detect_format
from ocr_train.data.formats.unknown import looks_like
from tests.data.formats.folders import BOX, converted, put

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02"
LABELME = {"shapes": [{"label": "a", "points": BOX, "shape_type": "polygon"}], "imagePath": "0.jpg"}


@pytest.mark.parametrize(
    "name",
    [
        "._0.jpg",
        ".DS_Store",
        "Thumbs.db",
        "THUMBS.DB",
        "desktop.ini",
        "__MACOSX",
        "@eaDir",
        ".ipynb_checkpoints",
    ],
)
def test_files_of_systems_are_known(name: str) -> None:
    """By their names, in any case."""
    assert is_system_file(name)


@pytest.mark.parametrize("name", ["0.jpg", "train.txt", "a.DS_Store.txt", "thumbs.jpg", "ภาพ.png", "MACOSX"])
def test_files_of_people_are_not(name: str) -> None:
    """Whatever looks a little like one."""
    assert not is_system_file(name)


def test_a_folder_that_macos_has_copied_is_converted_as_it_was(tmp_path: Path) -> None:
    """Its attribute files are neither damaged labels nor a second image of the same name."""
    folder = put(
        tmp_path / "lm",
        {"0.json": LABELME, "._0.json": APPLE_DOUBLE, "._0.jpg": APPLE_DOUBLE, "__MACOSX/lm/0.json": LABELME},
    )
    done = converted(folder, "labelme").done
    assert (done.images, done.boxes, dict(done.skipped), done.problems) == (1, 1, {}, ())


def test_systems_files_say_nothing_of_a_format(tmp_path: Path) -> None:
    """A label file is PaddleOCR's with a foreign one in __MACOSX or behind a dot beside it."""
    labels = json.dumps([{"transcription": "a", "points": BOX}])
    folder = put(
        tmp_path / "mac",
        {
            "train.txt": f"0.jpg\t{labels}\n",
            "._train.txt": APPLE_DOUBLE,
            "__MACOSX/0.json": LABELME,
            ".x/Label.txt": "",
        },
    )
    assert detect_format(folder) == PADDLEOCR
    assert [path.name for path in walk_files(folder)] == ["0.jpg", "train.txt"]


def test_a_training_file_in_a_systems_folder_decides_nothing(tmp_path: Path) -> None:
    """Detection finds the tool whose files are a person's."""
    folder = put(tmp_path / "lm", {"0.json": LABELME, "__MACOSX/train.txt": "0.jpg\ttext\n"})
    assert detect_format(folder) == "labelme"


def test_the_look_of_a_systems_file_is_not_reported(tmp_path: Path) -> None:
    """What is in the folder of macOS is no tool's export."""
    folder = put(tmp_path / "d", {"__MACOSX/a.parquet": b"", "._a.mat": APPLE_DOUBLE})
    assert looks_like(folder) == ""
