"""What a conversion writes is read again, as PPOCRLabel's folder and as plain labels: the same, and no problem."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.formats.table import FORMATS, PADDLEOCR
from ocr_train.data.labels import LabelLine, read_labels
from tests.data.formats.folders import put
from tests.data.formats.test_every_format import COUNT, folder_of
from tests.data.formats.test_formats_fuzz import SEEDS

TEXTS = ("csv", "gt-txt", "lmdb")
"""Formats without boxes."""


def samples(labels: Path | None) -> dict[str, Any]:
    """The boxes or the text of each image of a label file, by the image's own bytes: names may change."""
    assert labels is not None
    found = {}
    for line in read_labels(labels):
        assert isinstance(line, LabelLine)
        content = hashlib.sha256((labels.parent / line.image).read_bytes()).hexdigest()
        found[content] = json.loads(line.label) if line.label.startswith("[") else line.label
    return found


def converted_labels(done: Conversion, task: str) -> Path:
    """The label file for the task."""
    found = done.labels if task == "det" else done.rec_labels
    assert found is not None
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversion_is_read_again_as_ppocrlabels_folder(name: str, tmp_path: Path) -> None:
    """The same images, boxes and texts, and nothing to say of them."""
    task = "rec" if name in TEXTS else "det"
    once = FORMATS[name].convert(folder_of(name, tmp_path / "s"), tmp_path / "once")
    again = FORMATS["ppocrlabel"].convert(tmp_path / "once", tmp_path / "again")
    first, second = samples(converted_labels(once, task)), samples(converted_labels(again, task))
    assert len(first) == COUNT
    assert second == first
    assert (again.problems, again.skipped) == ((), {})


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversion_is_plain_labels_without_a_problem(name: str, tmp_path: Path) -> None:
    """A folder that is recognised as PaddleOCR's own labels, and taken as it is."""
    task = "rec" if name in TEXTS else "det"
    done = FORMATS[name].convert(folder_of(name, tmp_path / "s"), tmp_path / "once")
    labels = converted_labels(done, task)
    source = as_paddleocr(labels.parent, task, tmp_path / "work")
    assert (source.format, source.folder) == (PADDLEOCR, labels.parent)
    report = validate((labels,), labels.parent, Rules(task=task, decode=True))
    assert (report.labels, report.counts) == (COUNT, {})


@pytest.mark.parametrize("name", SEEDS)
def test_several_boxes_of_an_image_are_read_again(name: str, tmp_path: Path) -> None:
    """Ignored ones, polygons, turned boxes, commas in texts: boxes and their order stay as they are."""
    seed = SEEDS[name]
    folder = put(tmp_path / "s", {seed.file: seed.content()}, images=("0.jpg", "1.jpg"))
    once = FORMATS[seed.format].convert(folder, tmp_path / "once")
    task = "rec" if seed.format in TEXTS else "det"
    again = FORMATS["ppocrlabel"].convert(tmp_path / "once", tmp_path / "again")
    assert samples(converted_labels(again, task)) == samples(converted_labels(once, task))
    assert (again.boxes, again.crops) == (once.boxes, once.crops)
