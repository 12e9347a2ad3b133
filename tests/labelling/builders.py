"""Readings and pictures for the tests of pre-labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ocr_train.analysis.predictions import Reading, TextLine


def draw_page(path: Path, size: tuple[int, int] = (120, 80), *, shade: int = 90) -> Path:
    """A picture with a bar in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (240, 240, 240))
    ImageDraw.Draw(image).rectangle((10, 10, 60, 24), fill=(shade, shade, shade))
    image.save(path)
    return path


def text_line(text: str, confidence: float, *, y: float = 10, height: float = 14, **more: Any) -> TextLine:
    """A line at the left of a page."""
    box = ((10.0, y), (60.0, y), (60.0, y + height), (10.0, y + height))
    return TextLine(**{"box": box, "score": 0.9, "text": text, "text_score": confidence, **more})


def read_lines(image: Path, *lines: TextLine) -> Reading:
    """What detection and recognition together say of a page."""
    return Reading(image=image, lines=lines)
