"""Compositions for the demo set: pages with the true corners of every line, and crops of one line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from ocr_train.data.demo.lines import (
    Ink,
    Quad,
    draw_ink,
    jitter_quad,
    mark_quad,
    paint_ink,
    paint_quad,
    place_quad,
    quad_inside,
    quad_is_free,
    random_color,
    readable_color,
)
from ocr_train.data.demo.scenes import paper, photograph, wall
from ocr_train.data.demo.texts import make_text
from ocr_train.data.labels import IGNORED_TRANSCRIPTIONS, Box
from ocr_train.drawing.fonts import Typeface, choose_typeface

if TYPE_CHECKING:
    from ocr_train.data.demo.lines import Color, Pixels

_IGNORED = IGNORED_TRANSCRIPTIONS[1]
_EDGE_PX = 3.0
"""How far a box stays from the edge of its page."""
_GAP_PX = 3.0
"""How far boxes stay from each other."""
_EXTRA_PX = {"en": 0, "th": 3}
"""Thai is set larger: its letters take up less of an em, and its marks are small."""
CROP_HEIGHTS = (32, 64)
"""The smallest and the greatest height of a crop, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """What the lines of one set are drawn with: `shaped` is whether their script needs Raqm."""

    language: str
    typefaces: tuple[Typeface, ...]
    shaped: bool


@dataclass(kw_only=True)
class Page:
    """A page being drawn: its pixels, its boxes, and where something already is."""

    size: tuple[int, int]
    pixels: Pixels
    taken: Pixels
    boxes: list[Box] = field(default_factory=list)

    def free(self, quad: Quad) -> bool:
        """Whether `quad` lies inside the page and clear of everything drawn before."""
        return quad_inside(quad, self.size, _EDGE_PX) and quad_is_free(self.taken, quad)

    def take(self, quad: Quad) -> None:
        """Mark `quad` as occupied."""
        mark_quad(self.taken, quad)


def draw_page(rng: Random, style: Style, size: tuple[int, int]) -> tuple[Pixels, list[Box]]:
    """A page of `size` (width, height) and its boxes in whole pixels, at least one of them readable."""
    while True:
        document = rng.random() < 0.45
        page = _empty_page(paper(rng, size) if document or rng.random() < 0.2 else wall(rng, size), size)
        if document:
            _fill_document(rng, style, page)
        else:
            _fill_scene(rng, style, page)
        if page.boxes:
            break
    for _ in range(rng.choice([0, 0, 1, 2])):
        _add_unreadable(rng, style, page)
    return photograph(rng, page.pixels, max_blur=0.8), page.boxes


def _empty_page(background: Pixels, size: tuple[int, int]) -> Page:
    import numpy as np

    return Page(size=size, pixels=background, taken=np.zeros((size[1], size[0]), dtype=np.float32))


