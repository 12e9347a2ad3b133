"""The size of a picture from the first bytes of its file."""

from __future__ import annotations

import io
import struct
import time
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ocr_train.ocr_engine.images import read_image_size

PICTURE = Image.new("RGB", (123, 45), "red")
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True, "exif": b"Exif\0\0" + bytes(60_000), "comment": b"\xff\xc0"}),
    ("BMP", {}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"exif": b"Exif\0\0" + bytes(20)}),
]


def written(kind: str, **options: Any) -> bytes:
    """The picture as a file of this kind."""
    stream = io.BytesIO()
    PICTURE.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_the_size_is_read_from_the_header(kind: str, options: dict[str, Any]) -> None:
    """Of every format that the guide names, as Pillow writes them."""
    assert read_image_size(written(kind, **options)) == (123, 45)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp"])
def test_it_is_the_size_that_opencv_decodes(suffix: str) -> None:
    """As OpenCV writes them."""
    data = cv2.imencode(suffix, np.zeros((45, 123, 3), np.uint8))[1].tobytes()
    assert read_image_size(data) == (123, 45)


def test_a_bitmap_from_the_top_down_and_one_of_os2() -> None:
    """A height below zero, and the short header."""
    head = b"BM" + bytes(12)
    assert read_image_size(head + struct.pack("<Iii", 40, 7, -9) + bytes(30)) == (7, 9)
    assert read_image_size(head + struct.pack("<IHH", 12, 7, 9)) == (7, 9)


@pytest.mark.parametrize(
    "data", [b"", b"BM", b"\xff\xd8", b"\xff\xd8\xff", b"P6 9 9 255\n", b"RIFF1234WAVEfmt "]
)
def test_what_is_not_known_is_none(data: bytes) -> None:
    """Another format, or too few bytes."""
    assert read_image_size(data) is None


@given(st.sampled_from(KINDS), st.integers(0, 200), st.binary(max_size=6))
def test_broken_headers_never_raise(kind: tuple[str, dict[str, Any]], place: int, new: bytes) -> None:
    """A size or none."""
    data = written(kind[0], **kind[1])
    size = read_image_size(data[:place] + new + data[place + len(new) :])
    assert size is None or min(size) > 0
    assert read_image_size(data[:place]) in (None, (123, 45))


def test_a_header_without_end_costs_no_time() -> None:
    """Fifty megabytes of fill bytes, or of empty segments."""
    start = time.monotonic()
    for filler in (b"\xff", b"\xff\xe0\0\x02"):
        assert read_image_size(b"\xff\xd8" + filler * (50_000_000 // len(filler))) is None
    assert time.monotonic() - start < 2
