"""docs/data.md's table of tools: every tool that is known, with commands that work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ocr_train.data.formats.table import FORMATS
from tests.cli_run import command
from tests.data.formats.test_every_format import folder_of
from tests.data.other_tasks import kie_folder, table_folder
from tests.pages import code, table

Capsys = pytest.CaptureFixture[str]
ROWS = {code(row[0])[0]: row for row in table("data.md", "tool, its name here") if code(row[0])}
OTHERS = [row for row in table("data.md", "tool, its name here") if not code(row[0])]
FOLDERS = {"table": table_folder, "kie": kie_folder}
EVERYWHERE = {"--text-from", "--difficult", "--empty-pages", "--images"}
"""Options of a training, too, which the page explains once for all tools."""


def options_of(cell: str) -> dict[str, str]:
    """The options that a cell of commands shows, each with its value."""
    parts = [one.partition(" ") for one in code(cell) if one.startswith("--")]
    return {flag: value for flag, _, value in parts}


def filled(text: str, folder: Path, out: Path) -> list[str]:
    """A command of the table as it is typed."""
    return [{"SRC": str(folder), "OUT": str(out)}.get(word, word) for word in shlex.split(text)]


def test_the_table_has_every_tool_once() -> None:
    """In the order of the code's own table, by the name that is typed."""
    assert sorted(ROWS) == sorted(FORMATS)
    assert len(ROWS) + len(OTHERS) == len(table("data.md", "tool, its name here"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_tools_command_works_as_it_stands(capsys: Capsys, tmp_path: Path, name: str) -> None:
    """On a folder of that tool: nothing is lost."""
    words = filled(code(ROWS[name][2])[0], folder_of(name, tmp_path / "s"), tmp_path / "out")
    assert words[:2] == ["convert", name]
    ran = command(capsys, *words)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1].startswith("next: ")


@pytest.mark.parametrize("name", FORMATS)
def test_the_options_of_a_tool_are_shown_and_taken(capsys: Capsys, tmp_path: Path, name: str) -> None:
    """Those of the code, and no other."""
    shown = options_of(ROWS[name][2])
    known = {option.flag for option in FORMATS[name].options}
    assert known - EVERYWHERE <= set(shown) <= known
    words = filled(code(ROWS[name][2])[0], folder_of(name, tmp_path / "s"), tmp_path / "out")
    for flag, value in shown.items():
        ran = command(capsys, *words, flag, *filter(None, [value]), "--overwrite", "--skip-unknown")
        # Where the option finds nothing in these files, that is said.
        assert ran.code in (0, 3), ran.err
        assert "usage" not in ran.err


@pytest.mark.parametrize("row", OTHERS, ids=[row[0] for row in OTHERS])
def test_labels_of_other_tasks_are_prepared_as_it_stands(
    capsys: Capsys, tmp_path: Path, row: list[str]
) -> None:
    """Tables and KIE."""
    text = code(row[2])[0]
    (task,) = re.findall(r"--task (\w+)", text)
    ran = command(capsys, *filled(text, FOLDERS[task](tmp_path / "s"), tmp_path / "out"))
    assert ran.code == 0, ran.err
