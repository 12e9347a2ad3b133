"""Why a detection label is not JSON, by evidence: what is named here was tried on the label itself."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable

_LONGEST = 1_000_000
_WRITE = "write it with json.dumps(boxes, ensure_ascii=False)"
_TRAILING_COMMA = re.compile(r",\s*([\]}])")
_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\uff02", '"'))


def is_json_like(label: str) -> bool:
    """Whether a label begins as a list or an object does, also within quotes: it is meant as a list of boxes."""
    return label.lstrip("\ufeff \"'").startswith(("[", "{"))


def name_of_json(value: object) -> str:
    """What a value of JSON is, in a word."""
    return next((name for kind, name in _NAMES if isinstance(value, kind)), "null")


_NAMES = (
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "a text"),
    (list, "a list"),
    (dict, "an object"),
)


def json_trouble(label: str, error: str) -> str:
    """What to do about a label that is not JSON; `error` is what the parser said."""
    text = label.strip()
    if not is_json_like(text):
        return f'not JSON ({error}), but a text: write [{{"transcription": ..., "points": ...}}]'
    if len(text) <= _LONGEST:
        if re.match(r"[\[{]\s*[\[{]?\s*'", text):
            return f"Python's str() and not JSON: {_WRITE}"
        for name, mended in _MENDED:
            if _parses(mended(text)):
                return name
    if sum(map(text.count, "[{")) > sum(map(text.count, "]}")):
        return f"not JSON: the list is not closed, the line is cut off ({error})"
    return f"not JSON ({error}): {_WRITE}"


def _parses(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _from_csv(text: str) -> str:
    try:
        row = next(csv.reader([text]), [])
    except csv.Error:
        return ""
    return row[0] if len(row) == 1 else ""


_MENDED: tuple[tuple[str, Callable[[str], str]], ...] = (
    (
        "not JSON: a comma stands before a closing bracket: remove it",
        lambda text: _TRAILING_COMMA.sub(r"\1", text),
    ),
    (
        'not JSON: its quotes are typographic (a text editor put them in): use straight ones (")',
        lambda text: text.translate(_QUOTES),
    ),
    (
        'quoted as in a CSV file, with "" for ": write the label without the quotes around it',
        _from_csv,
    ),
    (
        "two lists one after the other: join them into one",
        lambda text: re.sub(r"\]\s*\[", ",", text),
    ),
)
