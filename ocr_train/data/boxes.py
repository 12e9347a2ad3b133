"""Reads the boxes of detection labels as other tools really wrote them.

PPOCRLabel's output carries transcriptions as a list `["K1976", 0.9]`, a `difficult` key that PaddleOCR never
reads, and points as decimals. What can be understood is; the rest is counted under a kind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ocr_train.data.difficult import AUTO, KEEP, counts_as_difficult, text_of_difficult
from ocr_train.data.formats.conversion import one_line
from ocr_train.data.labels import Box, Point

_LARGEST_COORDINATE = 1e6


@dataclass(frozen=True, kw_only=True)
class BoxList:
    """The `boxes` of one label with their place in the list (`numbers`, from 0), how many were `lost` by kind
    ("bad_json", "bad_box", "bad_points", "bad_text"), and how many are `difficult`."""

    boxes: tuple[Box, ...]
    numbers: tuple[int, ...]
    lost: Mapping[str, int] = field(default_factory=dict)
    difficult: int = 0


def read_boxes(label: str, *, difficult: str = AUTO) -> BoxList:
    """Read a detection label. A box that is `difficult` keeps its text or becomes `###`, as `difficult` says
    (`ocr_train.data.difficult`); a transcription that is a list gives its first element."""
    try:
        items = json.loads(label)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        return BoxList(boxes=(), numbers=(), lost={"bad_json": 1})
    boxes: dict[int, Box] = {}
    lost: Counter[str] = Counter()
    count = 0
    for number, item in enumerate(items):
        box = _read_box(item)
        if isinstance(box, str):
            lost[box] += 1
            continue
        if counts_as_difficult(box.transcription, item.get("difficult")):
            count += 1
            text = text_of_difficult(box.transcription, difficult, usual=KEEP)
            box = replace(box, transcription=text)
        boxes[number] = box
    return BoxList(boxes=tuple(boxes.values()), numbers=tuple(boxes), lost=dict(lost), difficult=count)


def _read_box(item: Any) -> Box | str:
    """The box, or the kind of problem with it."""
    if not isinstance(item, dict):
        return "bad_box"
    points = read_points(item.get("points"), at_least=4)
    if points is None:
        return "bad_points"
    value = item.get("transcription")
    first = value[0] if isinstance(value, list) and value else value
    text = one_line(first) if isinstance(first, str) else None
    return "bad_text" if text is None else Box(transcription=text, points=points)


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
