"""How large a picture is, from the first bytes of its file: known before any memory is taken for its pixels."""

from __future__ import annotations

import struct

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame (ITU T.81, table B.1); the three others define tables."""
_MAX_SEGMENTS = 10_000
_ALONE = frozenset([0x01, *range(0xD0, 0xDA)])
"""JPEG's markers without a length."""


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
