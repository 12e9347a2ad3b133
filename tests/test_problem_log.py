"""docs/problem-log.md, English and Thai: dated, complete, and each solution held by a test that exists."""

from __future__ import annotations

import re

import pytest

from tests.pages import REPO

PARTS = {
    "problem-log.md": ["Versions:", "You see:", "Cause:", "Solution:", "Found by:", "Test:"],
    "th/problem-log.md": ["รุ่น:", "อาการ:", "สาเหตุ:", "วิธีแก้:", "เจอได้อย่างไร:", "Test:"],
}


def entries(page: str) -> list[tuple[str, str]]:
    """Date and text of each problem, in the order of the page; the template at the end is none."""
    text = (REPO / "docs" / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^## (\d{4}-\d\d-\d\d): [^\n]+\n\n((?:- .*\n)+)", text, re.MULTILINE)


@pytest.mark.parametrize("page", PARTS)
def test_problems_are_complete_and_the_newest_comes_first(page: str) -> None:
    """Every one has all parts."""
    found = entries(page)
    assert len(found) >= 15
    dates = [date for date, _ in found]
    assert dates == sorted(dates, reverse=True)
    assert [date for date, text in found if re.findall(r"\*\*([^*]+)\*\*", text) != PARTS[page]] == []


def test_both_languages_tell_of_the_same_problems() -> None:
    """The same dates and tests, in the same order, and the same words to search for."""
    first, second = (
        [(date, re.findall(r"`([^`]+)`", text)) for date, text in entries(page)] for page in PARTS
    )
    assert [(date, sorted(words)) for date, words in first] == [
        (date, sorted(words)) for date, words in second
    ]


def test_every_solution_is_held_by_a_test() -> None:
    """Of that name, in that file."""
    named = [
        re.findall(r"\*\*Test:\*\* `([\w/]+\.py)::(\w+)`$", text, re.MULTILINE)
        for _, text in entries("problem-log.md")
    ]
    assert all(len(found) == 1 for found in named)
    missing = [
        f"{file}::{test}"
        for [(file, test)] in named
        if not (path := REPO / "tests" / file).is_file()
        or f"def {test}(" not in path.read_text(encoding="utf-8")
    ]
    assert missing == []
