"""Pictures of what a model has read: boxes and texts drawn onto the image, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.analysis.predictions import Point, Reading
from ocr_train.atomic_files import whole_file
from ocr_train.drawing.fonts import Typeface, find_typefaces, load_font
from ocr_train.errors import SetupError
from ocr_train.ocr_engine.images import ImageError, read_image

if TYPE_CHECKING:
    from PIL import Image

BOX_COLOUR = (220, 40, 40)
TEXT_COLOUR = (255, 255, 255)
STRIP_COLOUR = (30, 30, 30)
THAI = range(0x0E00, 0x0E80)

_SMALLEST_PX = 12
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
            _outline(pen, line.box, picture.size)
        for line in reading.lines:
            unwritten = _write_above(pen, line.text, line.box) or unwritten
    elif reading.boxes:
        pen = ImageDraw.Draw(picture)
        for box, score in zip(reading.boxes, reading.scores, strict=True):
            _outline(pen, box, picture.size)
            unwritten = _write_above(pen, f"{score:.2f}", box) or unwritten
    elif text := _caption(reading):
        picture, unwritten = _with_strip(picture, text)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as part:
        picture.save(part, "PNG")
    return unwritten


def _caption(reading: Reading) -> str:
    caption = reading.text or reading.label
    return f"{caption}  {reading.score:.2f}" if caption else ""


def _outline(pen: Any, box: Sequence[Point], size: tuple[int, int]) -> None:
    width = max(2, round(max(size) / 400))
    pen.line([*box, *box[:2]], fill=BOX_COLOUR, width=width, joint="curve")


def _write_above(pen: Any, text: str, box: Sequence[Point]) -> str:
    """The text on a plate above the box, below it where there is no room."""
    if not text:
        return ""
    across, down = [x for x, _ in box], [y for _, y in box]
    size_px = max(_SMALLEST_PX, min(28, round((max(down) - min(down)) * 0.6)))
    font = _font(text, size_px)
    if font is None:
        return _not_drawn(text)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(0.0, min(across)), max(0.0, pen.im.size[0] - width))
    y = min(down) - height - 1
    if y < 0:
        y = min(max(down) + 1, pen.im.size[1] - height)
    pen.rectangle((x, y, x + width, y + height), fill=BOX_COLOUR)
    pen.text((x + 2 - left, y + 2 - top), text, font=font, fill=TEXT_COLOUR)
    return ""


def _with_strip(picture: Image.Image, text: str) -> tuple[Image.Image, str]:
    """The picture with the text on a strip below it: a crop has no room for it inside."""
    from PIL import Image, ImageDraw

    font = _font(text, _STRIP_PX)
    if font is None:
        return picture, _not_drawn(text)
    left, top, right, bottom = font.getbbox(text)
    width = max(picture.width, int(right - left) + 12)
    height = int(bottom - top) + 12
    sheet = Image.new("RGB", (width, picture.height + height), STRIP_COLOUR)
    sheet.paste(picture, (0, 0))
    ImageDraw.Draw(sheet).text((6 - left, picture.height + 6 - top), text, font=font, fill=TEXT_COLOUR)
    return sheet, ""


def _not_drawn(text: str) -> str:
    kind = "Thai text" if _is_thai(text) else f"text such as {text!r}"
    return f"{kind} could not be drawn into the pictures: no font, or no Raqm layout for it (libfribidi)"


def _font(text: str, size_px: int) -> Any:
    """A font with every glyph of `text`, else one that has most of them; None where Thai cannot be shaped."""
    thai = _is_thai(text)
    faces = _typefaces("th" if thai else "en")
    if not faces:
        return None
    able = [face for face in faces if face.covers(text)]
    best = able[0] if able else max(faces, key=lambda face: len(face.characters.intersection(text)))
    return load_font(best.path, size_px, shaped=thai)


def _is_thai(text: str) -> bool:
    return any(ord(character) in THAI for character in text)


@lru_cache(maxsize=2)
def _typefaces(language: str) -> tuple[Typeface, ...]:
    """The regular faces first; none where the fonts or the layout that Thai needs are missing."""
    try:
        faces = find_typefaces(language)
    except SetupError:
        return ()
    return tuple(
        sorted(faces, key=lambda face: (not face.path.stem.endswith(("Sans", "Regular")), face.path))
    )


__all__ = ["ImageError", "draw_reading"]
