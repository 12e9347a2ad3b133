"""Converts the label files of the ICDAR competitions: a text file an image, a line a box.

| line | from |
|---|---|
| `x1,y1,...,x4,y4,text` | ICDAR 2015, 2017 RCTW: corners clockwise from where the text begins |
| `x1,y1,...,x4,y4,language,text` | ICDAR 2017 and 2019 MLT |
| `left, top, right, bottom, "text"`, also with spaces instead of commas | ICDAR 2013 |
| `x1,y1,...,xn,yn,####text` | SCUT-CTW1500 |

`###` is a text that nobody should read. Whether lines have a language is decided for all files of a folder: it must be
there in every line. A text may hold commas. Files may begin with a BOM, and end lines as Windows does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
from ocr_train.data.formats.regions import rectangle
from ocr_train.data.formats.texts import in_quotes, unquoted
from ocr_train.data.layout import NOT_LABELS

if TYPE_CHECKING:
    from typing_extensions import Unpack

SUFFIXES = (".txt", ".csv")
LANGUAGES = frozenset(
    {
        *("arabic", "latin", "chinese", "japanese", "korean", "bangla", "hindi", "symbols", "mixed", "none"),
        *("devanagari", "tamil", "telugu", "kannada", "malayalam", "gujarati", "punjabi", "oriya", "thai"),
        *("english", "french", "german", "italian", "spanish", "russian", "vietnamese", "cyrillic", "other"),
    }
)
_NUMBER = r"[ \t]*[-+]?\d+(?:\.\d+)?[ \t]*"
_CURVED = re.compile(rf"((?:{_NUMBER},){{8,}})[ \t]*####(.*)", re.DOTALL)
_CORNERS = re.compile(rf"({_NUMBER}(?:,{_NUMBER}){{7}})(?:,(.*))?", re.DOTALL)
_SIDES = re.compile(rf"({_NUMBER}(?:,{_NUMBER}){{3}}),(.*)", re.DOTALL)
_SIDES_SPACED = re.compile(r'[ \t]*(\d+[ \t]+\d+[ \t]+\d+[ \t]+\d+)[ \t]+(".*")[ \t]*', re.DOTALL)
_PREFIXES = re.compile(r"^(gt|poly_gt|res|poly)_", re.IGNORECASE)
_HEADER = re.compile(r"^[ \t]*\"?(x_?[01]|left|xmin|x)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One line: its coordinates, and what stands behind them; None where it is in no form of these."""

    number: int
    numbers: tuple[str, ...]
    rest: str | None
    curved: bool = False


def is_icdar(peek: FilePeek) -> bool:
    """Whether all of the first lines have coordinates, commas and a text."""
    if NOT_LABELS.search(peek.path.stem):
        return False
    lines = (
        peek.lines[1:]
        if peek.suffix == ".csv" and peek.lines and _HEADER.match(peek.lines[0])
        else peek.lines
    )
    return bool(lines) and all(_parse(line, 0) is not None for line in lines)


def convert_icdar(
    src: Path, out: Path, *, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every label file under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work), tool="ICDAR")


def _pages(work: ConvertedFolder) -> Iterator[FoundPage]:
    read: list[tuple[FoundPage, list[_Line]]] = []
    for path in (one for suffix in SUFFIXES for one in work.with_suffix(suffix)):
        content = None if NOT_LABELS.search(path.stem) else load_lines(work, path)
        if content is None:
            continue
        page, parsed = _read(path, content)
        # SROIE has the fields of a receipt as JSON, in files of the same names.
        is_json = not parsed and next(filter(None, map(str.strip, content)), "").startswith(("{", "["))
        if not is_json and (parsed or not page.lost or work.find_by_stem(path.parent, page.stems)):
            read.append((page, parsed))
        else:
            report_other(work, path, "ICDAR")
    all_lines = [line for _, lines in read for line in lines if line.rest is not None]
    language = bool(all_lines) and all(_begins_with_language(line) for line in all_lines)
    texts = [line.rest.strip() for line in all_lines if line.rest is not None and not line.curved]
    quoted = any(map(in_quotes, texts)) and all(in_quotes(text) or text == "###" for text in texts)
    for page, lines in read:
        for line in lines:
            box = _box(line, language=language, quoted=quoted)
            if box is None:
                page.lose("bad_points", line.number)
            else:
                page.boxes.append(box)
        yield page


def _read(path: Path, lines: Sequence[str]) -> tuple[FoundPage, list[_Line]]:
    plain = _PREFIXES.sub("", path.stem)
    page = FoundPage(file=path, stems=tuple(dict.fromkeys((path.stem, plain, f"img_{plain}"))))
    parsed = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and _HEADER.match(line)):
            continue
        one = _parse(line, number)
        if one is None:
            page.lose("bad_line", number)
        else:
            parsed.append(one)
    return page, parsed


def _parse(line: str, number: int) -> _Line | None:
    if curved := _CURVED.fullmatch(line):
        numbers = tuple(curved[1].split(",")[:-1])
        return _Line(number=number, numbers=numbers, rest=curved[2], curved=True)
    found = _CORNERS.fullmatch(line) or _SIDES.fullmatch(line)
    if found:
        return _Line(number=number, numbers=tuple(found[1].split(",")), rest=found[2])
    spaced = _SIDES_SPACED.fullmatch(line)
    return _Line(number=number, numbers=tuple(spaced[1].split()), rest=spaced[2]) if spaced else None


def _begins_with_language(line: _Line) -> bool:
    first, comma, _ = (line.rest or "").partition(",")
    return bool(comma) and len(line.numbers) == 8 and first.strip().lower() in LANGUAGES


def _box(line: _Line, *, language: bool, quoted: bool) -> FoundBox | None:
    text = line.rest
    if text is not None:
        text = (text.partition(",")[2] if language else text).strip()
        if quoted or len(line.numbers) == 4:
            text = unquoted(text)
    points = as_points(line.numbers)
    if points is None:
        return None
    if len(points) == 2:
        points = rectangle(*points[0], *points[1])
    return FoundBox(points=points, text=text, reading_order=True, line=line.number)
