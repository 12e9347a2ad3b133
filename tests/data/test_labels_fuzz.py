"""Mutated labels of each format that is read: a report comes back, nothing raises, nothing is executed.

400 lines a format, times FUZZ; `make fuzz FUZZ=25` tries 10,000 of each.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from ocr_train.data.dictionary import read_dictionary
from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.formats.crops import crop
from ocr_train.data.formats.labelme import convert_labelme
from ocr_train.data.formats.ppocrlabel import convert_ppocrlabel
from ocr_train.data.formats.table import PADDLEOCR
from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.data.layout import find_layout
from ocr_train.data.splits.split import split
from ocr_train.data.table_files import place_tables
from ocr_train.errors import DataError
from tests.data.other_tasks import kie_row
from tests.data.test_validate_fuzz import check
from tests.fuzz import cases
from tests.label_mutations import CANARY, huge_line, mutated_json, mutated_line

BATCH = 200
BOX = {"transcription": "K1976", "points": [[1, 1], [60, 1], [60, 20], [1, 20]], "difficult": False}
DET = [
    "a.jpg\t" + json.dumps([BOX]),
    "b.jpg\t" + json.dumps([BOX, {**BOX, "transcription": "น้ำ"}], ensure_ascii=False),
]
REC = ["a.jpg\t1502", '["a.jpg", "b.jpg"]\tน้ำ 12', "b.jpg\t0"]
KIE = [kie_row(image=name) for name in ("a.jpg", "b.jpg")]
LABELME: dict[str, object] = {
    "version": "5.4.1",
    "flags": {},
    "shapes": [
        {
            "label": "K1976",
            "points": [[1.5, 1], [60, 20]],
            "shape_type": "rectangle",
            "flags": {},
            "group_id": None,
        },
        {"label": "x", "points": [[1, 1], [60, 1], [60, 20]], "shape_type": "polygon", "description": "text"},
        {"label": "x", "points": [[9, 9], [20, 9]], "shape_type": "circle"},
        {"label": "m", "points": [[1, 1], [9, 9]], "shape_type": "mask", "mask": "iVBORw0KGgo="},
    ],
    "imagePath": "a.jpg",
    "imageData": None,
    "imageHeight": 32,
    "imageWidth": 100,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with two images, where commands would be executed; afterwards none has been."""
    place = tmp_path / "labels"
    place.mkdir()
    for name, colour in (("a.jpg", "black"), ("b.jpg", "white")):
        Image.new("RGB", (100, 32), colour).save(place / name)
    monkeypatch.chdir(tmp_path)
    yield place
    assert not list(tmp_path.rglob(f"*{CANARY}*"))


def batches(random: Random, lines: list[str]) -> Iterator[bytes]:
    """Label files of mutated lines among good ones, and one with a line of ten megabytes."""
    yield huge_line(random, lines[0])
    for start in range(0, cases(400), BATCH):
        count = min(BATCH, cases(400) - start)
        made = [mutated_line(random, random.choice(lines)) for _ in range(count)]
        yield b"\n".join([*made, random.choice(lines).encode()])


@pytest.mark.parametrize(("task", "lines"), [("det", DET), ("rec", REC), ("cls", REC), ("kie", KIE)])
def test_mutated_lines_of_paddleocr(folder: Path, task: str, lines: list[str]) -> None:
    """Checked, reported as JSON and HTML, quarantined; the clean rest has no error."""
    for content in batches(Random(1), lines):
        check(folder, content, task)


def test_mutated_lines_are_cropped_and_split(folder: Path, tmp_path: Path) -> None:
    """What can be used of them; the rest is counted."""
    for number, content in enumerate(
        islice(batches(Random(2), DET), 1, None)
    ):  # the large one is checked above
        (folder / "Label.txt").write_bytes(content)
        with contextlib.suppress(DataError):  # not one usable line
            crop(folder / "Label.txt", tmp_path / f"crops-{number}", workers=1)
            split([one for one in read_labels(folder / "Label.txt") if isinstance(one, LabelLine)], val=0.5)


def test_mutated_lines_of_ppocrlabel(folder: Path, tmp_path: Path) -> None:
    """Labels, states and recognition labels at once."""
    random = Random(3)
    states = batches(Random(4), ["/home/x/a.jpg\t1", "C:\\x\\b.jpg\t1"])
    crops = batches(Random(5), REC)
    for number, content in enumerate(batches(random, [f"labels/{line}" for line in DET])):
        (folder / "Label.txt").write_bytes(content)
        (folder / "fileState.txt").write_bytes(next(states))
        (folder / "rec_gt.txt").write_bytes(next(crops))
        found = convert_ppocrlabel(folder, tmp_path / f"out-{number}")
        json.dumps([vars(problem) for problem in found.problems])


def test_mutated_files_of_labelme(folder: Path, tmp_path: Path) -> None:
    """Each a file of its own."""
    random = Random(6)
    for start in range(0, cases(400), BATCH):
        for number in range(min(BATCH, cases(400) - start)):
            (folder / f"{number}.json").write_bytes(mutated_json(random, LABELME))
        found = convert_labelme(folder, tmp_path / f"out-{start}")
        json.dumps([vars(problem) for problem in found.problems])


def test_mutated_lines_of_pubtab(folder: Path, tmp_path: Path) -> None:
    """The images that they name are looked for, and the lines are kept."""
    random, labels = Random(8), folder / "labels.jsonl"
    (folder / "train").mkdir()
    (folder / "a.jpg").rename(folder / "train" / "a.jpg")
    source = LabelSource(folder=folder, origin=folder, format=PADDLEOCR)
    document = {
        "filename": "a.jpg",
        "html": {"structure": {"tokens": ["<td>"]}, "cells": [{"bbox": [1, 2, 3, 4]}]},
    }
    long = json.dumps({"filename": "a" * 5000}).encode()
    for start in range(0, cases(400), 40):
        made = [mutated_json(random, document) for _ in range(min(40, cases(400) - start))]
        labels.write_bytes(b"\n".join([long, *made]))
        layout = find_layout(folder, "table")
        placed, _ = place_tables(layout, source, tmp_path / "work", lambda _: None)
        before, after = (
            sum(1 for path in (*one.train, *one.val) for _ in read_labels(path)) for one in (layout, placed)
        )
        assert after == before or placed.val


def test_mutated_dictionaries(folder: Path) -> None:
    """Entries and problems with their lines."""
    random = Random(7)
    for content in batches(random, ["a\tก", "น", "é"]):
        (folder / "dict.txt").write_bytes(content.replace(b"\t", b"\n"))
        read = read_dictionary(folder / "dict.txt", use_space_char=True)
        assert all(len(character) == 1 for character in read.charset)
        json.dumps([str(problem) for problem in read.problems])
