"""Reads the boxes of detection labels as other tools really wrote them.

PPOCRLabel's output carries transcriptions as a list `["K1976", 0.9]`, a `difficult` key that PaddleOCR never
reads, and points as decimals. What can be understood is; the rest is counted under a kind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocr_train.data.formats.conversion import one_line
from ocr_train.data.labels import Box, Point

_LARGEST_COORDINATE = 1e6


@dataclass(frozen=True, kw_only=True)
class BoxList:
    """The `boxes` of one label with their place in the list (`numbers`, from 0), how many were `lost` by kind
    ("bad_json", "bad_box", "bad_points", "bad_text"), and how many were mended by kind ("list_text",
    "difficult")."""

    boxes: tuple[Box, ...]
    numbers: tuple[int, ...]
    lost: Mapping[str, int] = field(default_factory=dict)
    mended: Mapping[str, int] = field(default_factory=dict)


def read_boxes(label: str) -> BoxList:
    """Read a detection label. A box that is `difficult` gets the transcription `###`, which is what PaddleOCR
    understands; a transcription that is a list gives its first element."""
    try:
        items = json.loads(label)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        return BoxList(boxes=(), numbers=(), lost={"bad_json": 1})
    boxes: list[Box] = []
    numbers: list[int] = []
    lost: Counter[str] = Counter()
    mended: Counter[str] = Counter()
    for number, item in enumerate(items):
        box = _read_box(item, mended)
        if isinstance(box, Box):
            boxes.append(box)
            numbers.append(number)
        else:
            lost[box] += 1
    return BoxList(boxes=tuple(boxes), numbers=tuple(numbers), lost=dict(lost), mended=dict(mended))


def _read_box(item: object, mended: Counter[str]) -> Box | str:
    """The box, or the kind of problem with it."""
    if not isinstance(item, dict):
        return "bad_box"
    points = read_points(item.get("points"), at_least=4)
    if points is None:
        return "bad_points"
    text, listed = _read_text(item.get("transcription"))
    if text is None:
        return "bad_text"
    mended["list_text"] += listed
    if item.get("difficult") is True and text not in ("*", "###"):
        mended["difficult"] += 1
        text = "###"
    return Box(transcription=text, points=points)


def _read_text(value: object) -> tuple[str | None, bool]:
    listed = isinstance(value, list) and bool(value)
    first = value[0] if isinstance(value, list) and value else value
    return (one_line(first) if isinstance(first, str) else None), listed


def read_points(value: Any, *, at_least: int) -> tuple[Point, ...] | None:
    """So many pairs of finite numbers or more, else None."""
    if not isinstance(value, list) or len(value) < at_least:
        return None
    for point in value:
        if not isinstance(point, list) or len(point) != 2:
            return None
        for number in point:
            good = isinstance(number, int | float) and not isinstance(number, bool)
            # NaN fails the comparison, too.
            if not good or not abs(number) <= _LARGEST_COORDINATE:
                return None
    return tuple((float(x), float(y)) for x, y in value)
