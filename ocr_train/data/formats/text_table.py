"""Converts recognition labels in a table: an image and its text a line.

A CSV or TSV has a first line with the names of the columns; commas, semicolons or tabs stand between the cells, and a text
in quotes may hold them.

| column | names, in any case |
|---|---|
| the image | filename, file_name, image, image_path, path, file, ... |
| the text | words, text, label, transcription, identity, ... |

JSON is read, too, where it is one object of names and texts (docTR: `{"a.jpg": "Total"}`), or has one as `labels`
(text_renderer: `{"labels": {"a": "Total"}, "sizes": ...}`).

Without such a line the first cell of each row is the image and all else the text. So are the word images of ICDAR 2013 and
2015 labelled, in text files: `word_1.png, "Genaxis Theatre"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.files.image_files import IMAGE_SUFFIXES, base_name
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.crop_texts import FoundText, convert_texts, lose
from ocr_train.data.formats.pages import load_json, load_lines, report_other
from ocr_train.data.formats.peek import FilePeek, delimiter_of, read_rows, split_header, split_row
from ocr_train.data.formats.texts import unquoted
from ocr_train.data.layout import NOT_LABELS

if TYPE_CHECKING:
    from typing_extensions import Unpack

SUFFIXES = (".csv", ".tsv", ".txt")
JSON = ".json"
IMAGE_COLUMNS = (
    *(
        "filename",
        "file_name",
        "image",
        "image_path",
        "img_path",
        "path",
        "filepath",
        "file_path",
        "file",
        "img",
    ),
    *("image_name", "img_name", "image_file", "imagepath", "imagename", "image_id"),
)
TEXT_COLUMNS = (
    *(
        "words",
        "word",
        "text",
        "transcription",
        "label",
        "labels",
        "identity",
        "ground_truth",
        "gt",
        "caption",
    ),
    *("sentence", "value", "string", "texts"),
)
_PLAIN = re.compile(
    rf"[ ]*([^\t,;\"]+(?:{'|'.join(re.escape(one) for one in IMAGE_SUFFIXES)}))[ ]*([,;])", re.IGNORECASE
)
_COORDINATES = frozenset(
    {"xmin", "x1", "x", "left", "xtl", "bbox", "region_shape_attributes", "points", "polygon"}
)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where the image and the text are; the number of lines in front of the rows; of how many cells a row is."""

    image: int
    text: int
    header: int
    delimiter: str
    cells: int


def is_text_table(peek: FilePeek) -> bool:
    """Whether there is a column of images and one of texts, none of coordinates, and the first rows name images."""
    if peek.suffix == JSON:
        return _mapping(peek.json) is not None
    if NOT_LABELS.search(peek.path.stem):
        return False
    layout = _layout(peek.lines, peek.suffix)
    if layout is None:
        return False
    if not layout.header:
        return all(_PLAIN.match(line) for line in peek.lines)
    rows = [split_row(line, layout.delimiter) for line in peek.lines[1:5]]
    return any(len(row) > layout.image and _is_image(row[layout.image]) for row in rows)


def _mapping(content: object) -> Mapping[str, object] | None:
    """The texts by the names of their images; None where the JSON has no such object."""
    if not isinstance(content, dict):
        return None
    inner = content.get("labels")
    if isinstance(inner, dict) and inner and all(isinstance(text, str) for text in inner.values()):
        return inner
    named = any(map(_is_image, map(str, content)))
    return content if named and any(isinstance(text, str) for text in content.values()) else None


def _is_image(name: str) -> bool:
    return base_name(name).strip().lower().endswith(IMAGE_SUFFIXES)


def _layout(lines: Sequence[str], suffix: str) -> _Layout | None:
    """How a table is made; None where that is not to be seen. A text file with tabs is PaddleOCR's."""
    if not lines:
        return None
    plain = _PLAIN.match(lines[0])
    if plain:
        return _Layout(image=0, text=1, header=0, delimiter=plain[2], cells=2)
    header = split_header(lines[0])
    columns = _columns(header) if suffix != ".txt" else None
    if columns is None:
        return None
    image, text = columns
    return _Layout(image=image, text=text, header=1, delimiter=delimiter_of(lines[0]), cells=len(header))


def _columns(header: Sequence[str]) -> tuple[int, int] | None:
    """Where the image and the text are; None where that is not to be seen."""
    if _COORDINATES & set(header):
        return None
    image = next((header.index(name) for name in IMAGE_COLUMNS if name in header), None)
    text = next((header.index(name) for name in TEXT_COLUMNS if name in header), None)
    return None if image is None or text is None or image == text else (image, text)


def convert_text_table(
    src: Path, out: Path, *, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every table under `src` to `out/rec_gt.txt` and `out/crop_img/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_texts(work, chain(_samples(work), _json_samples(work)), tool="a table of texts")


def _samples(work: ConvertedFolder) -> Iterator[FoundText]:
    for path in (one for suffix in SUFFIXES for one in work.with_suffix(suffix)):
        lines = load_lines(work, path)
        if lines is None:
            continue
        layout = None if NOT_LABELS.search(path.stem) else _layout(lines, path.suffix.lower())
        if layout is None:
            report_other(work, path, "a table of texts")
            continue
        read = _read_plain if path.suffix.lower() == ".txt" else _read
        yield from read(work, path, lines, layout)


def _json_samples(work: ConvertedFolder) -> Iterator[FoundText]:
    for path in work.with_suffix(JSON):
        content = load_json(work, path)
        mapping = _mapping(content)
        if mapping is None:
            if content is not None:
                report_other(work, path, "a table of texts")
            continue
        for name, text in mapping.items():
            if isinstance(text, str):
                yield _found(path, 0, str(name), text)
            else:
                lose(work, path, "bad_text", 0, "the text is not text", value=name)


def _read(work: ConvertedFolder, path: Path, lines: Sequence[str], layout: _Layout) -> Iterator[FoundText]:
    for row in read_rows(lines, layout.delimiter, header=layout.header):
        cells = list(row.cells)
        if row.lines == 1 and layout.text == layout.cells - 1 and len(cells) > layout.cells:
            # A text that is the last cell and not in quotes may hold what stands between cells.
            cells[layout.text :] = lines[row.line - 1].split(layout.delimiter, layout.text)[layout.text :]
        if row.broken or len(cells) != layout.cells or row.lines > 1:
            hint = "not as many cells as columns; a quote that is not closed takes the lines that follow"
            value = row.broken or f"{len(cells)} cells, {row.lines} lines"
            lose(work, path, "bad_line", row.line, hint, value=value, count=row.lines)
        else:
            yield _found(path, row.line, cells[layout.image], cells[layout.text])


def _read_plain(
    work: ConvertedFolder, path: Path, lines: Sequence[str], layout: _Layout
) -> Iterator[FoundText]:
    """Of a text file, whose quotes are not those of CSV."""
    for number, line in enumerate(lines, start=1):
        found = _PLAIN.match(line)
        if found:
            yield _found(path, number, found[1], unquoted(line[found.end() :].strip()))
        elif line.strip():
            lose(
                work,
                path,
                "bad_line",
                number,
                f"it does not begin with an image and {layout.delimiter!r}",
                value=line,
            )


def _found(path: Path, line: int, image: str, text: str) -> FoundText:
    name = image.strip()
    # Some tables name images without their suffix.
    return FoundText(file=path, line=line, written=name, stems=(base_name(name),) if name else (), text=text)
