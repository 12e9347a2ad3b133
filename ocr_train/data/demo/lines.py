"""Drawing for the demo set: lines of text with their true corners, on pages and on crops.

Coordinates are continuous pixels, x to the right and y down, (0, 0) the outer corner of the first pixel.
A quadrilateral ("quad") is 4 points, top left, top right, bottom right, bottom left as the text is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from ocr_train.drawing.fonts import load_font

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from ocr_train.drawing.fonts import Typeface

    Pixels = npt.NDArray[np.float32]
    """Height x width x 3, RGB, 0 to 255; or height x width, coverage 0 to 1."""

Quad = tuple[tuple[float, float], ...]
Color = tuple[int, int, int]

INK_THRESHOLD = 40
"""Coverage, of 255, from which a pixel of a mask counts as ink: fainter edges do not widen a box."""
CONTRAST = 120
"""How far, of 255, the luma of a text is from that of its ground, as long as the ground is no mid-grey."""


@dataclass(frozen=True, kw_only=True)
class Ink:
    """One straight line of text as a mask (mode "L") cut to its ink."""

    text: str
    mask: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.mask.size


def draw_ink(text: str, typeface: Typeface, size_px: int, *, shaped: bool) -> Ink:
    """`text` in `typeface` at `size_px` pixels an em, measured: the mask ends where the ink ends."""
    from PIL import Image, ImageDraw

    font = load_font(typeface.path, size_px, shaped=shaped)
    left, top, right, bottom = font.getbbox(text)
    margin = 4
    size = (math.ceil(right - left) + 2 * margin, math.ceil(bottom - top) + 2 * margin)
    canvas = Image.new("L", size, 0)
    ImageDraw.Draw(canvas).text((margin - left, margin - top), text, fill=255, font=font)
    ink_box = canvas.point(lambda value: 255 * (value >= INK_THRESHOLD)).getbbox()
    return Ink(text=text, mask=canvas.crop(ink_box or (0, 0, *size)))


def place_quad(center: tuple[float, float], size: tuple[float, float], angle_deg: float) -> Quad:
    """The corners of a `size` (width, height) rectangle turned clockwise by `angle_deg` about its centre."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    half_w, half_h = size[0] / 2, size[1] / 2
    offsets = ((-half_w, -half_h), (half_w, -half_h), (half_w, half_h), (-half_w, half_h))
    return tuple((center[0] + x * cos - y * sin, center[1] + x * sin + y * cos) for x, y in offsets)


def jitter_quad(rng: Random, quad: Quad, amount: float) -> Quad:
    """`quad` with each corner moved by up to `amount` pixels: a camera that does not face the sign."""
    return tuple((x + rng.uniform(-amount, amount), y + rng.uniform(-amount, amount)) for x, y in quad)


def quad_inside(quad: Quad, size: tuple[int, int], margin: float) -> bool:
    """Whether `quad` keeps `margin` pixels from the edges of an image of `size` (width, height)."""
    width, height = size
    return all(margin <= x <= width - margin and margin <= y <= height - margin for x, y in quad)


def paint_ink(pixels: Pixels, ink: Ink, quad: Quad, color: Color, opacity: float = 1.0) -> None:
    """Paint `ink` onto `pixels`, in place, stretched into `quad`."""
    (rows, columns), local = _window(quad, pixels)
    view = pixels[rows, columns]
    blend(view, warp(ink.mask, local, (view.shape[1], view.shape[0])), color, opacity)


def paint_quad(pixels: Pixels, quad: Quad, color: Color, *, blur: float = 0.0) -> None:
    """Fill `quad` on `pixels`, in place, its edge softened by `blur` pixels."""
    (rows, columns), local = _window(quad, pixels)
    view = pixels[rows, columns]
    blend(view, fill_quad(local, (view.shape[1], view.shape[0]), blur=blur), color)


def quad_is_free(taken: Pixels, quad: Quad) -> bool:
    """Whether no pixel of `quad` is marked in `taken` (height x width)."""
    (rows, columns), local = _window(quad, taken)
    view = taken[rows, columns]
    return not bool((view * fill_quad(local, (view.shape[1], view.shape[0]))).any())


