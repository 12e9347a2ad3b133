"""One file of a folder whose tool is not known yet: its first lines, its JSON, its XML, each read once."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ocr_train.data.formats.xml_reader import Element, read_xml
from ocr_train.ocr_engine.documents import parse_json, read_json
from ocr_train.ocr_engine.files import open_regular

MAX_BYTES = 500_000_000
"""A larger file is not one that people label by hand, and would not fit the memory as JSON."""
_HEAD_BYTES = 65_536
_LINES = 20


@dataclass(frozen=True)
class FilePeek:
    """What can be known of the file `path` without converting it; a file that cannot be read has nothing."""

    path: Path

    @property
    def suffix(self) -> str:
        """In lower case, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The first whole lines that are not blank, without BOM and line ends; none of a file that is not UTF-8."""
        try:
            with open_regular(self.path) as stream:
                head = stream.read(_HEAD_BYTES)
        except OSError:
            return ()
        if len(head) == _HEAD_BYTES:
            head = head[: head.rfind(b"\n") + 1]
        try:
            text = head.decode("utf-8-sig")
        except UnicodeDecodeError:
            return ()
        return tuple(line for line in re.split(r"\r\n|\n|\r", text) if line.strip())[:_LINES]

    @cached_property
    def json(self) -> Any:
        """The whole file as JSON; None where it is not."""
        try:
            return read_json(self.path, MAX_BYTES)
        except (OSError, ValueError):
            return None

    @property
    def keys(self) -> Mapping[str, Any]:
        """The JSON object of the file, empty for anything else."""
        return self.json if isinstance(self.json, dict) else {}

    @cached_property
    def rows(self) -> tuple[Mapping[str, Any], ...]:
        """The first lines as JSON objects; none where one of them is anything else."""
        rows = []
        for line in self.lines:
            try:
                row = parse_json(line)
            except ValueError:
                return ()
            if not isinstance(row, dict):
                return ()
            rows.append(row)
        return tuple(rows)

    @cached_property
    def xml(self) -> Element | None:
        """The root of the XML file."""
        try:
            return read_xml(self.path)
        except (OSError, ValueError):
            return None

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The names of the columns of a CSV or TSV file, in lower case."""
        return split_header(self.lines[0]) if self.lines else ()


def split_header(line: str) -> tuple[str, ...]:
    """The cells of a table's first line, in lower case; of a tab, a semicolon or a comma the one that is in it."""
    return tuple(cell.strip().lower() for cell in split_row(line, delimiter_of(line)))


def delimiter_of(line: str) -> str:
    """What stands between the cells of a table with this first line."""
    return next((one for one in "\t;" if one in line), ",")


def split_row(line: str, delimiter: str) -> list[str]:
    """The cells of one line."""
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


@dataclass(frozen=True)
class TableRow:
    """A row of a table: its first `line`, on how many `lines` it is, its cells; `broken` says why it has none."""

    line: int
    lines: int
    cells: tuple[str, ...]
    broken: str = ""


def read_rows(lines: Sequence[str], delimiter: str, *, header: int = 1) -> Iterator[TableRow]:
    """The rows of a table below its first `header` lines, without empty ones. A quote that is not closed takes many
    lines."""
    rest = lines[header:]
    while rest and not rest[-1].strip():
        rest = rest[:-1]
    reader = csv.reader((f"{line}\n" for line in rest), delimiter=delimiter, skipinitialspace=True)
    while True:
        before, broken = reader.line_num, ""
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            cells, broken = [], str(exc)
        if cells is None:
            return
        if any(cells) or broken:
            yield TableRow(before + header + 1, reader.line_num - before, tuple(cells), broken)
