"""Converts the text files of Total-Text: a file an image, a record a box.

    x: [[10 100 200]], y: [[20 20 60]], ornt: [u'c'], transcriptions: [u'hello']

A record may go over several lines. `#` is a text that nobody should read, and becomes `###`. The strings are Python's; nothing
is evaluated: of their escapes those of characters are read. Total-Text's .mat files are MATLAB's, and not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.difficult import IGNORED
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    as_points,
    convert_pages,
    load_lines,
    report_other,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.layout import NOT_LABELS

if TYPE_CHECKING:
    from typing_extensions import Unpack

_BEGINS = re.compile(r"^[ \t]*x:[ \t]*\[\[", re.MULTILINE)
_X = re.compile(r"^[ \t]*x:", re.MULTILINE)
_NUMBERS = r"\[\[([\s\d.,+-]*)\]\]"
_STRING = r"u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_RECORD = re.compile(
    rf"\s*x:\s*{_NUMBERS}\s*,\s*y:\s*{_NUMBERS}\s*(?:,\s*ornt:\s*\[(?:{_STRING})?\]\s*)?"
    rf",\s*transcriptions:\s*\[(?:{_STRING})?\]\s*",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_PREFIXES = re.compile(r"^(poly_gt_|gt_|poly_)", re.IGNORECASE)


def is_totaltext(peek: FilePeek) -> bool:
    """Whether the file begins with a record."""
    return bool(peek.lines) and bool(_BEGINS.match(peek.lines[0]))


def convert_totaltext(
    src: Path, out: Path, *, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every label file under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work), tool="Total-Text")


def _pages(work: ConvertedFolder) -> Iterator[FoundPage]:
    for path in work.with_suffix(".txt"):
        lines = None if NOT_LABELS.search(path.stem) else load_lines(work, path)
        if lines is None:
            continue
        text = "\n".join(lines)
        page = FoundPage(file=path, stems=tuple(dict.fromkeys((path.stem, _PREFIXES.sub("", path.stem)))))
        starts = [found.start() for found in _BEGINS.finditer(text)]
        before = text[: starts[0]] if starts else text
        if before.strip():
            if not starts and not work.find_by_stem(path.parent, page.stems):
                report_other(work, path, "Total-Text")
                continue
            page.lose("bad_line", 1, count=sum(bool(line.strip()) for line in before.split("\n")))
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            _add(page, text[start:end], text.count("\n", 0, start) + 1)
        yield page


def _add(page: FoundPage, record: str, line: int) -> None:
    # A record of the files is short; this one may take the expression long.
    found = _RECORD.fullmatch(record) if len(record) < 100_000 else None
    if not found:
        # One whose beginning is broken is part of the one before.
        page.lose("bad_line", line, count=max(1, record.count("transcriptions"), len(_X.findall(record))))
        return
    across, down = (re.split(r"[\s,]+", part.strip(" \n\t,")) for part in (found[1], found[2]))
    points = as_points([value for pair in zip(across, down, strict=False) for value in pair])
    if len(across) != len(down) or points is None:
        page.lose("bad_points", line)
        return
    text = _unquoted(found[4]) if found[4] else ""
    page.boxes.append(
        FoundBox(points=points, text=IGNORED if text == "#" else text, reading_order=True, line=line)
    )


def _unquoted(literal: str) -> str:
    """The characters of a Python string, its quotes and escapes taken off."""
    return _ESCAPE.sub(_unescaped, literal[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if len(escape) == 1:
        return _PLAIN_ESCAPES.get(escape, escape)
    number = int(escape[1:], 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"
