"""A manual in two languages is one manual: the same headings, commands and tables, each page in its own language."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.pages import REPO, SHELL, code, headings, without_code_blocks

DOCS, THAI = REPO / "docs", REPO / "docs" / "th"
REQUIRED = (
    *("README", "requirements", "configuration", "data"),
    *("troubleshooting", "problem-log", "reliability", "sagemaker"),
)
"""The pages that users were promised in both languages: docs/NAME.md and docs/th/NAME.md."""

THAI_SHARE = 0.4
"""So much of the letters of a Thai page's prose is Thai at least: terms of the field stay in English."""
ENGLISH_SHARE = 0.9


def pairs() -> dict[str, tuple[Path, Path]]:
    """The English and the Thai page of each manual: the required ones, and every other that has a Thai page."""
    names = [*REQUIRED, *sorted({path.stem for path in THAI.glob("*.md")} - set(REQUIRED))]
    found = {name: (DOCS / f"{name}.md", THAI / f"{name}.md") for name in names}
    return {"README.md": (REPO / "README.md", REPO / "README.th.md"), **found}


HELD = [pytest.param(*pages, id=name) for name, pages in pairs().items()]


def commands_of(text: str) -> list[list[str]]:
    """The lines of a page's commands and settings in order, as words: without comments, which are in its language."""
    found = []
    for block in re.findall(
        rf"^```(?:{SHELL}|text|yaml|json|toml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL
    ):
        for line in block.replace("\\\n", " ").splitlines():
            try:
                found.append(shlex.split(line, comments=True))
            except ValueError:
                # a quotation that goes on in the next line
                found.append([line.strip()])
    return [words for words in found if words]


def languages_of(text: str) -> list[str]:
    """What the code blocks of a page are written in, in order."""
    return re.findall(r"^```(\w*)\n.*?^```", text, re.MULTILINE | re.DOTALL)


def tables_of(text: str) -> list[list[list[str]]]:
    """Each table of a page as rows of the inline code in the first column, the heading's row included."""
    tables: list[list[list[str]]] = []
    inside = False
    for line in without_code_blocks(text).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            tables.append([])
        inside = True
        if not re.fullmatch(r"[|:\- ]+", line):
            tables[-1].append(code(re.split(r"(?<!\\)\|", line)[1]))
    return tables


def thai_share(text: str) -> float:
    """How much of the letters of a page's prose is Thai: code, links' targets and names in HTML do not count."""
    prose = re.sub(r"`[^`\n]*`|\]\([^)]*\)|<[^>]*>|https?://\S+", "", without_code_blocks(text))
    thai = len(re.findall(r"[\u0e00-\u0e7f]", prose))
    letters = thai + len(re.findall(r"[A-Za-z]", prose))
    return thai / letters if letters else 0.0


def differences(english: Path, thai: Path) -> list[str]:
    """What keeps two pages from being one manual; nothing where they are."""
    absent = [str(page.relative_to(REPO)) for page in (english, thai) if not page.is_file()]
    if absent:
        return [f"{name} is not there" for name in absent]
    texts = [page.read_text(encoding="utf-8") for page in (english, thai)]
    found = []
    for what, read in (
        ("levels of headings", lambda text: [level for level, _ in headings(text)]),
        ("code blocks", languages_of),
        ("commands", commands_of),
        ("tables", tables_of),
    ):
        first, second = (list(read(text)) for text in texts)
        if first != second:
            found.append(f"{what}: {first_difference(first, second)}")
    if thai_share(texts[0]) > 1 - ENGLISH_SHARE:
        found.append(f"{english.name} is not in English: {thai_share(texts[0]):.0%} Thai")
    if thai_share(texts[1]) < THAI_SHARE:
        found.append(f"{thai.name} is not in Thai: {thai_share(texts[1]):.0%}")
    return found


def first_difference(first: list[object], second: list[object]) -> str:
    """Where two lists begin to differ, for whoever has to repair a page."""
    place = next((n for n, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), -1)
    if place < 0:
        place = min(len(first), len(second))
    shown = [repr(some[place]) if place < len(some) else "nothing more" for some in (first, second)]
    return f"number {place + 1} of {len(first)} and {len(second)}: {shown[0]} in English, {shown[1]} in Thai"


@pytest.mark.parametrize(("english", "thai"), HELD)
def test_a_manual_is_the_same_in_english_and_thai(english: Path, thai: Path) -> None:
    """Headings in the same order, the same commands and tables, and each page in its own language."""
    assert differences(english, thai) == []


@pytest.mark.parametrize(
    ("thai", "told"),
    [
        ("# ก\n\n## ข\n", "levels of headings: number 3 of 3 and 2: 2 in English, nothing more in Thai"),
        ("# ก\n\n## ข\n\n## ค\n\n```sh\nmake ui\n```\n", "commands: number 1 of 1 and 1: ['make', 'run']"),
        ("# ก\n\n## ข\n\n## ค\n\n| `one` |\n|---|\n| `two` |\n", "tables: number 1 of 1 and 1"),
        ("# Only English\n\n## b\n\n## c\n", "is not in Thai: 0%"),
    ],
)
def test_a_difference_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thai: str, told: str) -> None:
    """A heading that is missing, another command, another table, a page that was not translated."""
    monkeypatch.setattr("tests.test_manuals.REPO", tmp_path)
    english = "# a\n\n## b\n\n## c\n\n```sh\nmake run  # words\n```\n\n| `one` |\n|---|\n| `three` |\n"
    pages = tmp_path / "page.md", tmp_path / "th.md"
    pages[0].write_text(english, encoding="utf-8")
    pages[1].write_text(thai, encoding="utf-8")
    assert any(told in line for line in differences(*pages))
