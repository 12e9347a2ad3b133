"""Pictures of what a model has read: boxes and texts drawn onto the image, for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.analysis.predictions import Reading
from ocr_train.atomic_files import whole_file
from ocr_train.drawing.boxes import TEXT_COLOUR, font_for, outline_box, why_not_drawn, write_above
from ocr_train.ocr_engine.images import ImageError, read_image

if TYPE_CHECKING:
    from PIL import Image

STRIP_COLOUR = (30, 30, 30)

_STRIP_PX = 22


def draw_reading(reading: Reading, target: Path) -> str:
    """Write the image of `reading` with what was read in it to `target` (PNG), upright as its boxes are.

    One sentence where a text could not be drawn on this machine, else nothing. Raises `ImageError` where the image
    cannot be read, `OSError` where the picture cannot be written.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(read_image(reading.image)[:, :, ::-1])
    unwritten = ""
    if reading.lines:
        pen = ImageDraw.Draw(picture)
        for line in reading.lines:
            outline_box(pen, line.box, picture.size)
        for line in reading.lines:
            unwritten = write_above(pen, line.text, line.box) or unwritten
    elif reading.boxes:
        pen = ImageDraw.Draw(picture)
        for box, score in zip(reading.boxes, reading.scores, strict=True):
            outline_box(pen, box, picture.size)
            unwritten = write_above(pen, f"{score:.2f}", box) or unwritten
    elif text := _caption(reading):
        picture, unwritten = _with_strip(picture, text)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as part:
        picture.save(part, "PNG")
    return unwritten


def _caption(reading: Reading) -> str:
    caption = reading.text or reading.label
    return f"{caption}  {reading.score:.2f}" if caption else ""


def _with_strip(picture: Image.Image, text: str) -> tuple[Image.Image, str]:
    """The picture with the text on a strip below it: a crop has no room for it inside."""
    from PIL import Image, ImageDraw

    font = font_for(text, _STRIP_PX)
    if font is None:
        return picture, why_not_drawn(text)
    left, top, right, bottom = font.getbbox(text)
    width = max(picture.width, int(right - left) + 12)
    height = int(bottom - top) + 12
    sheet = Image.new("RGB", (width, picture.height + height), STRIP_COLOUR)
    sheet.paste(picture, (0, 0))
    ImageDraw.Draw(sheet).text((6 - left, picture.height + 6 - top), text, font=font, fill=TEXT_COLOUR)
    return sheet, ""


__all__ = ["ImageError", "draw_reading"]
