"""Texts as a JSON object of names, and files that lie beside labels or look like other tools'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.formats.table import detect_format
from ocr_train.data.formats.text_table import convert_text_table
from ocr_train.data.layout import find_layout
from ocr_train.errors import DataError
from tests.data.formats.folders import converted, put

NAMES = ("images/a.jpg", "images/b.jpg")


@pytest.mark.parametrize(
    "content",
    [
        {"a.jpg": "hello", "b.jpg": "น้ำ"},
        {"labels": {"a": "hello", "b": "น้ำ"}, "sizes": {"a": [400, 200]}, "num-samples": 2},
    ],
)
def test_an_object_of_names_and_texts_is_read(tmp_path: Path, content: dict[str, Any]) -> None:
    """docTR's and text_renderer's."""
    folder = put(tmp_path / "s", {"labels.json": content}, images=NAMES)
    assert detect_format(folder) == "csv"
    done = convert_text_table(folder, tmp_path / "out")
    assert (done.crops, done.problems) == (2, ())
    texts = [line.split("\t")[1] for line in (tmp_path / "out" / "rec_gt.txt").read_text().splitlines()]
    assert texts == ["hello", "น้ำ"]


def test_what_is_no_text_in_it_is_counted(tmp_path: Path) -> None:
    """Every name is accounted for."""
    folder = put(tmp_path / "s", {"labels.json": {"a.jpg": "hello", "b.jpg": 7, "c.jpg": "x"}}, images=NAMES)
    done = convert_text_table(folder, tmp_path / "out")
    assert (done.crops, done.skipped) == (1, {"bad_text": 1, "crop_without_image": 1})


def test_fields_of_a_receipt_beside_its_boxes_lose_nothing(tmp_path: Path) -> None:
    """SROIE has them as JSON in text files of the same names."""
    folder = put(
        tmp_path / "s",
        {"box/X0.txt": "1,1,50,1,50,20,1,20,TAN WOON YANN\n", "entities/X0.txt": {"company": "TAN"}},
        images=("img/X0.jpg",),
    )
    found = converted(folder, "icdar")
    assert [text for text, _ in found.boxes] == ["TAN WOON YANN"]
    assert (found.kinds, found.done.lost) == (["other_file"], 0)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"l.json": {"a.jpg": {"img_dimensions": [1, 2], "img_hash": "0", "polygons": []}}}, "docTR"),
        ({"l.jsonl": {"annotations": [{"image_id": "a", "paragraphs": []}]}}, "HierText"),
        ({"IMG_1.gt": "0 0 10 20 50 20 0.1\n"}, "MSRA-TD500"),
        ({}, "1 images, such as '0.jpg': where their names are their texts"),
    ],
)
def test_more_looks_are_known(tmp_path: Path, files: dict[str, Any], words: str) -> None:
    """A person then knows what it is, and what to do."""
    with pytest.raises(DataError, match=words):
        find_layout(put(tmp_path / "s", files), "det")
