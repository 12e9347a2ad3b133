"""Compositions for the demo set: pages with the true corners of every line, and crops of one line.

Coordinates are continuous pixels, x to the right and y down, (0, 0) the outer corner of the first pixel. The
corners of a line are top left, top right, bottom right, bottom left as the text is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from ocr_train.data.demo.scenes import Color, paper, photograph, random_color, wall
from ocr_train.data.demo.texts import make_text
from ocr_train.data.labels import IGNORED_TRANSCRIPTIONS, Box, Point
from ocr_train.drawing.fonts import Typeface, choose_typeface, load_font

if TYPE_CHECKING:
    from PIL import Image

CROP_HEIGHTS = (32, 64)
"""The smallest and the greatest height of a crop, in pixels."""
_IGNORED = IGNORED_TRANSCRIPTIONS[1]
_GAP_PX = 3.0
"""How far boxes stay from each other and from the edge of their page."""
_EXTRA_PX = {"en": 0, "th": 3}
"""Thai is set larger: its letters take up less of an em, and its marks are small."""
_INK = 40
"""Coverage, of 255, from which a pixel counts as ink: fainter edges do not widen a box."""
_CONTRAST = 120
"""How far, of 255, the luma of a text is from that of its ground, as long as the ground is no mid-grey."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """What the lines of one set are drawn with."""

    language: str
    typefaces: tuple[Typeface, ...]

    def draw(self, rng: Random, text: str, size_px: int, face: Typeface | None = None) -> Image.Image:
        """`text` at `size_px` pixels an em as a mask ("L") cut to its ink; another font where `face` lacks glyphs."""
        from PIL import Image, ImageDraw

        if face is None or not face.covers(text):
            face = choose_typeface(rng, self.typefaces, text)
        font = load_font(face.path, size_px, shaped=self.language == "th")
        left, top, right, bottom = font.getbbox(text)
        canvas = Image.new("L", (math.ceil(right - left) + 8, math.ceil(bottom - top) + 8))
        ImageDraw.Draw(canvas).text((4 - left, 4 - top), text, fill=255, font=font)
        return canvas.crop(canvas.point(lambda value: 255 * (value >= _INK)).getbbox())


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a line goes: its `middle`, its `size` and its angle clockwise in degrees."""

    middle: Point
    size: tuple[int, int]
    angle: float

    def corners(self, grow: float = 0.0) -> tuple[Point, ...]:
        """The four corners, of a rectangle `grow` pixels larger on each side."""
        w, h = self.size[0] / 2 + grow, self.size[1] / 2 + grow
        return tuple(turn(self.middle, offset, self.angle) for offset in ((-w, -h), (w, -h), (w, h), (-w, h)))


def turn(middle: Point, offset: Point, angle: float) -> Point:
    """The point that is `offset` from `middle` after a turn by `angle` degrees clockwise about `middle`."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return middle[0] + offset[0] * cos - offset[1] * sin, middle[1] + offset[0] * sin + offset[1] * cos


def paint_line(image: Image.Image, mask: Image.Image, place: Place, color: Color) -> None:
    """Draw `mask` onto `image` in `color` at `place`, to half a pixel."""
    from PIL import Image, ImageOps

    # Without a frame of empty pixels the edges of the letters are cut off hard.
    drawn = ImageOps.expand(mask, 2).rotate(-place.angle, Image.Resampling.BICUBIC, expand=True)
    left, top = round(place.middle[0] - drawn.width / 2), round(place.middle[1] - drawn.height / 2)
    image.paste(color, (left, top), drawn)


@dataclass(kw_only=True)
class _Page:
    """A page being drawn: its `image`, its `boxes`, and where something already is ("L", 255)."""

    image: Image.Image
    taken: Image.Image
    boxes: list[Box] = field(default_factory=list)

    def is_free(self, place: Place, gap: float) -> bool:
        """Whether `place` lies inside the page and clear of everything drawn before."""
        from PIL import ImageChops

        corners, (width, height) = place.corners(gap), self.image.size
        if not all(0 <= x <= width and 0 <= y <= height for x, y in corners):
            return False
        return ImageChops.multiply(_filled(corners, self.image.size), self.taken).getbbox() is None

    def add(self, text: str, mask: Image.Image, place: Place, color: Color, gap: float = 0.0) -> None:
        """Draw a line, note its box and that `gap` pixels around it are taken, too."""
        paint_line(self.image, mask, place, color)
        self.taken.paste(255, mask=_filled(place.corners(gap), self.image.size))
        points = tuple(
            (
                float(min(max(round(x), 0), self.image.width - 1)),
                float(min(max(round(y), 0), self.image.height - 1)),
            )
            for x, y in place.corners()
        )
        self.boxes.append(Box(transcription=text, points=points))


def _filled(corners: tuple[Point, ...], size: tuple[int, int]) -> Image.Image:
    """A mask ("L") of `size` in which the shape is 255."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(list(corners), fill=255)
    return mask


def _readable_color(rng: Random, image: Image.Image, place: Place) -> Color:
    """A colour that stands out against what lies under `place`: measured, not hoped for."""
    from PIL import ImageStat

    around = ImageStat.Stat(image.convert("L"), _filled(place.corners(), image.size)).mean[0]
    for _ in range(12):
        red, green, blue = color = random_color(rng, 0, 255)
        # Rec. 601, as in Pillow's own conversion to grey.
        if abs(0.299 * red + 0.587 * green + 0.114 * blue - around) >= _CONTRAST:
            return color
    return random_color(rng, 0, 30) if around > 120 else random_color(rng, 225, 255)


