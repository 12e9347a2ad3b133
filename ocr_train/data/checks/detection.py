"""Checks of one detection label: its JSON, its boxes, and their place in the image."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ocr_train.data.boxes import read_points
from ocr_train.data.checks.json_trouble import json_trouble, name_of_json
from ocr_train.data.checks.problems import Finding
from ocr_train.data.checks.recognition import (
    INVISIBLE,
    PLACEHOLDERS,
    SPACES,
    escape,
    invisible_characters,
    placeholder,
    surrounding_spaces,
)
from ocr_train.data.difficult import AUTO, KEEP, counts_as_difficult, hint_of_difficult, text_of_difficult
from ocr_train.data.labels import Box, Point, corner_turns, shorten

EDGE_TOLERANCE_PX = 2.0
"""How far outside the image a point may lie to count as a slip of the hand, which PaddleOCR clips away."""

MIN_AREA_PX = 1.0
"""PaddleOCR ignores smaller boxes (`MakeShrinkMap.validate_polygons`)."""


def parse_boxes(label: str, *, difficult: str = AUTO) -> tuple[list[Box], list[Finding]]:
    """Read a detection label: the boxes that can be read, fixed where that is safe, and every problem.

    Fixed: counter-clockwise points are turned clockwise from the same first point, transcriptions are
    stripped; boxes with the key `difficult`, as PPOCRLabel writes it, are kept or ignored as `difficult` says
    (`ocr_train.data.difficult`). Never raises, whatever `label` is.
    """
    first, tab, _ = label.partition("\t")
    findings = []
    if tab:
        hint = "PaddleOCR reads only up to the first tab of a label: remove the rest"
        findings.append(Finding("extra_tab", escape(label), hint))
    try:
        items = json.loads(first)
    except (ValueError, RecursionError) as exc:
        trouble = json_trouble(first, shorten(str(exc)))
        return [], [*findings, Finding("bad_json", escape(label), trouble)]
    if not isinstance(items, list):
        hint = f"{name_of_json(items)}; put the boxes into a list: [...]"
        return [], [*findings, Finding("not_a_list", escape(first), hint)]
    boxes = []
    for index, item in enumerate(items):
        box, problems = _parse_box(item, f"box {index + 1}", difficult)
        findings += problems
        if box is not None:
            boxes.append(box)
    return boxes, findings + _whole_label(items, boxes)


def _whole_label(items: Sequence[object], boxes: Sequence[Box]) -> list[Finding]:
    if not items:
        hint = "PaddleOCR does not train on images without boxes; the line is left out"
        return [Finding("no_boxes", "[]", hint)]
    if len(boxes) == len(items) and all(box.ignored for box in boxes):
        hint = "every box is '*' or '###': nothing is learned from this image"
        return [Finding("all_ignored", f"{len(boxes)} boxes", hint)]
    return []


def as_empty_page(finding: Finding) -> Finding:
    """What an image without boxes is where such pages are trained on."""
    if finding.kind != "no_boxes":
        return finding
    return Finding(
        "empty_page", finding.value, "trained on as a page without text, as asked (empty_pages=true)"
    )


def _parse_box(item: object, name: str, difficult: str) -> tuple[Box | None, list[Finding]]:
    if not isinstance(item, dict):
        hint = f'{name} is not an object; write {{"transcription": "...", "points": [...]}}'
        return None, [Finding("not_a_box", _show(item), hint)]
    text, findings = _transcription(item, name)
    points, more = _points(item, name)
    findings += more
    if points is None:
        return None, findings
    kind = outline_kind(points) or ("upside_down" if _is_upside_down(points) else "")
    if kind:
        findings.append(Finding(kind, _show(points), f"{name} {_OUTLINE_HINTS[kind]}"))
    if kind == "counter_clockwise":
        points = (points[0], *reversed(points[1:]))
    text = text or ""
    if counts_as_difficult(text, item.get("difficult")):
        findings.append(Finding("difficult", escape(text), hint_of_difficult(difficult, usual=KEEP)))
        text = text_of_difficult(text, difficult, usual=KEEP)
    return Box(transcription=text, points=points), findings


def _transcription(item: dict[str, object], name: str) -> tuple[str | None, list[Finding]]:
    if "transcription" not in item:
        hint = f'add "transcription" to {name} ("###" for text that cannot be read)'
        return None, [Finding("transcription_missing", _show(item), hint)]
    value = item["transcription"]
    if not isinstance(value, str):
        fix = f"write {value[0]!r}" if isinstance(value, list) and value and isinstance(value[0], str) else ""
        hint = f"{name} has {name_of_json(value)} for a transcription; {fix or 'write the text'}"
        return None, [Finding("transcription_not_text", _show(value), shorten(hint, 200))]
    return value.strip(SPACES), _text_notes(value)


def _text_notes(value: str) -> list[Finding]:
    text = value.strip(SPACES)
    findings = []
    if not text:
        findings.append(Finding("empty_text", escape(value), "type the text; '###' if it cannot be read"))
    elif text != value:
        findings.append(surrounding_spaces(value))
    if text in PLACEHOLDERS:
        findings.append(placeholder(text))
    if INVISIBLE.search(text):
        findings += invisible_characters(text)
    return findings


def _points(item: dict[str, object], name: str) -> tuple[tuple[Point, ...] | None, list[Finding]]:
    if "points" not in item:
        return None, [Finding("points_missing", _show(item), f'add "points" to {name}: 4 corners or more')]
    points = read_points(item["points"], at_least=0)
    if points is None:
        hint = f"{name} needs points like [[x, y], ...], each a finite number of pixels"
        return None, [Finding("points_not_numbers", _show(item["points"]), hint)]
    if len(points) < 4:
        hint = f"{name} has {len(points)} points; give at least 4 corners, clockwise from the top left"
        return None, [Finding("too_few_points", _show(item["points"]), hint)]
    return points, []


_OUTLINE_HINTS = {
    "zero_area": "covers less than a pixel; draw it again or remove it",
    "self_intersecting": "has an outline that crosses itself; put its corners in clockwise order",
    "counter_clockwise": "runs counter-clockwise; it is turned for training",
    "upside_down": "begins at its bottom right, as of a text that hangs upside down; where nothing hangs so, the tool "
    "begins at another corner than PaddleOCR, and crops come out turned: begin at the text's top left",
}


def outline_kind(points: Sequence[Point]) -> str:
    """What is wrong with an outline of 4 points or more: a key of `_OUTLINE_HINTS`, or nothing.

    shapely decides whether it crosses itself, as it does where PaddleOCR scores a box.
    """
    if len(points) == 4 and min(corner_turns(points)) >= 2 * MIN_AREA_PX:
        # Convex, clockwise and large enough, as nearly all boxes are: no need to ask.
        return ""
    from shapely import Polygon  # type: ignore[import-untyped]

    polygon = Polygon(points)
    valid = polygon.is_valid
    # Corners on one line are not valid either: their hull has no area.
    if (polygon if valid else polygon.convex_hull).area < MIN_AREA_PX:
        return "zero_area"
    if not valid:
        return "self_intersecting"
    # y points down: clockwise for us is counter-clockwise for shapely.
    return "" if polygon.exterior.is_ccw else "counter_clockwise"


def _is_upside_down(points: Sequence[Point]) -> bool:
    """Whether the first side of a quadrilateral, the text's top, goes to the left, within 45 degrees."""
    (left, top), (right, bottom) = points[:2]
    return len(points) == 4 and left - right > abs(bottom - top)


def check_place(boxes: Sequence[Box], width: int, height: int) -> list[Finding]:
    """Which boxes leave an image of `width` x `height` pixels, as OpenCV decodes it (EXIF rotation
    applied)."""
    findings = []
    for box in boxes:
        over = max(max(-x, x - width, -y, y - height) for x, y in box.points)
        if over <= 0:
            continue
        where = f"{_show(box.transcription)} is up to {over:g} px outside the {width}x{height} image"
        if over <= EDGE_TOLERANCE_PX:
            findings.append(Finding("edge_clipped", _show(box.points), f"{where}: PaddleOCR clips it"))
        else:
            hint = f"{where}: draw it again (was the image resized or rotated after labelling?)"
            findings.append(Finding("outside_image", _show(box.points), hint))
    return findings


def _show(value: object) -> str:
    if isinstance(value, tuple):
        value = [[int(x) if float(x).is_integer() else x for x in point] for point in value]
    try:
        return escape(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        return escape(type(value).__name__)
