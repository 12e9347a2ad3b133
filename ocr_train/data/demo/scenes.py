"""Backgrounds and camera faults for the demo set: paper, walls, light, blur, noise, JPEG."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from ocr_train.data.demo.lines import blend, random_color

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ocr_train.data.demo.lines import Pixels


def noise_source(rng: Random) -> np.random.Generator:
    """A NumPy generator that depends on `rng` alone."""
    import numpy as np

    return np.random.default_rng(rng.getrandbits(64))


def paper(rng: Random, size: tuple[int, int]) -> Pixels:
    """A light sheet of `size` (width, height): a tint, uneven light, fibres."""
    pixels = _gradient(rng, size, low=190, high=255)
    pixels += _clouds(rng, size, cells=rng.choice([3, 6, 12]), strength=rng.uniform(1, 8))
    pixels += _grain(rng, size, rng.uniform(0.5, 3))
    return pixels


def wall(rng: Random, size: tuple[int, int]) -> Pixels:
    """A wall, a board or a machine of `size` (width, height): any colour, with blobs, out of focus."""
    low = rng.choice([0, 40, 90, 150])
    pixels = _gradient(rng, size, low=low, high=low + 105)
    _add_blobs(rng, pixels, count=rng.randint(0, 7))
    pixels += _clouds(rng, size, cells=rng.choice([4, 9, 24]), strength=rng.uniform(2, 14))
    pixels += _grain(rng, size, rng.uniform(0.5, 4))
    return pixels


def photograph(rng: Random, pixels: Pixels, *, max_blur: float) -> Pixels:
    """What a camera or a scanner adds to `pixels`: shade, blur up to `max_blur` pixels, sensor noise."""
    import numpy as np
    from PIL import Image, ImageFilter

    height, width = pixels.shape[:2]
    lit = pixels * _ramp(rng, (width, height), rng.uniform(0.72, 1.0), rng.uniform(0.9, 1.08))[..., None]
    image = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, max_blur)))
    shot = np.asarray(image, dtype=np.float32)
    sigma = rng.choice([0.0, rng.uniform(1, 5), rng.uniform(4, 10)])
    shot = shot + noise_source(rng).normal(0, sigma, shot.shape).astype(np.float32)
    return np.clip(shot, 0, 255)


def save_jpeg(rng: Random, pixels: Pixels, path: Path, *, turned: bool = False) -> None:
    """Write `pixels` to `path` as JPEG of a random quality, upside down if `turned`."""
    import numpy as np
    from PIL import Image

    if turned:
        pixels = np.ascontiguousarray(pixels[::-1, ::-1])
    image = Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))
    image.save(path, "JPEG", quality=rng.randint(55, 95))


def _ramp(rng: Random, size: tuple[int, int], start: float, end: float) -> Pixels:
    """Values from `start` to `end` along a random direction."""
    import numpy as np

    width, height = size
    turn = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.float32(np.cos(turn))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(np.sin(turn))
    share = (x + y + 1.4143) / 2.8286
    return (start + (end - start) * share).astype(np.float32)


def _gradient(rng: Random, size: tuple[int, int], *, low: int, high: int) -> Pixels:
    import numpy as np

    first, second = (np.array(random_color(rng, low, high), dtype=np.float32) for _ in range(2))
    share = _ramp(rng, size, 0.0, rng.choice([0.15, 0.5, 1.0]))[..., None]
    return (first + (second - first) * share).astype(np.float32)


def _clouds(rng: Random, size: tuple[int, int], *, cells: int, strength: float) -> Pixels:
    """Smooth grey noise of `cells` patches a side and standard deviation `strength`."""
    import numpy as np
    from PIL import Image

    coarse = noise_source(rng).normal(0, strength, (cells, cells)).astype(np.float32)
    fine = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(fine, dtype=np.float32)[..., None]


def _grain(rng: Random, size: tuple[int, int], sigma: float) -> Pixels:
    import numpy as np

    return noise_source(rng).normal(0, sigma, (size[1], size[0], 1)).astype(np.float32)


def _add_blobs(rng: Random, pixels: Pixels, *, count: int) -> None:
    """Paint `count` soft ellipses and bars: the things around a text that are no text."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFilter

    height, width = pixels.shape[:2]
    for _ in range(count):
        canvas = Image.new("L", (width, height), 0)
        x, y = rng.uniform(-0.2, 0.9) * width, rng.uniform(-0.2, 0.9) * height
        box = (x, y, x + rng.uniform(0.05, 0.6) * width, y + rng.uniform(0.05, 0.6) * height)
        draw = ImageDraw.Draw(canvas)
        rng.choice([draw.ellipse, draw.rectangle])(box, fill=255)
        soft = canvas.filter(ImageFilter.GaussianBlur(rng.choice([1, 3, 8])))
        coverage = np.asarray(soft, dtype=np.float32) / 255
        blend(pixels, coverage, random_color(rng, 0, 255), rng.uniform(0.15, 0.6))
