"""Checks of one line of a table model's labels: its structure as HTML, and the boxes of its cells.

    {"filename": "a.png", "html": {"structure": {"tokens": ["<tr>", "<td>", "</td>", "</tr>"]},
                                   "cells": [{"tokens": ["1"], "bbox": [10, 20, 60, 40]}]}}

Format: PubTabNet, as PaddleOCR reads it (`TableLabelEncode` in `ppocr/data/imaug/label_ops.py`, as of 2.10): the cells
stand in the order of the structure's `<td>`; a `bbox` is left, top, right, bottom, or four corners, in pixels, and is
read where the cell has `tokens`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ocr_train.data.checks.detection import check_place
from ocr_train.data.checks.problems import Finding
from ocr_train.data.checks.recognition import escape
from ocr_train.data.labels import Box, Point, shorten

CELL_TOKENS = frozenset({"<td>", "<td", "<td></td>", "<eb></eb>"})
"""The tokens that begin a cell: each takes the next one of `cells`."""
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)([^<>]*)>")
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class TableRules:
    """What a table model can learn; what is None is not checked.

    `tokens` are those of its dictionary, `most_tokens` its `max_text_length`, `box_numbers` how many numbers a box has
    (`loc_reg_num`: 4, or 8 for four corners). `merged` says that `<td>` and `</td>` are one token (`merge_no_span_structure`).
    """

    tokens: frozenset[str] | None = None
    most_tokens: int | None = None
    box_numbers: int | None = None
    merged: bool = False


class _Table(NamedTuple):
    tokens: Sequence[str]
    cells: Sequence[Mapping[str, Any]]


def check_table(
    label: str, rules: TableRules, sizes: Sequence[tuple[int, int]]
) -> tuple[list[Box], list[Finding]]:
    """The boxes of the cells, and every problem of the line `label`; `sizes` are (width, height) of its images in pixels.

    Never raises, whatever `label` is.
    """
    table = _read(label)
    if isinstance(table, Finding):
        return [], [table]
    findings = [*_structure(table, rules), *_count(table)]
    boxes = []
    for number, cell in enumerate(table.cells, start=1):
        box, problem = _cell_box(cell, number, rules.box_numbers)
        boxes += [box] if box else []
        findings += [problem] if problem else []
    for size in sizes:
        # A slip of a pixel or two moves nothing that is learned.
        findings += [one for one in check_place(boxes, *size) if one.kind == "outside_image"]
    return boxes, findings


def quoted_value(value: object) -> str:
    """A value of a label for a message."""
    try:
        return escape(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        return escape(type(value).__name__)


def bad_row(text: str) -> Finding:
    """What is wrong with a line that is none of a table's labels at all."""
    hint = (
        'write a line of JSON: {"filename": "...", "html": {"structure": {"tokens": [...]}, "cells": [...]}}'
    )
    return Finding("not_a_table", escape(text), hint)


def _read(label: str) -> _Table | Finding:
    html = json.loads(label)["html"]
    structure = html.get("structure") if isinstance(html, dict) else None
    tokens = _texts(structure.get("tokens")) if isinstance(structure, dict) else None
    if not tokens or not any(tokens):
        hint = 'html.structure.tokens must be a list of texts, such as ["<tr>", "<td>", "</td>", "</tr>"]'
        return Finding("not_a_table", quoted_value(html), hint)
    cells = html.get("cells")
    if not isinstance(cells, list):
        return Finding(
            "not_a_table", quoted_value(cells), "html.cells must be a list, with an object for each cell"
        )
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or _texts(cell.get("tokens")) is None:
            hint = f'cell {number} must be {{"tokens": ["a", "b"], "bbox": [...]}}; without a text its tokens are []'
            return Finding("not_a_table", quoted_value(cell), hint)
    return _Table([token for token in tokens if token], cells)


def _texts(value: object) -> list[str] | None:
    """A list of texts, None for anything else."""
    return value if isinstance(value, list) and all(isinstance(one, str) for one in value) else None


