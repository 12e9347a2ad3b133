"""Label files of table models: JSON lines with the keys `filename` and `html`, as PaddleOCR's PubTabDataSet reads them.

Source: ppocr/data/pubtab_dataset.py, which opens `data_dir` / `filename`. PubTabNet keeps the images of each set in a
folder of its own and gives PaddleOCR two `data_dir`s; a run here has one, so the names get the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from ocr_train.data.image_files import is_file

SUFFIX = ".jsonl"
FOLDERS = ("", "train", "val", "test", "images")
"""Where the images may lie, below the folder that names are relative to."""
_PEEK_LINES = 50


def read_lines(labels: Path, images: Path) -> list[bytes]:
    """The samples of a label file as bytes with their line ends, blank lines left out.

    In JSON lines `filename` becomes relative to `images`, where the images lie in one of the usual subfolders.
    """
    lines = [line + b"\n" for line in labels.read_bytes().splitlines() if line.strip()]
    names = _names(islice(lines, _PEEK_LINES))
    folder = max(FOLDERS, key=lambda one: count_found(images / one, names))
    return [_moved(line, folder) for line in lines] if names and folder else lines


def peek_names(labels: Path) -> list[str]:
    """The images that the first lines of a file of JSON lines name; none where it is another kind of label file."""
    with labels.open("rb") as lines:
        return _names(islice(lines, _PEEK_LINES))


def count_found(folder: Path, names: Sequence[str]) -> int:
    """How many of the images `names` lie in `folder`."""
    return sum(is_file(folder / name) for name in names)


def _names(lines: Iterable[bytes]) -> list[str]:
    return [row["filename"] for line in lines if (row := _row(line)) is not None]


def _moved(line: bytes, folder: str) -> bytes:
    row = _row(line)
    if row is None:
        # PaddleOCR says what is wrong with it.
        return line
    text = json.dumps({**row, "filename": f"{folder}/{row['filename']}"}, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _row(line: bytes) -> dict[str, str] | None:
    """The JSON of a line that names an image, else None."""
    if not line.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("filename"), str) else None
