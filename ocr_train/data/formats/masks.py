"""Masks of segmentation tools as outlines: run lengths, and arrays of pixels.

| tool | run lengths |
|---|---|
| COCO | `{"size": [height, width], "counts": ...}`, down the columns from the first one, the first run outside; a list, or text with 5 bits a character (pycocotools `maskApi.c`) |
| CVAT | `rle="3, 5, ..."` along the rows of the rectangle `left`, `top`, `width`, `height`, the first run outside |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocr_train.data.formats.regions import as_region, smallest_rectangle
from ocr_train.data.labels import Point

MOST_PIXELS = 200_000_000
_MOST_RUNS = 5_000_000


def outline_of_coco(segmentation: Any) -> list[Point] | None:
    """The outline of a COCO mask; None where it is not one, or nothing is inside."""
    if not isinstance(segmentation, dict):
        return None
    size = segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(side, int) for side in size):
        return None
    counts = segmentation.get("counts")
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    mask = _decode(runs, int(size[0]), int(size[1]))
    if mask is None:
        return None
    first, columns = mask
    return outline_of_mask(columns.T, first, 0)


def outline_of_cvat(given: Mapping[str, str]) -> list[Point] | None:
    """The outline of a CVAT mask by the attributes of its element; None where they are none, or nothing is inside."""
    try:
        left, top, width, height = (int(float(given[name])) for name in ("left", "top", "width", "height"))
        runs = [int(run) for run in given.get("rle", "").split(",")]
    except (KeyError, ValueError, OverflowError):
        return None
    mask = _decode(runs, width, height)
    if mask is None:
        return None
    first, rows = mask
    return outline_of_mask(rows, left, top + first)


def _unpacked(text: str) -> list[int]:
    """The runs of COCO's text form: 5 bits a character, the lowest first, from the third run on as the difference to the
    one before the last. None of it where it is broken off."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20 and shift < 60:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


def _decode(runs: Any, length: int, lines: int) -> tuple[int, Any] | None:
    """Of a mask of `lines` lines of `length` pixels the lines that have something inside, and the first one's number.

    None where the runs are not exactly as long as the mask, it is too large, or nothing is inside.
    """
    import numpy as np

    if not isinstance(runs, list) or not 0 < len(runs) <= _MOST_RUNS:
        return None
    if length < 1 or lines < 1 or length * lines > MOST_PIXELS:
        return None
    if not all(isinstance(run, int) and 0 <= run <= MOST_PIXELS for run in runs):
        return None
    ends = np.cumsum(np.array(runs, dtype=np.int64))
    if ends[-1] != length * lines or len(runs) < 2:
        return None
    inside = np.flatnonzero(np.array(runs[1::2])) * 2 + 1
    if not len(inside):
        return None
    first = int(ends[inside[0] - 1]) // length
    last = int(ends[inside[-1]] - 1) // length
    # Each pixel is inside where an odd number of runs has ended before it.
    bounds = np.clip(ends, first * length, (last + 1) * length)
    values = np.arange(len(runs)) % 2
    pixels = np.repeat(values.astype(np.uint8), np.diff(bounds, prepend=first * length))
    return first, pixels.reshape(last - first + 1, length)


def outline_of_mask(mask: Any, left: float, top: float) -> list[Point] | None:
    """The outline of what is not 0 in a (height, width) array whose first pixel is at `left`, `top`; where that falls into
    several parts, the smallest rectangle around them. None where everything is 0."""
    import cv2
    import numpy as np

    filled = np.ascontiguousarray(mask > 0, dtype=np.uint8)
    parts, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not parts:
        return None
    shift = (round(left), round(top))
    outline = _points([cv2.approxPolyDP(parts[0], 1.0, closed=True)], shift)
    if len(parts) > 1 or len(outline) < 4:
        return smallest_rectangle(_points(parts, shift))
    return as_region(outline)


def _points(parts: Sequence[Any], shift: tuple[int, int]) -> list[Point]:
    return [(float(x), float(y)) for part in parts for x, y in part[:, 0] + shift]
