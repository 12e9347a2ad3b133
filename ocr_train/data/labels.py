"""PaddleOCR's label files: one sample a line, the image's path, a tab, the label.

Detection: the label is a JSON list of boxes, `[{"transcription": str, "points": [[x, y], ...]}, ...]`, in
pixels of the image as it is stored. Recognition and classification: the label is the text (or class) itself.
Format: PaddleOCR `ppocr/data/simple_dataset.py` and `ppocr/data/imaug/label_ops.py`, as of 2.10.

Reading is lenient about what does no harm (a BOM, CRLF, a missing final newline) and counts it; what PaddleOCR
would stumble over comes back as a `BadLine`, never as an exception.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.ocr_engine.files import open_regular

IGNORED_TRANSCRIPTIONS = ("*", "###")
"""The transcriptions that make PaddleOCR ignore a box; its `difficult` key does nothing."""

Point = tuple[float, float]
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class LabelLine:
    """One sample: `image` as written (relative to the data folder), `label` without its line end.

    `line` counts from 1. `crlf` and `bom` say what was taken off in reading.
    """

    file: Path
    line: int
    image: str
    label: str
    crlf: bool = False
    bom: bool = False


@dataclass(frozen=True, kw_only=True)
class TableLine(LabelLine):
    """A sample of a table model: a line of JSON that names its image as `filename` and has `html`; `label` is the whole line.

    Format: PaddleOCR `ppocr/data/pubtab_dataset.py`, as of 2.10, and PubTabNet.
    """


@dataclass(frozen=True, kw_only=True)
class BadLine:
    """A line that holds no sample. `kind` is "no_tab", "not_utf8" or "empty_image"; `text` is the line, shortened."""

    file: Path
    line: int
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Box:
    """One text box: at least 4 `points` (x, y) in pixels, clockwise from the top left in good data."""

    transcription: str
    points: tuple[Point, ...]

    @property
    def ignored(self) -> bool:
        """Whether PaddleOCR leaves this box out of the loss and of the score."""
        return self.transcription in IGNORED_TRANSCRIPTIONS


def read_labels(path: Path) -> Iterator[LabelLine | BadLine]:
    """Read a label file line by line in constant memory; blank lines are passed over.

    Raises `OSError` where the file cannot be read.
    """
    return (entry for entry, _ in raw_labels(path) if entry is not None)


def raw_labels(path: Path) -> Iterator[tuple[LabelLine | BadLine | None, bytes]]:
    """The same with the bytes of each line, blank ones (None) among them: all of the file."""
    with open_regular(path) as lines:
        for number, raw in enumerate(lines, start=1):
            bom = number == 1 and raw.startswith(b"\xef\xbb\xbf")
            yield _parse_line(path, number, raw[3:] if bom else raw, bom=bom), raw


def _parse_line(path: Path, number: int, raw: bytes, *, bom: bool) -> LabelLine | BadLine | None:
    body = raw.rstrip(b"\r\n")
    if not body.strip():
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return BadLine(file=path, line=number, kind="not_utf8", text=shorten(body.decode("utf-8", "replace")))
    if text.startswith("{") and (named := _image_of_table(text)):
        return TableLine(file=path, line=number, image=named, label=text, crlf=raw.endswith(b"\r\n"), bom=bom)
    image, tab, label = text.partition("\t")
    if not tab:
        return BadLine(file=path, line=number, kind="no_tab", text=shorten(text))
    if not image.strip():
        return BadLine(file=path, line=number, kind="empty_image", text=shorten(text))
    return LabelLine(file=path, line=number, image=image, label=label, crlf=raw.endswith(b"\r\n"), bom=bom)


def _image_of_table(text: str) -> str:
    """The image that a line of a table's labels names; nothing where it is no such line."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    image = row.get("filename") if isinstance(row, dict) and "html" in row else None
    return image if isinstance(image, str) and image.strip() else ""


def shorten(text: str, limit: int = 80) -> str:
    """Cut `text` to `limit` characters for a message, marking the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def format_line(image: str, label: str) -> str:
    """One line of a label file, with its line end."""
    return f"{image}\t{label}\n"


def format_sample(line: LabelLine) -> str:
    """A sample as a line of a label file; that of a table names its image inside of its JSON."""
    if not isinstance(line, TableLine):
        return format_line(line.image, line.label)
    row = json.loads(line.label)
    if row["filename"] == line.image:
        return f"{line.label}\n"
    row["filename"] = line.image
    # Half of a surrogate pair can be spelled in JSON, and not in UTF-8: then all is spelled out.
    spelled = bool(_SURROGATE.search(text := json.dumps(row, ensure_ascii=False)))
    return f"{json.dumps(row) if spelled else text}\n"


def format_boxes(boxes: Iterable[Box]) -> str:
    """The JSON of a detection label, as PaddleOCR reads it; non-ASCII text stays readable."""
    return json.dumps(
        [
            {"transcription": box.transcription, "points": [_numbers(point) for point in box.points]}
            for box in boxes
        ],
        ensure_ascii=False,
    )


def _numbers(point: Sequence[float]) -> list[float]:
    """Whole pixels are written as integers, as PPOCRLabel does."""
    return [int(value) if float(value).is_integer() else float(value) for value in point]


def signed_area(points: Sequence[Point]) -> float:
    """The area in square pixels: above zero for clockwise points, as y points down (the shoelace formula)."""
    shifted = [*points[1:], points[0]]
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(points, shifted, strict=True)) / 2


def corner_turns(points: Sequence[Point]) -> list[float]:
    """For each corner twice the area of its triangle in square pixels; above zero where the outline turns right."""
    corners = zip((points[-1], *points[:-1]), points, (*points[1:], points[0]), strict=True)
    return [(bx - ax) * (cy - by) - (by - ay) * (cx - bx) for (ax, ay), (bx, by), (cx, cy) in corners]
