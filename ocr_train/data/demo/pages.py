"""Draws the demo set: pages with the true corners of every line, and crops of one line.

Coordinates are continuous pixels, x to the right and y down, (0, 0) the outer corner of the first pixel. The
corners of a line are top left, top right, bottom right, bottom left as the text is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from ocr_train.data.demo.texts import make_text
from ocr_train.data.labels import IGNORED_TRANSCRIPTIONS, Box, Point
from ocr_train.drawing.fonts import Typeface, choose_typeface, load_font

if TYPE_CHECKING:
    from PIL import Image

Color = tuple[int, int, int]
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
"""How far, of 255, a text is from the brightness of its ground."""
_UNIFORM_SIGMA = 73.9
"""The standard deviation of bytes that are all equally likely."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """What the lines of one set are drawn with; `shaped`: by Raqm, as scripts with marks above and below need it."""

    language: str
    typefaces: tuple[Typeface, ...]
    shaped: bool = False

    def draw(self, rng: Random, text: str, size_px: int, face: Typeface | None = None) -> Image.Image:
        """`text` at `size_px` pixels an em as a mask ("L") cut to its ink; another font where `face` lacks glyphs."""
        from PIL import Image, ImageDraw

        if face is None or not face.covers(text):
            face = choose_typeface(rng, self.typefaces, text)
        font = load_font(face.path, size_px, shaped=self.shaped or self.language == "th")
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

    def add_if_free(self, rng: Random, text: str, mask: Image.Image, place: Place) -> bool:
        """Draw a line and note its box, where `place` lies inside the page and clear of everything drawn before."""
        from PIL import ImageChops

        corners, (width, height) = place.corners(_GAP_PX), self.image.size
        if not all(0 <= x <= width and 0 <= y <= height for x, y in corners):
            return False
        if ImageChops.multiply(_filled(corners, self.image.size), self.taken).getbbox() is not None:
            return False
        paint_line(self.image, mask, place, _readable_color(rng, self.image, place))
        self.taken.paste(255, mask=_filled(place.corners(), self.image.size))
        points = tuple(
            (
                float(min(max(round(x), 0), self.image.width - 1)),
                float(min(max(round(y), 0), self.image.height - 1)),
            )
            for x, y in place.corners()
        )
        self.boxes.append(Box(transcription=text, points=points))
        return True


def _filled(corners: tuple[Point, ...], size: tuple[int, int]) -> Image.Image:
    """A mask ("L") of `size` in which the shape is 255."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(list(corners), fill=255)
    return mask


def draw_page(rng: Random, style: Style, size: tuple[int, int]) -> tuple[Image.Image, list[Box]]:
    """A page of `size` (width, height) and its boxes in whole pixels, at least one of them readable."""
    from PIL import Image

    boxes: list[Box] = []
    while not boxes:
        page = _Page(image=_ground(rng, size), taken=Image.new("L", size))
        rng.choice([_fill_form, _fill_scene])(rng, style, page)
        boxes = page.boxes
    for _ in range(rng.choice([0, 0, 1, 2])):
        _add_unreadable(rng, style, page)
    return _photograph(rng, page.image, max_blur=0.8), boxes


def _readable_color(rng: Random, image: Image.Image, place: Place) -> Color:
    """A colour that stands out against what lies under `place`: measured, not hoped for."""
    from PIL import ImageStat

    around = round(ImageStat.Stat(image.convert("L"), _filled(place.corners(), image.size)).mean[0])
    low, high = (0, around - _CONTRAST) if around > 127 else (around + _CONTRAST, 255)
    return _random_color(rng, low, high)