def _fill_document(rng: Random, style: Style, page: Page) -> None:
    """Lines below each other in one face and ink, as on a form or a receipt, the sheet laid askew."""
    width, height = page.size
    angle = rng.gauss(0, 2.5)
    face = rng.choice(style.typefaces)
    size_px = _EXTRA_PX[style.language] + rng.randint(
        max(11, min(page.size) // 26), max(14, min(page.size) // 15)
    )
    color = random_color(rng, 0, 90)
    left, top = rng.uniform(0.05, 0.2) * width, rng.uniform(0.04, 0.15) * height
    spacing = rng.uniform(1.1, 1.8)
    title = rng.random() < 0.6
    while top < 0.95 * height:
        ink = _make_ink(rng, style, size_px + (size_px // 2 if title else 0), face=face)
        column = left
        while column + ink.size[0] < 0.96 * width:
            middle = (column + ink.size[0] / 2, top + ink.size[1] / 2)
            _put(page, ink, place_quad(_turn(middle, page.size, angle), ink.size, angle), color)
            column += ink.size[0] + rng.uniform(1.0, 4.0) * size_px
            ink = _make_ink(rng, style, size_px, face=face)
            if title or rng.random() < 0.5:
                break
        top += size_px * spacing * (1.9 if title else 1.0) + (0.4 * size_px if style.language == "th" else 0)
        title = False


def _turn(point: tuple[float, float], size: tuple[int, int], angle_deg: float) -> tuple[float, float]:
    """`point` after the page has been turned clockwise about its middle."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    x, y = point[0] - size[0] / 2, point[1] - size[1] / 2
    return size[0] / 2 + x * cos - y * sin, size[1] / 2 + x * sin + y * cos


def _fill_scene(rng: Random, style: Style, page: Page) -> None:
    """Signs and labels anywhere, each in its own face, size, colour and slant, some on a plate."""
    wanted = rng.randint(3, 8)
    small = _EXTRA_PX[style.language] + max(13, min(page.size) // 24)
    large = max(small + 7, min(page.size) // 8)
    for _ in range(wanted * 6):
        if len(page.boxes) >= wanted:
            return
        ink = _make_ink(rng, style, round(rng.triangular(small, large, small)))
        angle = rng.uniform(-38, 38) if rng.random() < 0.2 else rng.gauss(0, 4)
        middle = (rng.uniform(0, page.size[0]), rng.uniform(0, page.size[1]))
        quad = jitter_quad(rng, place_quad(middle, ink.size, angle), 0.04 * ink.size[1])
        plate = _grow(quad, rng.uniform(4, 10)) if rng.random() < 0.4 else None
        if not page.free(plate or _grow(quad, _GAP_PX)):
            continue
        if plate:
            _draw_plate(rng, page, plate)
        _put(page, ink, quad, readable_color(rng, page.pixels, quad), checked=True)
        page.take(plate or quad)


def _grow(quad: Quad, by: float) -> Quad:
    """`quad` with each corner moved outwards by `by` pixels along both of its sides."""
    (tl, tr, br, bl) = quad
    along, down = _unit(tl, tr), _unit(tl, bl)
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple(
        (x + by * (s * along[0] + t * down[0]), y + by * (s * along[1] + t * down[1]))
        for (x, y), (s, t) in zip((tl, tr, br, bl), signs, strict=True)
    )


def _unit(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    length = math.dist(start, end) or 1.0
    return (end[0] - start[0]) / length, (end[1] - start[1]) / length


def _draw_plate(rng: Random, page: Page, plate: Quad) -> None:
    """A sign's board under its text, now and then with a rim."""
    face, rim = random_color(rng, 0, 255), random_color(rng, 0, 255)
    paint_quad(page.pixels, plate, face, blur=0.6)
    if rng.random() < 0.4:
        paint_quad(page.pixels, _grow(plate, -1.0), rim)
        paint_quad(page.pixels, _grow(plate, -2.4), face)


def _put(page: Page, ink: Ink, quad: Quad, color: Color, *, checked: bool = False) -> None:
    """Draw `ink` into `quad` and note its box, unless it would touch another or leave the page."""
    grown = _grow(quad, _GAP_PX)
    if not checked and not page.free(grown):
        return
    paint_ink(page.pixels, ink, quad, color)
    page.take(quad)
    page.boxes.append(Box(transcription=ink.text, points=_whole_pixels(quad, page.size)))


def _whole_pixels(quad: Quad, size: tuple[int, int]) -> Quad:
    """Corners as labels carry them: whole pixels inside the image."""
    return tuple(
        (float(min(max(round(x), 0), size[0] - 1)), float(min(max(round(y), 0), size[1] - 1)))
        for x, y in quad
    )


def _add_unreadable(rng: Random, style: Style, page: Page) -> None:
    """Text too small to read, its box marked as one to ignore; nothing where there is no room."""
    for _ in range(10):
        ink = _make_ink(rng, style, rng.randint(5, 6))
        middle = (rng.uniform(0, page.size[0]), rng.uniform(0, page.size[1]))
        quad = place_quad(middle, ink.size, rng.gauss(0, 3))
        if page.free(_grow(quad, _GAP_PX)):
            color = readable_color(rng, page.pixels, quad)
            _put(page, Ink(text=_IGNORED, mask=ink.mask), quad, color, checked=True)
            return


def _make_ink(rng: Random, style: Style, size_px: int, *, face: Typeface | None = None) -> Ink:
    """A new text at `size_px`, in `face` where it has the glyphs and in another font where it has not."""
    text = make_text(rng, style.language)
    if face is None or not face.covers(text):
        face = choose_typeface(rng, style.typefaces, text)
    return draw_ink(text, face, size_px, shaped=style.shaped)


def make_crop(rng: Random, style: Style, text: str) -> Pixels:
    """One line of `text` as a detector would have cut it out; the height is within `CROP_HEIGHTS`."""
    low, high = CROP_HEIGHTS
    face = choose_typeface(rng, style.typefaces, text)
    size_px, pad = rng.randint(22, 44), rng.uniform(2, 6)
    while True:
        ink = draw_ink(text, face, size_px, shaped=style.shaped)
        angle = rng.gauss(0, 20 / max(ink.size[0], 20))
        slant = abs(math.sin(math.radians(angle))) * ink.size[0]
        needed = math.ceil(ink.size[1] + slant + 2 * pad)
        if needed <= high:
            break
        size_px -= max(1, (needed - high) // 3)
    height = max(low, needed)
    size = (math.ceil(ink.size[0] + 2 * pad + rng.uniform(0, 8)), height)
    middle = (size[0] / 2, height / 2 + rng.uniform(-0.5, 0.5) * (height - needed))
    quad = jitter_quad(rng, place_quad(middle, ink.size, angle), 0.04 * ink.size[1])
    pixels = rng.choice([paper, wall])(rng, size)
    color = readable_color(rng, pixels, quad)
    paint_ink(pixels, ink, quad, color, rng.uniform(0.85, 1.0))
    return photograph(rng, pixels, max_blur=1.0)
