"""Samples of label files, as they are compared with what a model reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.analysis.text_scores import TextRules
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.errors import DataError
from ocr_train.labelling.labelled_images import LabelledImages, read_labelled


def labelled(folder: Path, text: str, task: str = "rec") -> LabelledImages:
    """The samples of a label file with this text."""
    (folder / "val.txt").write_text(text, encoding="utf-8")
    return read_labelled([folder / "val.txt"], ImagePaths(folder), task, TextRules())


def test_each_image_is_known_with_its_line(tmp_path: Path) -> None:
    """The line of the user's own file; what holds no sample is counted."""
    found = labelled(tmp_path, "a.png\tก\nbroken\nb.png\tข\na.png\tค\n")
    assert [(one.name, one.text, one.path) for one in found.samples.samples] == [
        ("a.png", "ก", tmp_path / "a.png"),
        ("b.png", "ข", tmp_path / "b.png"),
    ]
    assert found.places == {"a.png": "val.txt:1", "b.png": "val.txt:3"}
    assert found.bad_lines == 1


def test_detection_labels_become_boxes(tmp_path: Path) -> None:
    """And have no text that a model could be asked about."""
    label = '[{"transcription": "ก", "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}]'
    found = labelled(tmp_path, f"a.png\t{label}\n", "det")
    assert [len(one.boxes) for one in found.samples.samples] == [1]
    assert found.samples.texts == []


def test_a_file_without_labels_is_an_error(tmp_path: Path) -> None:
    """There is nothing to compare."""
    with pytest.raises(DataError, match="there is no label"):
        labelled(tmp_path, "broken\n")
