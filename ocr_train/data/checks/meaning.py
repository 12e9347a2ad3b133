"""What a label says, whatever its spelling: by this, two labels of the same image agree or not."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ocr_train.data.checks.detection import parse_boxes
from ocr_train.data.checks.recognition import text_for_trainer
from ocr_train.data.labels import Box, LabelLine, TableLine


def label_meaning(task: str, label: str, boxes: Sequence[Box]) -> object:
    """The text as the trainer reads it; `boxes`, as they were read of the label, in any order; a table's `html`; the JSON
    of a KIE label. What can be compared and has a hash; a label that is broken is compared as it is written."""
    if task in ("rec", "cls"):
        return text_for_trainer(label)
    if task == "det":
        return _of_boxes(boxes)
    try:
        value = json.loads(label)
        return _frozen(value.get("html") if task == "table" and isinstance(value, dict) else value)
    except (ValueError, RecursionError):
        return label


def line_meaning(line: LabelLine, *, detection: bool) -> object:
    """The same, where no task is known: `detection` says that labels are lists of boxes, or tables."""
    if isinstance(line, TableLine):
        return label_meaning("table", line.label, ())
    return _of_boxes(parse_boxes(line.label)[0]) if detection else text_for_trainer(line.label)


def _of_boxes(boxes: Sequence[Box]) -> object:
    return tuple(sorted(map(hash, boxes)))


def _frozen(value: object) -> object:
    """A JSON value that has a hash: objects are sets of pairs, 1.0 is 1."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(inner)) for key, inner in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
