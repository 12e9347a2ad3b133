"""Pictures of labels, and of what is wrong with them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from ocr_train.data.checks.validate import Rules
from ocr_train.data.labels import Box
from ocr_train.notebook.data import LabelSet
from ocr_train.notebook.label_pictures import GOOD_COLOUR, check_labels, label_picture, show_labels
from tests.cli_run import det_data, jpeg, rec_data
from tests.notebook.conftest import Shown


def label_set(labels: Path, task: str, **rules: object) -> LabelSet:
    """The set of one label file."""
    return LabelSet(
        task=task,
        folder=labels.parent,
        origin="here",
        files=(labels,),
        images=labels.parent,
        rules=Rules(task=task, **rules),  # type: ignore[arg-type]
    )


def near(pixel: tuple[int, ...], colour: tuple[int, int, int]) -> bool:
    """Whether it is that colour, as far as JPEG keeps it."""
    return all(abs(one - other) < 60 for one, other in zip(pixel, colour, strict=True))


def test_boxes_are_drawn_where_the_label_has_them(tmp_path: Path) -> None:
    """On a page that is shown larger; what is ignored in grey."""
    path = tmp_path / "page.jpg"
    path.write_bytes(jpeg(320, 160))
    boxes = [
        Box(transcription="ab", points=((100, 60), (200, 60), (200, 100), (100, 100))),
        Box(transcription="###", points=((220, 60), (300, 60), (300, 100), (220, 100))),
    ]
    drawn = Image.open(io.BytesIO(label_picture(path, boxes) or b""))
    assert drawn.size == (640, 320)
    pixels = drawn.convert("RGB")
    assert near(pixels.getpixel((300, 200)), GOOD_COLOUR)  # type: ignore[arg-type]
    assert not near(pixels.getpixel((500, 200)), GOOD_COLOUR)  # type: ignore[arg-type]


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """The others are shown."""
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    assert label_picture(tmp_path / "broken.jpg") is None
    assert label_picture(tmp_path / "none.jpg") is None


def test_crops_are_shown_with_their_texts(tmp_path: Path, shown: Shown) -> None:
    """As text, which can be copied; markup in a label stays text."""
    show_labels(label_set(rec_data(tmp_path, ["น้ำ", "<b>", "c"]), "rec"), count=2)
    assert "2 of 3 samples" in shown.text
    assert "<b>น้ำ</b>" in shown.html
    assert "<b>&lt;b&gt;</b>" in shown.html


def test_good_labels_are_said_to_be_good(
    tmp_path: Path, shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else is shown."""
    check_labels(label_set(det_data(tmp_path, 2), "det"))
    assert "2 labels, 0 errors" in capsys.readouterr().out


def test_problems_are_shown_with_place_picture_and_advice(
    tmp_path: Path, shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind with why it matters, each problem with file and line, and how to train all the same."""
    labels = rec_data(tmp_path, ["abc", "zzz"])
    check_labels(label_set(labels, "rec", charset=frozenset("abc")))
    said = capsys.readouterr().out
    assert "2 labels, 1 errors in 1 lines" in said
    assert "on_bad_sample" in said
    assert "outside_dictionary" in shown.text
    assert "Label.txt:2" in shown.html
    assert shown.html.count("<img") == 1


def test_boxes_far_outside_do_not_stop_the_cell(tmp_path: Path) -> None:
    """A label may have any number."""
    path = tmp_path / "page.jpg"
    path.write_bytes(jpeg(64, 64))
    box = Box(transcription="x", points=((0, 0), (1e12, 0), (1e12, 9), (-1e12, 9)))
    assert label_picture(path, [box])
