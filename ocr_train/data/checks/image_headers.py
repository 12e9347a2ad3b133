"""The size of a plain JPEG or PNG, by the first bytes of its file.

Pillow takes 100 µs to read a header, and a million crops have one each. What nearly all of them are is read here in some
microseconds: a header of nothing but the usual parts, whole, with sums that are right, and a file that ends as it should. Of
whatever else there is (EXIF, MPO, CMYK, text in a PNG, damage) nothing is said: Pillow is asked then.
"""

from __future__ import annotations

import zlib

Size = tuple[int, int]

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_DQT, _SOS = 0xDB, 0xDA
_SOF = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive: what the others are OpenCV may not read."""
_OTHER_PARTS = {0xE0: 16, 0xC4: 2, 0xDD: 2, 0xFE: 2}
"""JFIF, Huffman tables, restart interval and comment, and how many bytes they have at least."""
_NEVER = 1 << 16
_TABLE_BYTES = 65
"""A table of 8-bit values with its number."""

_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_IHDR_END = 33
_PNG_MODES = frozenset(
    [(depth, 0) for depth in (1, 2, 4, 8, 16)]
    + [(depth, 3) for depth in (1, 2, 4, 8)]
    + [(depth, kind) for depth in (8, 16) for kind in (2, 4, 6)]
)
"""Depth and kind of colour, as the format has them."""
_PNG_PARTS = {b"sRGB": 1, b"gAMA": 4, b"pHYs": 9, b"cHRM": 32}
"""Parts that say nothing of what is asked here, and their lengths."""


def plain_size(head: bytes, tail: bytes) -> Size | None:
    """Width and height in pixels of the image whose file begins with `head` and ends with `tail` (12 bytes or more);
    None where it is not a plain and whole JPEG or PNG."""
    try:
        if head.startswith(_JPEG_START):
            return _jpeg_size(head) if tail.endswith(_JPEG_END) else None
        if head.startswith(_PNG_START):
            return _png_size(head) if b"IEND" in tail[-12:] else None
    except IndexError:
        # The header goes on behind `head`.
        pass
    return None


def _jpeg_size(head: bytes) -> Size | None:
    size: Size | None = None
    at = 2
    while head[at] == 0xFF:
        marker, length = head[at + 1], head[at + 2] << 8 | head[at + 3]
        end = at + 2 + length
        if end > len(head):
            return None
        if marker == _SOS:
            return size if size and all(size) else None
        if marker in _SOF:
            usual = head[at + 4] == 8 and (length, head[at + 9]) in ((11, 1), (17, 3)) and size is None
            size = head[at + 7] << 8 | head[at + 8], head[at + 5] << 8 | head[at + 6]
        elif marker == _DQT:
            usual = (length - 2) % _TABLE_BYTES == 0 and max(head[at + 4 : end : _TABLE_BYTES], default=0) < 4
        else:
            usual = length >= _OTHER_PARTS.get(marker, _NEVER)
        if not usual:
            return None
        at = end
    return None


def _png_size(head: bytes) -> Size | None:
    if (
        (head[24], head[25]) not in _PNG_MODES
        or any(head[26:28])
        or head[28] > 1
        or not _sum_is_right(head, 8, 13)
    ):
        return None
    at = _IHDR_END
    while (name := head[at + 4 : at + 8]) != b"IDAT":
        length = int.from_bytes(head[at : at + 4], "big")
        if _PNG_PARTS.get(name) != length or not _sum_is_right(head, at, length):
            return None
        at += length + 12
    size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return size if all(size) else None


def _sum_is_right(head: bytes, at: int, length: int) -> bool:
    """Whether the part at `at` has the CRC that is written behind it."""
    end = at + 8 + length
    return zlib.crc32(head[at + 4 : end]) == int.from_bytes(head[end : end + 4], "big")
