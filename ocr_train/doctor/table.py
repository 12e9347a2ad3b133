"""The table: a line for each row, and what to do below it; folded on a terminal, whole lines in a log."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from ocr_train.cost import Estimate
from ocr_train.doctor.rows import PROBLEM, WARNING, CheckRow, exit_code

_STATUS_WIDTH = 9
_SUBJECT_WIDTH = 18
_MARGIN = _STATUS_WIDTH + _SUBJECT_WIDTH
_LEAST_WIDTH = 60


def row_lines(row: CheckRow, width: int | None) -> list[str]:
    """The lines of one row, at most `width` characters long; None: as long as they are."""
    subject = f"{row.subject:<{_SUBJECT_WIDTH - 1}} "
    lines = _folded(f"{row.status:<{_STATUS_WIDTH}}{subject}", row.found, width)
    if row.todo:
        for part in row.todo.splitlines():
            lines += _folded(f"{'':<{_MARGIN}}-> ", part, width)
    return lines


def verdict(rows: Sequence[CheckRow]) -> str:
    """The last line."""
    problems, warnings = (sum(row.status == status for row in rows) for status in (PROBLEM, WARNING))
    warned = f", {_count(warnings, 'warning')}" if warnings else ""
    if not problems:
        return f"no problem{warned}: a training can start (exit code 0)"
    return f"{_count(problems, 'problem')}{warned} (exit code {exit_code(rows)})"


def as_json(rows: Iterable[CheckRow], estimate: Estimate | None) -> dict[str, Any]:
    """The shape that machines rely on."""
    kept = list(rows)
    return {
        "rows": [dataclasses.asdict(row) for row in kept],
        "problems": sum(row.status == PROBLEM for row in kept),
        "warnings": sum(row.status == WARNING for row in kept),
        "exit_code": exit_code(kept),
        "estimate": dataclasses.asdict(estimate) if estimate else None,
    }


def _folded(lead: str, text: str, width: int | None) -> list[str]:
    pieces = text.splitlines() or [""]
    if width is None:
        return [f"{lead}{'; '.join(piece.strip() for piece in pieces)}"]
    indent = " " * (_MARGIN + (3 if lead.strip() == "->" else 0))
    lines: list[str] = []
    for piece in pieces:
        lines += textwrap.wrap(
            piece.strip(),
            max(width, _LEAST_WIDTH),
            initial_indent=lead if not lines else indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
