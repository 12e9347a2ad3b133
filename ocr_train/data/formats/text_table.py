"""Converts recognition labels in a table, CSV or TSV: a line with the names of the columns, then an image and its text a line.

| column | names, in any case |
|---|---|
| the image | filename, file_name, image, image_path, path, file, ... |
| the text | words, text, label, transcription, identity, ... |

Between the cells stand commas, semicolons or tabs. A text in quotes may hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ocr_train.data.formats.conversion import Conversion, ConvertedFolder
from ocr_train.data.formats.crop_texts import FoundText, convert_texts, lose
from ocr_train.data.formats.pages import load_lines, report_other
from ocr_train.data.formats.peek import FilePeek, delimiter_of, read_rows, split_header, split_row
from ocr_train.data.image_files import IMAGE_SUFFIXES, base_name

SUFFIXES = (".csv", ".tsv")
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
_COORDINATES = frozenset(
    {"xmin", "x1", "x", "left", "xtl", "bbox", "region_shape_attributes", "points", "polygon"}
)


def is_text_table(peek: FilePeek) -> bool:
    """Whether there is a column of images and one of texts, none of coordinates, and the first rows name images."""
    columns = _columns(peek.header)
    if columns is None or len(peek.lines) < 2:
        return False
    delimiter = delimiter_of(peek.lines[0])
    rows = [split_row(line, delimiter) for line in peek.lines[1:5]]
    return any(
        len(row) > columns[0] and base_name(row[columns[0]]).lower().endswith(IMAGE_SUFFIXES) for row in rows
    )


def _columns(header: Sequence[str]) -> tuple[int, int] | None:
    """Where the image and the text are; None where that is not to be seen."""
    if _COORDINATES & set(header):
        return None
    image = next((header.index(name) for name in IMAGE_COLUMNS if name in header), None)
    text = next((header.index(name) for name in TEXT_COLUMNS if name in header), None)
    return None if image is None or text is None or image == text else (image, text)


def convert_text_table(src: Path, out: Path, *, overwrite: bool = False) -> Conversion:
    """Convert every table under `src` to `out/rec_gt.txt` and `out/crop_img/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite)
    return convert_texts(work, _samples(work), tool="a table of texts")


def _samples(work: ConvertedFolder) -> Iterator[FoundText]:
    for path in (one for suffix in SUFFIXES for one in work.with_suffix(suffix)):
        lines = load_lines(work, path)
        if lines is None:
            continue
        columns = _columns(split_header(lines[0]))
        if columns is None:
            report_other(work, path, "a table of texts")
            continue
        yield from _read(work, path, lines, columns)


def _read(
    work: ConvertedFolder, path: Path, lines: list[str], columns: tuple[int, int]
) -> Iterator[FoundText]:
    image, text = columns
    for row in read_rows(lines, delimiter_of(lines[0])):
        if row.broken or len(row.cells) <= max(columns) or row.lines > 1:
            hint = "the line has no image and text; a quote that is not closed takes the lines that follow"
            lose(
                work,
                path,
                "bad_line",
                row.line,
                hint,
                value=row.broken or f"{row.lines} lines",
                count=row.lines,
            )
            continue
        name = row.cells[image].strip()
        # Some tables name images without their suffix.
        stems = (base_name(name),) if name else ()
        yield FoundText(file=path, line=row.line, written=name, stems=stems, text=row.cells[text])
