"""Pictures of what was read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from ocr_train.analysis.predictions import Reading, TextLine
from ocr_train.drawing import boxes
from ocr_train.drawing.boxes import BOX_COLOUR
from ocr_train.models.annotated import draw_reading

BOX = ((20.0, 60.0), (120.0, 60.0), (120.0, 90.0), (20.0, 90.0))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """An empty page."""
    path = tmp_path / "page.png"
    Image.new("RGB", (160, 120), "white").save(path)
    return path


def test_boxes_are_drawn_where_they_are_in_the_size_of_the_image(page: Path, tmp_path: Path) -> None:
    """A pixel of a box in the picture is that pixel of the image."""
    said = draw_reading(Reading(image=page, boxes=(BOX,), scores=(0.5,)), tmp_path / "out" / "page.png")
    picture = np.array(Image.open(tmp_path / "out" / "page.png"))
    assert said == ""
    assert picture.shape == (120, 160, 3)
    assert tuple(picture[75, 20]) == BOX_COLOUR
    assert tuple(picture[75, 70]) == (255, 255, 255)


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no Raqm layout here")
def test_thai_is_shaped(page: Path, tmp_path: Path) -> None:
    """Tone marks stand above vowels: the same letters in another order make another picture."""
    pictures = []
    for number, text in enumerate(("ที่", "ที")):
        line = TextLine(box=BOX, score=1.0, text=text, text_score=1.0)
        assert draw_reading(Reading(image=page, lines=(line,)), tmp_path / f"{number}.png") == ""
        pictures.append(np.array(Image.open(tmp_path / f"{number}.png")))
    assert not np.array_equal(pictures[0], pictures[1])


def test_a_text_that_cannot_be_drawn_is_said_and_its_box_drawn(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Raqm, Thai would be drawn wrong: not at all is better, and no reason to fail."""
    boxes._typefaces.cache_clear()
    monkeypatch.setattr(features, "check", lambda _name: False)
    line = TextLine(box=BOX, score=1.0, text="ที่", text_score=1.0)
    try:
        said = draw_reading(Reading(image=page, lines=(line,)), tmp_path / "out.png")
    finally:
        boxes._typefaces.cache_clear()
    assert "Thai text could not be drawn" in said
    assert tuple(np.array(Image.open(tmp_path / "out.png"))[75, 20]) == BOX_COLOUR


def test_a_crop_has_its_text_below_it(page: Path, tmp_path: Path) -> None:
    """The crop itself stays as it is."""
    draw_reading(Reading(image=page, text="QF24", score=0.9), tmp_path / "out.png")
    picture = np.array(Image.open(tmp_path / "out.png"))
    assert picture.shape[0] > 120
    assert (picture[:120, :160] == 255).all()