def mark_quad(taken: Pixels, quad: Quad) -> None:
    """Mark the pixels of `quad` in `taken` (height x width), in place."""
    (rows, columns), local = _window(quad, taken)
    view = taken[rows, columns]
    view += fill_quad(local, (view.shape[1], view.shape[0]))


def _window(quad: Quad, pixels: Pixels) -> tuple[tuple[slice, slice], Quad]:
    """The rows and columns of `pixels` around `quad`, and `quad` as seen from there (it is faster)."""
    margin = 4
    height, width = pixels.shape[:2]
    left = min(max(0, math.floor(min(x for x, _ in quad)) - margin), width - 1)
    top = min(max(0, math.floor(min(y for _, y in quad)) - margin), height - 1)
    right = max(left + 1, min(width, math.ceil(max(x for x, _ in quad)) + margin))
    bottom = max(top + 1, min(height, math.ceil(max(y for _, y in quad)) + margin))
    local = tuple((x - left, y - top) for x, y in quad)
    return (slice(top, bottom), slice(left, right)), local


def warp(mask: Image.Image, quad: Quad, size: tuple[int, int]) -> Pixels:
    """`mask` drawn into `quad` on an empty image of `size`: coverage 0 to 1, (height, width)."""
    import numpy as np
    from PIL import Image

    width, height = mask.size
    # A frame of empty pixels: without it the edge pixels of the mask are cut off hard.
    framed = Image.new("L", (width + 2, height + 2), 0)
    framed.paste(mask, (1, 1))
    source = ((1.0, 1.0), (width + 1.0, 1.0), (width + 1.0, height + 1.0), (1.0, height + 1.0))
    data = _homography(quad, source)
    warped = framed.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)
    return np.asarray(warped, dtype=np.float32) / 255


def _homography(target: Quad, source: tuple[tuple[float, float], ...]) -> list[float]:
    """The 8 coefficients (a..h) that take points of `target` to `source`, for Pillow's PERSPECTIVE."""
    import numpy as np

    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    known = np.array(source, dtype=np.float64).reshape(8)
    return [float(value) for value in np.linalg.solve(np.array(rows, dtype=np.float64), known)]


def fill_quad(quad: Quad, size: tuple[int, int], *, blur: float = 0.0) -> Pixels:
    """Coverage 0 to 1, (height, width), of the filled `quad` on an image of `size`."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFilter

    canvas = Image.new("L", size, 0)
    ImageDraw.Draw(canvas).polygon(list(quad), fill=255)
    if blur:
        canvas = canvas.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(canvas, dtype=np.float32) / 255


def blend(pixels: Pixels, coverage: Pixels, color: Color, opacity: float = 1.0) -> None:
    """Paint `color` onto `pixels`, in place, where `coverage` says so."""
    import numpy as np

    alpha = (coverage * opacity)[..., None]
    pixels += alpha * (np.array(color, dtype=np.float32) - pixels)


def readable_color(rng: Random, pixels: Pixels, quad: Quad) -> Color:
    """A colour that stands out against what lies under `quad`: measured, not hoped for."""
    (rows, columns), local = _window(quad, pixels)
    view = pixels[rows, columns]
    gray = luminance(view)[fill_quad(local, (view.shape[1], view.shape[0])) > 0.5]
    around = float(gray.mean()) if gray.size else 128.0
    for _ in range(12):
        color = random_color(rng, 0, 255)
        if abs(float(luminance(color)) - around) >= CONTRAST:
            return color
    return random_color(rng, 0, 30) if around > 120 else random_color(rng, 225, 255)


def random_color(rng: Random, low: int, high: int) -> Color:
    """Three channels, each from `low` to `high`, nearer to grey than to a pure hue."""
    base = rng.randint(low, high)
    spread = rng.choice([4, 20, 90])
    red, green, blue = (max(low, min(high, base + rng.randint(-spread, spread))) for _ in range(3))
    return red, green, blue


def luminance(color: Color | Pixels) -> Pixels:
    """Rec. 601 luma (ITU-R BT.601) of RGB values along the last axis."""
    import numpy as np

    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray(np.asarray(color, dtype=np.float32) @ weights, dtype=np.float32)
