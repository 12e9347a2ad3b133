"""Boxes and texts drawn onto images, for people to look at: Thai with its marks in their places."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ocr_train.drawing.fonts import Typeface, find_typefaces, load_font
from ocr_train.errors import SetupError

BOX_COLOUR = (220, 40, 40)
TEXT_COLOUR = (255, 255, 255)
THAI = range(0x0E00, 0x0E80)
Colour = tuple[int, int, int]

_SMALLEST_PX = 12


def outline_box(
    pen: Any, box: Sequence[tuple[float, float]], size: tuple[int, int], colour: Colour = BOX_COLOUR
) -> None:
    """Draw the outline of `box` (points in pixels) onto a picture of that size."""
    width = max(2, round(max(size) / 400))
    pen.line([*box, *box[:2]], fill=colour, width=width, joint="curve")


def write_above(pen: Any, text: str, box: Sequence[tuple[float, float]], colour: Colour = BOX_COLOUR) -> str:
    """Write the text on a plate above the box, below it where there is no room; why it could not be drawn, else nothing."""
    if not text:
        return ""
    across, down = [x for x, _ in box], [y for _, y in box]
    size_px = max(_SMALLEST_PX, min(28, round((max(down) - min(down)) * 0.6)))
    font = font_for(text, size_px)
    if font is None:
        return why_not_drawn(text)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(0.0, min(across)), max(0.0, pen.im.size[0] - width))
    y = min(down) - height - 1
    if y < 0:
        y = min(max(down) + 1, pen.im.size[1] - height)
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + 2 - left, y + 2 - top), text, font=font, fill=TEXT_COLOUR)
    return ""


def why_not_drawn(text: str) -> str:
    """A sentence for people about a text that has no font here."""
    kind = "Thai text" if _is_thai(text) else f"text such as {text!r}"
    return f"{kind} could not be drawn into the pictures: no font, or no Raqm layout for it (libfribidi)"


def font_for(text: str, size_px: int) -> Any:
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
