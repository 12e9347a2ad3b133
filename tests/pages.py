"""The project's pages as tests read them: commands, code blocks, tables, headings and their anchors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PAGES = [
    path
    for path in (
        *(REPO / name for name in ("README.md", "README.th.md", "CONTRIBUTING.md")),
        REPO / ".github" / "copilot-instructions.md",
        *sorted((REPO / "docs").rglob("*.md")),
    )
    if path.is_file()
]
"""Every page that a reader may open, English and Thai: their commands are parsed and their links followed."""
IDS = [str(path.relative_to(REPO)) for path in PAGES]

SHELL = "bash|sh|shell|console"
"""The languages of code blocks that hold commands."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command as a page shows it, split as a shell splits it; `whole` where it stands in a code block."""

    page: Path
    text: str
    whole: bool

    @property
    def words(self) -> list[str]:
        """Without a prompt, variables in front, the interpreter's folder and a comment."""
        words = shlex.split(self.text, comments=True)
        while words and (words[0] == "$" or re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL)):
            words = words[1:]
        # where its output goes is the shell's
        words = words[: next((place for place, word in enumerate(words) if word in (">", ">>")), len(words))]
        return [Path(words[0]).name, *words[1:]] if words else []

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text}"


def code_blocks(text: str, language: str) -> list[str]:
    """The content of the fenced blocks in `language`, a regular expression."""
    return re.findall(rf"^```(?:{language})\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def without_code_blocks(text: str) -> str:
    """A page's text between its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(text: str) -> list[tuple[int, str]]:
    """Level and text of every heading, in order; a comment in a code block is none."""
    found = re.findall(r"^(#+) (.+)$", without_code_blocks(text), re.MULTILINE)
    return [(len(marks), title.strip()) for marks, title in found]


def anchors(text: str) -> set[str]:
    """The names that a page's headings get on GitHub: Thai vowels and tone marks stay, as letters do."""
    found: set[str] = set()
    for _, title in headings(text):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()
        name = re.sub(r"[^\w\u0e00-\u0e7f\- ]", "", shown).replace(" ", "-")
        same = sum(1 for other in found if re.fullmatch(rf"{re.escape(name)}(?:-\d+)?", other))
        found.add(f"{name}-{same}" if same else name)
    return found


def commands(start: str) -> list[Command]:
    """Every command of all pages that begins with `start`: lines of code blocks, and inline code."""
    return [command for page in PAGES for command in _commands(page) if _begins(command, start.split())]


def _begins(command: Command, start: list[str]) -> bool:
    return command.words[: len(start)] == start


def _commands(page: Path) -> Iterator[Command]:
    text = page.read_text(encoding="utf-8")
    for block in code_blocks(text, f"{SHELL}|text|"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in _parts(line):
                yield Command(page=page, text=part, whole=True)
    for inline in re.findall(r"`([^`\n]+)`", without_code_blocks(text)):
        for part in _parts(inline):
            yield Command(page=page, text=part, whole=False)


def _parts(line: str) -> list[str]:
    """The commands of one line that are ours to check."""
    return [part.strip() for part in re.split(r"\s(?:\||&&|&)\s|;\s", line) if _is_command(part)]


def _is_command(text: str) -> bool:
    return re.search(r"(?:^|[\s/])(?:python -m ocr_train|mlflow run|make)(?:\s|$)", text) is not None


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table whose first column is called `heading`; inline code without its quotes."""
    text = (REPO / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"^\| {heading} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found is not None, f"{page} has no table {heading!r}"
    rows = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in found[1].splitlines()]
    return [[cell.strip() for cell in row] for row in rows]


def code(cell: str) -> list[str]:
    """The inline code in a cell."""
    return re.findall(r"`([^`]+)`", cell)
