"""Reads image files as PaddleOCR does: OpenCV, three channels, upright as EXIF says.

How large a picture is, is known from the first bytes of its file, before any memory is taken for its pixels.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from .errors import reason
from .files import read_regular

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame (ITU T.81, table B.1); the three others define tables."""
_MAX_SEGMENTS = 10_000
_ALONE = frozenset([0x01, *range(0xD0, 0xDA)])
"""JPEG's markers without a length."""


class ImageError(Exception):
    """One image cannot be read or is none; the others of its batch are not touched by that."""


def read_image(path: Path, *, ignore_orientation: bool = False) -> Any:
    """The picture at `path`, BGR uint8 of shape (height, width, 3); raises `ImageError`."""
    try:
        data = read_regular(path)
    except OSError as exc:
        raise ImageError("it cannot be read: %s" % (exc.strerror or exc)) from exc
    return decode_image(data, ignore_orientation=ignore_orientation)


def decode_image(data: bytes, *, ignore_orientation: bool = False) -> Any:
    """The picture in the bytes of a file, BGR uint8 of shape (height, width, 3); raises `ImageError`.

    Grey becomes three equal channels, 16 bits become 8, an alpha channel is dropped: what
    `cv2.imdecode(..., IMREAD_COLOR)` does, which is how PaddleOCR's DecodeImage reads training images.
    """
    import cv2
    import numpy as np

    if not data:
        raise ImageError("the file is empty")
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if ignore_orientation else 0)
    try:
        picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as exc:
        raise ImageError(f"it cannot be decoded: {reason(exc)}") from exc
    if picture is None:
        raise ImageError("it is not an image that OpenCV can decode")
    return picture


def require_picture(picture: Any) -> None:
    """Raise `ImageError` unless `picture` is an array of uint8, (height, width, 3), with at least one pixel."""
    import numpy as np

    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        raise ImageError("it is not an array of 8-bit pixels")
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise ImageError(f"its shape is {picture.shape}, not (height, width, 3)")


def read_image_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a PNG, JPEG, BMP, GIF, WebP or TIFF file; None for any other, or a broken header."""
    for start, read in _READERS:
        if data.startswith(start):
            try:
                size = read(data)
            except (struct.error, IndexError):
                return None
            return size if size and min(size) > 0 else None
    return None


def _png(data: bytes) -> tuple[int, int] | None:
    first, second = struct.unpack(">II", data[16:24])
    return first, second


def _jpeg(data: bytes) -> tuple[int, int] | None:
    place = 2
    for _ in range(_MAX_SEGMENTS):
        # libjpeg looks for the next marker, too.
        if data[place] != 0xFF:
            place = data.find(b"\xff", place)
            if place < 0:
                return None
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        if marker in (0x00, 0xFF):
            place += 1
        elif marker in _ALONE:
            place += 2
        else:
            place += 2 + max(2, struct.unpack(">H", data[place + 2 : place + 4])[0])
    return None


def _bmp(data: bytes) -> tuple[int, int] | None:
    # OS/2's short header.
    if struct.unpack("<I", data[14:18])[0] == 12:
        width, height = struct.unpack("<HH", data[18:22])
        return width, height
    width, height = struct.unpack("<ii", data[18:26])
    # Below zero: from the top down.
    return abs(width), abs(height)


def _gif(data: bytes) -> tuple[int, int] | None:
    first, second = struct.unpack("<HH", data[6:10])
    return first, second


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if data[8:12] != b"WEBP" or len(data) < 30:
        return None
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack("<I", data[21:25])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def _tiff(data: bytes) -> tuple[int, int] | None:
    order = "<" if data[:2] == b"II" else ">"
    place = struct.unpack(order + "I", data[4:8])[0]
    count = struct.unpack(order + "H", data[place : place + 2])[0]
    sides = {}
    for number in range(count):
        entry = data[place + 2 + 12 * number : place + 14 + 12 * number]
        tag, kind = struct.unpack(order + "HH", entry[:4])
        # ImageWidth, ImageLength; SHORT or LONG.
        if tag in (256, 257) and kind in (3, 4):
            sides[tag] = struct.unpack(
                order + ("H" if kind == 3 else "I"), entry[8 : 10 if kind == 3 else 12]
            )[0]
    return (sides[256], sides[257]) if len(sides) == 2 else None


_READERS = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8", _jpeg),
    (b"BM", _bmp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _webp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
)
"""What each format begins with. Of TIFF the 64-bit kind is left out, and its size so not known."""