def _structure(table: _Table, rules: TableRules) -> list[Finding]:
    findings = []
    problem = unbalanced("".join(_encoded(table.tokens, merged=False)))
    if problem:
        findings.append(Finding("table_unbalanced", quoted_value(table.tokens), problem))
    encoded = _encoded(table.tokens, merged=rules.merged)
    unknown = [] if rules.tokens is None else sorted(set(encoded) - rules.tokens)
    if unknown:
        names = ", ".join(map(repr, unknown[:_NAMED])) + (" and more" if len(unknown) > _NAMED else "")
        hint = f"not in the dictionary of structures: {names}; add them there (character_dict_path), or correct the label"
        findings.append(Finding("table_token", quoted_value(unknown[:_NAMED]), hint))
    if rules.most_tokens is not None and len(encoded) > rules.most_tokens:
        hint = f"{len(encoded)} tokens of structure; max_text_length is {rules.most_tokens}: raise it or remove the line"
        findings.append(Finding("too_long", quoted_value(table.tokens), hint))
    return findings


def _encoded(parts: Sequence[str], *, merged: bool) -> list[str]:
    """The tokens as PaddleOCR looks them up: a span begins with a space; merged, what follows `<td>` is left out."""
    found: list[str] = []
    rest = iter(parts)
    for part in rest:
        if merged and part == "<td>":
            next(rest, None)
            found.append("<td></td>")
        else:
            found.append(f" {part}" if "span" in part and not part.startswith(" ") else part)
    return found


def unbalanced(html: str) -> str:
    """What is wrong with the tags of a structure: one that is not closed, or closes nothing; nothing where all is right."""
    outside = _TAG.sub("", html).strip()
    if outside:
        return f"{shorten(outside)!r} is no tag: the tokens of a cell are <td> </td>, or <td, its spans, > and </td>"
    inside: list[str] = []
    for slash, name, _ in _TAG.findall(html):
        if not slash:
            inside.append(name)
        elif not inside or inside.pop() != name:
            return f"</{name}> closes what is not open: each tag must be closed, the last one first"
    return f"<{inside[-1]}> is not closed: each tag must be closed, the last one first" if inside else ""


def _count(table: _Table) -> list[Finding]:
    wanted = sum(token in CELL_TOKENS for token in table.tokens)
    if wanted == len(table.cells):
        return []
    hint = 'html.cells must have an object for each <td>, in the same order; an empty cell is {"tokens": []}'
    return [Finding("cell_count", f"{wanted} <td>, {len(table.cells)} cells", hint)]


def _cell_box(cell: Mapping[str, Any], number: int, wanted: int | None) -> tuple[Box | None, Finding | None]:
    """The box of a cell, or what is wrong with it; PaddleOCR does not read that of a cell without text."""
    if "bbox" not in cell:
        return None, None
    numbers = _numbers(cell["bbox"])
    text = "".join(token for token in cell["tokens"] if not _TAG.fullmatch(token))
    if numbers is not None and len(numbers) == (wanted or len(numbers)):
        points = _corners(numbers)
        xs, ys = zip(*points, strict=True)
        ordered = len(numbers) == 8 or (numbers[0] < numbers[2] and numbers[1] < numbers[3])
        if ordered and max(xs) > min(xs) and max(ys) > min(ys):
            return Box(transcription=text, points=points), None
        hint = f"cell {number}: its right must be more than its left, and its bottom more than its top: [left, top, right, bottom]"
    elif numbers is not None:
        hint = f"cell {number}: {len(numbers)} numbers, and the model learns {wanted} (loc_reg_num): change one of the two"
    else:
        hint = f"cell {number}: a box is [left, top, right, bottom] or [[x, y], [x, y], [x, y], [x, y]] in pixels (in PPOCRLabel, draw cells as rectangles)"
    return None, Finding("cell_box", quoted_value(cell["bbox"]), hint) if cell["tokens"] else None


def _numbers(box: object) -> list[float] | None:
    """4 or 8 finite numbers, None for anything else."""
    if not isinstance(box, list):
        return None
    pairs = all(isinstance(one, list) and len(one) == 2 for one in box)
    flat = [value for one in box for value in one] if pairs else box
    good = all(isinstance(one, int | float) and not isinstance(one, bool) for one in flat)
    try:
        return (
            [float(one) for one in flat]
            if good and len(flat) in (4, 8) and all(map(math.isfinite, flat))
            else None
        )
    except OverflowError:
        return None


def _corners(numbers: Sequence[float]) -> tuple[Point, ...]:
    if len(numbers) == 8:
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))
    left, top, right, bottom = numbers
    return ((left, top), (right, top), (right, bottom), (left, bottom))
