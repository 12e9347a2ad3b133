"""Headers of plain JPEG and PNG files, read without Pillow: the same size as Pillow's, or no answer."""

from __future__ import annotations

import io
import warnings
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ocr_train.data.checks.image_headers import plain_size

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 80, 3), dtype=np.uint8)


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    """A picture of 80x40 pixels as Pillow writes it."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, kind, **options)
    return file.getvalue()


def size_of(data: bytes) -> tuple[int, int] | None:
    """What is known of a file of these bytes."""
    return plain_size(data[:16384], data[-64:])


def pillow_size(data: bytes) -> tuple[int, int] | None:
    """The size by Pillow, None where it opens nothing."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")
            return image.width, image.height
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything on broken files
        return None


def exif() -> Image.Exif:
    """A picture to be turned."""
    found = Image.Exif()
    found[0x0112] = 6
    return found


def comment() -> PngImagePlugin.PngInfo:
    """A PNG with a text."""
    found = PngImagePlugin.PngInfo()
    found.add_text("Comment", "a")
    return found


PLAIN = {
    "jpeg": encoded("JPEG"),
    "grey jpeg": encoded("JPEG", "L"),
    "progressive jpeg": encoded("JPEG", progressive=True, optimize=True),
    "jpeg with a comment": encoded("JPEG", comment=b"a"),
    "jpeg of opencv": cv2.imencode(".jpg", PIXELS)[1].tobytes(),
    "png": encoded("PNG"),
    "grey png": encoded("PNG", "L"),
    "png of one bit": encoded("PNG", "1"),
    "png with transparency": encoded("PNG", "RGBA"),
    "png with a resolution": encoded("PNG", dpi=(300, 300)),
    "png of opencv": cv2.imencode(".png", PIXELS)[1].tobytes(),
}
OTHERS = {
    "cmyk jpeg": encoded("JPEG", "CMYK"),
    "turned jpeg": encoded("JPEG", exif=exif()),
    "turned png": encoded("PNG", exif=exif()),
    "png with a text": encoded("PNG", pnginfo=comment()),
    "bmp": encoded("BMP"),
    "webp": encoded("WEBP"),
    "gif": encoded("GIF"),
    "nothing": b"",
    "text": b"0.jpg\tabc\n",
}


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_the_size_of_a_plain_image_is_known(data: bytes) -> None:
    """Width first."""
    assert size_of(data) == (80, 40)


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_nothing_is_said_of_other_images(data: bytes) -> None:
    """They may be turned, or OpenCV may not read them."""
    assert size_of(data) is None


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("part", [0.99, 0.5, 0.02])
def test_nothing_is_said_of_an_image_that_is_cut_off(data: bytes, part: float) -> None:
    """PaddleOCR would train on half of it."""
    assert size_of(data[: int(len(data) * part)]) is None


@pytest.mark.parametrize("data", [PLAIN["jpeg"], PLAIN["png"]], ids=["jpeg", "png"])
def test_nothing_is_said_where_the_header_goes_on(data: bytes) -> None:
    """Only a part of the file is read."""
    for length in range(30):
        assert plain_size(data[:length], data[-64:]) is None


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_a_mutated_header_gives_the_size_of_pillow_or_none(data: bytes) -> None:
    """Each byte of the header in turn, as a bad disk or a bad upload changes it."""
    generator = np.random.default_rng(1)
    for place in range(min(len(data), 700)):
        broken = bytearray(data)
        broken[place] ^= int(generator.integers(1, 256))
        assert size_of(bytes(broken)) in (None, pillow_size(bytes(broken)))
