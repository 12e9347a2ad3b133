"""Checks of one line of labels for key information (KIE): boxes with a text, a class, and links between them.

    a.jpg<TAB>[{"transcription": "Total", "label": "question", "points": [[x, y], ...], "id": 1, "linking": [[1, 2]]}, ...]

Format: PaddleOCR's XFUND sets, as `VQATokenLabelEncode` and `KieLabelEncode` of `ppocr/data/imaug/label_ops.py` read them
(2.10). `id` and `linking` are for models of relations (RE). PPOCRLabel's KIE mode writes the class as `key_cls`: the copy
that the trainer reads has it as `label`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.data.checks.detection import check_place, parse_boxes
from ocr_train.data.checks.problems import Finding
from ocr_train.data.checks.tables import quoted_value
from ocr_train.data.labels import Box

NO_CLASS = frozenset({"OTHER", "OTHERS", "IGNORE"})
"""What PaddleOCR takes for no class, in any case of the letters, where tokens are labelled (SER, RE)."""
UNSET = "None"
"""PPOCRLabel's `key_cls` of a box whose key nobody has chosen."""
_OF_DETECTION = frozenset({"all_ignored", "counter_clockwise", "difficult", "surrounding_spaces"})
"""What detection's check says of its own copy for the trainer; here the labels are passed on as they are."""
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class KieRules:
    """What a model can learn; what is None is not checked.

    `classes` are those of its class list, upper-case where `of_tokens` (SER and RE do not tell cases apart).
    `linked` says whether `id` and `linking` are read: None where that is not known, and they are checked where they are.
    """

    classes: frozenset[str] | None = None
    of_tokens: bool = False
    linked: bool | None = None


def check_kie(
    label: str, rules: KieRules, sizes: Sequence[tuple[int, int]]
) -> tuple[list[Box], list[Finding]]:
    """The boxes, and every problem of the label; `sizes` are (width, height) of its images in pixels. Never raises."""
    boxes, found = parse_boxes(label)
    findings = [one for one in found if one.kind not in _OF_DETECTION]
    for size in sizes:
        findings += [one for one in check_place(boxes, *size) if one.kind == "outside_image"]
    items = _items(label)
    for number, item in enumerate(items, start=1):
        findings += _class(item, number, rules)
    linked = rules.linked if rules.linked is not None else any("linking" in item for item in items)
    return boxes, findings + (_links(items) if linked else [])


def kie_for_trainer(label: str) -> str:
    """The label that the trainer gets: PPOCRLabel's `key_cls` as `label`, else as it is; nothing for no boxes."""
    items = _items(label)
    if not items:
        return ""
    first = label.partition("\t")[0]
    moved = [
        {**item, "label": item["key_cls"]}
        if "label" not in item and isinstance(item.get("key_cls"), str)
        else item
        for item in items
    ]
    return first if moved == items else json.dumps(moved, ensure_ascii=False)


def _items(label: str) -> list[dict[str, Any]]:
    """The objects of a label; anything else in it is reported by the check of its boxes."""
    try:
        items = json.loads(label.partition("\t")[0])
    except (ValueError, RecursionError):
        return []
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _class(item: dict[str, Any], number: int, rules: KieRules) -> list[Finding]:
    name = item["label"] if "label" in item else item.get("key_cls")
    if "label" not in item and isinstance(name, int) and not isinstance(name, bool) and not rules.of_tokens:
        # The number of a class, as SDMGR's own sets have it.
        fits = name >= 0 and (rules.classes is None or name < len(rules.classes))
        hint = f"box {number}: the class list has {len(rules.classes or ())} lines, counted from 0"
        return [] if fits else [Finding("unknown_class", str(name), hint)]
    if not isinstance(name, str) or not name:
        hint = f'box {number}: write its class as a text: "label": "question"'
        return [Finding("class_missing", quoted_value(item), hint)]
    if name == UNSET and "label" not in item and name not in (rules.classes or ()):
        hint = f"box {number}: nobody has chosen its key in PPOCRLabel: choose it there"
        return [Finding("class_missing", quoted_value(name), hint)]
    if rules.classes is None:
        return []
    known = name.upper() in rules.classes | NO_CLASS if rules.of_tokens else name in rules.classes
    classes = ", ".join(map(repr, sorted(rules.classes)[:_SHOWN]))
    hint = f"box {number}: the classes are {classes}: correct the label, or add it to the class list (class_path)"
    return [] if known else [Finding("unknown_class", quoted_value(name), hint)]


def _links(items: Sequence[dict[str, Any]]) -> list[Finding]:
    """Ids that are missing or given twice, and links that lead nowhere."""
    ids: set[object] = set()
    findings = []
    for number, item in enumerate(items, start=1):
        one = item.get("id")
        if not _is_id(one):
            findings.append(
                Finding("bad_link", quoted_value(one), f'box {number}: give it a number: "id": {number}')
            )
        elif one in ids:
            findings.append(
                Finding(
                    "bad_link", quoted_value(one), f"box {number}: another box has this id: give it its own"
                )
            )
        else:
            ids.add(one)
    for number, item in enumerate(items, start=1):
        links = item.get("linking")
        if not isinstance(links, list) or not all(
            isinstance(link, list) and len(link) == 2 for link in links
        ):
            hint = f'box {number}: a list of pairs of ids: "linking": [[1, 2]], or [] for none'
            findings.append(Finding("bad_link", quoted_value(links), hint))
            continue
        lost = [link for link in links if not all(_is_id(end) and end in ids for end in link)]
        findings += [
            Finding(
                "bad_link",
                quoted_value(link),
                f"box {number}: no box has one of these ids: correct or remove it",
            )
            for link in lost
        ]
    return findings


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)
