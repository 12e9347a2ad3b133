"""What is drawn into validation images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocr_train.analysis.box_scores import score_boxes
from ocr_train.analysis.pictures import HEAD_PX, draw_boxes, draw_crop, draw_text, open_upright, save_png
from ocr_train.analysis.sampling import Sample
from ocr_train.analysis.text_scores import TextRules, score_text
from ocr_train.data.labels import Box
from tests.analysis.builders import answer, box_at

GREEN, RED = (0, 150, 60), (220, 30, 30)


def grey(path: Path, size: tuple[int, int]) -> Sample:
    """A grey image with two true boxes."""
    Image.new("RGB", size, (128, 128, 128)).save(path)
    return Sample(name=path.name, path=path, boxes=(box_at(100, 50, size=60), box_at(200, 50, size=60)))


def near(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """Where the picture has about this colour."""
    found: np.ndarray[Any, Any] = (
        np.abs(np.asarray(picture.convert("RGB")).astype(int) - colour).max(axis=2) < 12
    )
    return found


def test_boxes_are_drawn_where_they_are_and_stay_in_their_colours(tmp_path: Path) -> None:
    """Truth green and prediction red, in pixels of the scaled picture, also in the file."""
    sample = grey(tmp_path / "a.png", (1280, 400))
    said = answer(boxes=(box_at(400, 50, size=60).points,), scores=(0.9,))
    picture = draw_boxes(sample, said, score_boxes(sample.boxes, said.boxes))
    assert picture.size == (640, 200 + HEAD_PX)
    with Image.open(save_png(picture, tmp_path / "out" / "0.png")) as stored:
        body = stored.convert("RGB").crop((0, HEAD_PX, *stored.size))
    rows, columns = np.where(near(body, GREEN))
    assert (columns.min(), rows.min()) == pytest.approx((50, 25), abs=2)
    assert np.where(near(body, RED))[1].min() == pytest.approx(200, abs=2)


def test_the_picture_stands_as_paddleocr_reads_it(tmp_path: Path) -> None:
    """OpenCV turns a photograph as EXIF says, and boxes are in pixels of that."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40)).save(tmp_path / "a.jpg", exif=exif)
    picture = open_upright(tmp_path / "a.jpg")
    assert picture is not None
    assert picture.size == (40, 80)


def test_an_image_that_cannot_be_read_gets_a_picture_that_says_so(tmp_path: Path) -> None:
    """The others are drawn all the same."""
    (tmp_path / "a.png").write_bytes(b"no image")
    sample = Sample(name="a.png", path=tmp_path / "a.png", boxes=(box_at(0, 0),), text="x")
    assert open_upright(sample.path) is None
    picture = draw_boxes(sample, answer(error="damaged"), score_boxes(sample.boxes, ()))
    assert near(picture.crop((0, 0, 300, HEAD_PX)), RED).any()
    assert draw_crop(sample).width > 0


@pytest.mark.parametrize("size", [(4000, 1), (1, 4000), (1, 1), (2000, 30)])
def test_any_shape_of_crop_is_drawn(tmp_path: Path, size: tuple[int, int]) -> None:
    """At most 640 px wide, and never without pixels."""
    Image.new("RGB", size).save(tmp_path / "a.png")
    sample = Sample(name="a.png", path=tmp_path / "a.png", text="น้ำ")
    crop, text = draw_crop(sample), draw_text(sample, score_text("น้ำ", "นำ", TextRules()))
    assert 1 <= crop.width <= 640
    assert text.width <= 640


def test_a_right_text_is_green_and_a_wrong_one_red(tmp_path: Path) -> None:
    """At a glance."""
    sample = grey(tmp_path / "a.png", (100, 30))
    right, wrong = (draw_text(sample, score_text("AB", said, TextRules())) for said in ("AB", "XY"))
    assert near(right, GREEN).any()
    assert not near(right, RED).any()
    assert near(wrong, RED).any()
    assert not near(wrong, GREEN).any()


def test_points_far_outside_are_drawn_in_no_time(tmp_path: Path) -> None:
    """A wild box costs neither seconds nor an overflow."""
    sample = grey(tmp_path / "a.png", (100, 100))
    wild = ((-1e30, 0.0), (1e30, 0.0), (1e30, 5.0), (0.0, 5.0))
    boxes = (Box(transcription="a", points=wild),)
    sample = Sample(name="a", path=sample.path, boxes=boxes)
    assert draw_boxes(sample, answer(), score_boxes(boxes, ())).width <= 640