def _fill_form(rng: Random, style: Style, page: _Page) -> None:
    """Lines below each other in one face, as on a form or a receipt, the sheet laid askew."""
    (width, height), angle = page.image.size, rng.gauss(0, 2.5)
    face, least = rng.choice(style.typefaces), min(page.image.size)
    size_px = _EXTRA_PX[style.language] + rng.randint(max(11, least // 26), max(14, least // 15))
    left, top = rng.uniform(0.05, 0.2) * width, rng.uniform(0.04, 0.15) * height
    while top < 0.95 * height:
        column = left
        for _ in range(rng.choice([1, 2, 3])):
            text = make_text(rng, style.language)
            mask = style.draw(rng, text, size_px, face)
            offset = (column + mask.width / 2 - width / 2, top + mask.height / 2 - height / 2)
            middle = turn((width / 2, height / 2), offset, angle)
            page.add_if_free(rng, text, mask, Place(middle=middle, size=mask.size, angle=angle))
            column += mask.width + rng.uniform(1.0, 4.0) * size_px
        top += size_px * rng.uniform(1.3, 1.9)


def _fill_scene(rng: Random, style: Style, page: _Page) -> None:
    """Signs and labels anywhere, each in its own face, size, colour and slant."""
    least = min(page.image.size)
    small = _EXTRA_PX[style.language] + max(13, least // 24)
    large = max(small + 7, least // 8)
    for _ in range(rng.randint(10, 40)):
        text = make_text(rng, style.language)
        mask = style.draw(rng, text, round(rng.triangular(small, large, small)))
        page.add_if_free(rng, text, mask, _anywhere(rng, page, mask, rng.choice([4, 4, 4, 20])))


def _anywhere(rng: Random, page: _Page, mask: Image.Image, spread: float) -> Place:
    middle = (rng.uniform(0, page.image.width), rng.uniform(0, page.image.height))
    return Place(middle=middle, size=mask.size, angle=max(-40.0, min(40.0, rng.gauss(0, spread))))


def _add_unreadable(rng: Random, style: Style, page: _Page) -> None:
    """Text too small to read, its box marked as one to ignore; nothing where there is no room."""
    mask = style.draw(rng, make_text(rng, style.language), rng.randint(5, 6))
    for _ in range(10):
        if page.add_if_free(rng, _IGNORED, mask, _anywhere(rng, page, mask, 3)):
            return


def draw_line_crop(rng: Random, style: Style, text: str, face: Typeface | None = None) -> Image.Image:
    """One line of `text` as a detector would have cut it out, in `face` or any other; the height is within `CROP_HEIGHTS`."""
    face = face or choose_typeface(rng, style.typefaces, text)
    size_px, pad, needed = rng.randint(22, 44), rng.uniform(2, 6), CROP_HEIGHTS[1] + 1
    while needed > CROP_HEIGHTS[1]:
        mask = style.draw(rng, text, size_px, face)
        angle = rng.gauss(0, 20 / max(mask.width, 20))
        needed = math.ceil(mask.height + abs(math.sin(math.radians(angle))) * mask.width + 2 * pad)
        size_px -= 2
    size = (math.ceil(mask.width + 2 * pad + rng.uniform(0, 8)), max(CROP_HEIGHTS[0], needed))
    middle = (size[0] / 2, size[1] / 2 + rng.uniform(-0.5, 0.5) * (size[1] - needed))
    place = Place(middle=middle, size=mask.size, angle=angle)
    ground = _ground(rng, size)
    paint_line(ground, mask, place, _readable_color(rng, ground, place))
    return _photograph(rng, ground, max_blur=1.0)


def _random_color(rng: Random, low: int, high: int) -> Color:
    """Three channels, each from `low` to `high`, nearer to grey than to a pure hue."""
    base, spread = rng.randint(low, high), rng.choice([4, 20, 90])
    red, green, blue = (max(low, min(high, base + rng.randint(-spread, spread))) for _ in range(3))
    return red, green, blue


def _ground(rng: Random, size: tuple[int, int]) -> Image.Image:
    """Paper, a wall, a board or a machine of `size` (width, height): any colour, some with blobs, out of focus."""
    from PIL import ImageDraw, ImageFilter

    low = rng.choice([0, 60, 120, 190, 190])
    view = _gradient(rng, size, _random_color(rng, low, low + 65), _random_color(rng, low, low + 65))
    # In the mode "RGBA" Pillow lays a half transparent colour over what is there.
    pen = ImageDraw.Draw(view, "RGBA")
    for _ in range(rng.choice([0, 0, 3, 6])):
        x, y = rng.uniform(-0.2, 0.9) * size[0], rng.uniform(-0.2, 0.9) * size[1]
        box = (x, y, x + rng.uniform(0.05, 0.6) * size[0], y + rng.uniform(0.05, 0.6) * size[1])
        rng.choice([pen.ellipse, pen.rectangle])(
            box, fill=(*_random_color(rng, 0, 255), rng.randint(40, 150))
        )
    view = view.filter(ImageFilter.GaussianBlur(rng.choice([1, 3, 8])))
    cells = rng.choice([4, 9, 24])
    return _with_noise(rng, view, rng.uniform(1, 12), cells=(cells, cells))


def _photograph(rng: Random, image: Image.Image, *, max_blur: float) -> Image.Image:
    """What a camera or a scanner makes of `image`: shade, blur up to `max_blur` pixels, sensor noise."""
    from PIL import ImageChops, ImageFilter

    dark = rng.randint(180, 255)
    shade = _gradient(rng, image.size, (255, 255, 255), (dark, dark, dark))
    shot = ImageChops.multiply(image, shade).filter(ImageFilter.GaussianBlur(rng.uniform(0, max_blur)))
    sigma = rng.choice([0.0, rng.uniform(1, 5), rng.uniform(4, 10)])
    return _with_noise(rng, shot, sigma, mode="RGB") if sigma else shot


def _gradient(rng: Random, size: tuple[int, int], first: Color, last: Color) -> Image.Image:
    """Each corner somewhere between `first` and `last`, smooth in between."""
    from PIL import Image

    reach = rng.choice([0.15, 0.5, 1.0])
    shares = [rng.uniform(0, reach) for _ in range(4)]
    corners = bytes(round(a + (b - a) * share) for share in shares for a, b in zip(first, last, strict=True))
    return Image.frombytes("RGB", (2, 2), corners).resize(size, Image.Resampling.BILINEAR)


def _with_noise(
    rng: Random,
    image: Image.Image,
    sigma: float,
    *,
    cells: tuple[int, int] | None = None,
    mode: str = "L",
) -> Image.Image:
    """`image` with noise of standard deviation `sigma`: grey ("L") or coloured ("RGB"), in `cells` or in each pixel."""
    from PIL import Image, ImageChops

    width, height = cells or image.size
    # `Image.effect_noise` has no seed.
    noise = Image.frombytes(mode, (width, height), rng.randbytes(width * height * len(mode)))
    table = [round(128 + (value - 127.5) * sigma / _UNIFORM_SIGMA) for value in range(256)] * len(mode)
    noise = noise.resize(image.size, Image.Resampling.BICUBIC).point(table).convert("RGB")
    return ImageChops.add(image, noise, offset=-128)