def draw_page(rng: Random, style: Style, size: tuple[int, int]) -> tuple[Image.Image, list[Box]]:
    """A page of `size` (width, height) and its boxes in whole pixels, at least one of them readable."""
    from PIL import Image

    boxes: list[Box] = []
    while not boxes:
        document = rng.random() < 0.45
        ground = paper(rng, size) if document or rng.random() < 0.2 else wall(rng, size)
        page = _Page(image=ground, taken=Image.new("L", size))
        (_fill_document if document else _fill_scene)(rng, style, page)
        boxes = page.boxes
    for _ in range(rng.choice([0, 0, 1, 2])):
        _add_unreadable(rng, style, page)
    return photograph(rng, page.image, max_blur=0.8), boxes


def _fill_document(rng: Random, style: Style, page: _Page) -> None:
    """Lines below each other in one face and ink, as on a form or a receipt, the sheet laid askew."""
    (width, height), angle = page.image.size, rng.gauss(0, 2.5)
    face, color = rng.choice(style.typefaces), random_color(rng, 0, 90)
    least = min(width, height)
    size_px = _EXTRA_PX[style.language] + rng.randint(max(11, least // 26), max(14, least // 15))
    left, top = rng.uniform(0.05, 0.2) * width, rng.uniform(0.04, 0.15) * height
    spacing, title = rng.uniform(1.1, 1.8), rng.random() < 0.6
    while top < 0.95 * height:
        column = left
        while True:
            text = make_text(rng, style.language)
            mask = style.draw(rng, text, size_px * 3 // 2 if title else size_px, face)
            if column + mask.width > 0.96 * width:
                break
            offset = (column + mask.width / 2 - width / 2, top + mask.height / 2 - height / 2)
            middle = turn((width / 2, height / 2), offset, angle)
            place = Place(middle=middle, size=mask.size, angle=angle)
            if page.is_free(place, _GAP_PX):
                page.add(text, mask, place, color)
            column += mask.width + rng.uniform(1.0, 4.0) * size_px
            if title or rng.random() < 0.5:
                break
        top += size_px * (spacing * (1.9 if title else 1.0) + 0.13 * _EXTRA_PX[style.language])
        title = False


def _fill_scene(rng: Random, style: Style, page: _Page) -> None:
    """Signs and labels anywhere, each in its own face, size, colour and slant, some on a plate."""
    wanted, least = rng.randint(3, 8), min(page.image.size)
    small = _EXTRA_PX[style.language] + max(13, least // 24)
    large = max(small + 7, least // 8)
    for _ in range(wanted * 6):
        if len(page.boxes) >= wanted:
            return
        text = make_text(rng, style.language)
        mask = style.draw(rng, text, round(rng.triangular(small, large, small)))
        angle = rng.uniform(-38, 38) if rng.random() < 0.2 else rng.gauss(0, 4)
        place = Place(middle=_anywhere(rng, page), size=mask.size, angle=angle)
        plate = rng.uniform(4, 10) if rng.random() < 0.4 else 0.0
        if page.is_free(place, plate or _GAP_PX):
            if plate:
                _draw_plate(rng, page.image, place, plate)
            page.add(text, mask, place, _readable_color(rng, page.image, place), plate)


def _anywhere(rng: Random, page: _Page) -> Point:
    return rng.uniform(0, page.image.width), rng.uniform(0, page.image.height)


def _draw_plate(rng: Random, image: Image.Image, place: Place, border: float) -> None:
    """A sign's board under its text, now and then with a rim."""
    from PIL import ImageFilter

    face, rim = random_color(rng, 0, 255), random_color(rng, 0, 255)
    layers = [(border, face)]
    if rng.random() < 0.4:
        layers += [(border - 1.0, rim), (border - 2.4, face)]
    for grow, color in layers:
        shape = _filled(place.corners(grow), image.size)
        image.paste(color, mask=shape.filter(ImageFilter.GaussianBlur(0.5)))


def _add_unreadable(rng: Random, style: Style, page: _Page) -> None:
    """Text too small to read, its box marked as one to ignore; nothing where there is no room."""
    mask = style.draw(rng, make_text(rng, style.language), rng.randint(5, 6))
    for _ in range(10):
        place = Place(middle=_anywhere(rng, page), size=mask.size, angle=rng.gauss(0, 3))
        if page.is_free(place, _GAP_PX):
            page.add(_IGNORED, mask, place, _readable_color(rng, page.image, place))
            return


def draw_line_crop(rng: Random, style: Style, text: str) -> Image.Image:
    """One line of `text` as a detector would have cut it out; the height is within `CROP_HEIGHTS`."""
    face = choose_typeface(rng, style.typefaces, text)
    size_px, pad, needed = rng.randint(22, 44), rng.uniform(2, 6), CROP_HEIGHTS[1] + 1
    while needed > CROP_HEIGHTS[1]:
        mask = style.draw(rng, text, size_px, face)
        angle = rng.gauss(0, 20 / max(mask.width, 20))
        needed = math.ceil(mask.height + abs(math.sin(math.radians(angle))) * mask.width + 2 * pad)
        size_px -= 2
    size = (math.ceil(mask.width + 2 * pad + rng.uniform(0, 8)), max(CROP_HEIGHTS[0], needed))
    middle = (size[0] / 2, size[1] / 2 + rng.uniform(-0.5, 0.5) * (size[1] - needed))
    place = Place(middle=middle, size=mask.size, angle=angle)
    ground = rng.choice([paper, wall])(rng, size)
    paint_line(ground, mask, place, _readable_color(rng, ground, place))
    return photograph(rng, ground, max_blur=1.0)
