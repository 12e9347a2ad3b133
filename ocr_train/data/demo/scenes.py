"""Backgrounds and camera faults for the demo set: paper, walls, light, blur, noise."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

Color = tuple[int, int, int]
_UNIFORM_SIGMA = 73.9
"""The standard deviation of bytes that are all equally likely."""


def random_color(rng: Random, low: int, high: int) -> Color:
    """Three channels, each from `low` to `high`, nearer to grey than to a pure hue."""
    base, spread = rng.randint(low, high), rng.choice([4, 20, 90])
    red, green, blue = (max(low, min(high, base + rng.randint(-spread, spread))) for _ in range(3))
    return red, green, blue


def paper(rng: Random, size: tuple[int, int]) -> Image.Image:
    """A light sheet of `size` (width, height): a tint, uneven light, fibres."""
    sheet = _gradient(rng, size, random_color(rng, 190, 255), random_color(rng, 190, 255))
    cells = rng.choice([3, 6, 12])
    sheet = _with_noise(rng, sheet, rng.uniform(1, 8), cells=(cells, cells))
    return _with_noise(rng, sheet, rng.uniform(0.5, 3))


def wall(rng: Random, size: tuple[int, int]) -> Image.Image:
    """A wall, a board or a machine of `size` (width, height): any colour, with blobs, out of focus."""
    from PIL import ImageDraw, ImageFilter

    low = rng.choice([0, 40, 90, 150])
    view = _gradient(rng, size, random_color(rng, low, low + 105), random_color(rng, low, low + 105))
    # In the mode "RGBA" Pillow lays a half transparent colour over what is there.
    pen = ImageDraw.Draw(view, "RGBA")
    for _ in range(rng.randint(0, 7)):
        x, y = rng.uniform(-0.2, 0.9) * size[0], rng.uniform(-0.2, 0.9) * size[1]
        box = (x, y, x + rng.uniform(0.05, 0.6) * size[0], y + rng.uniform(0.05, 0.6) * size[1])
        rng.choice([pen.ellipse, pen.rectangle])(box, fill=(*random_color(rng, 0, 255), rng.randint(40, 150)))
    view = view.filter(ImageFilter.GaussianBlur(rng.choice([1, 3, 8])))
    cells = rng.choice([4, 9, 24])
    view = _with_noise(rng, view, rng.uniform(2, 14), cells=(cells, cells))
    return _with_noise(rng, view, rng.uniform(0.5, 4))


def photograph(rng: Random, image: Image.Image, *, max_blur: float) -> Image.Image:
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
