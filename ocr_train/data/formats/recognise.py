"""Which tool's labels a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ocr_train.data.formats.table import FORMATS, PADDLEOCR
from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.data.layout import NOT_LABELS
from ocr_train.errors import DataError

_JSONS_TRIED = 50


def detect_format(folder: Path) -> str:
    """A name of the table of formats, or "paddleocr", by what lies in `folder`; "paddleocr" where nothing tells.

    In this order: a training file of PaddleOCR's (`*train*.txt`, here or one folder down) is what somebody
    made last and is taken as it is; files that a tool is known by, such as PPOCRLabel's `Label.txt` with
    `fileState.txt`, anywhere below; any other label file in the folder itself is PaddleOCR's; a JSON file that
    is a tool's, anywhere below. Raises `DataError` where there is no such folder or it cannot be read.
    """
    if not folder.is_dir():
        raise DataError(
            f"data: there is no folder {str(folder)!r}.",
            hint="Give a folder with labels and images, or s3://bucket/prefix.",
        )
    try:
        return _detect(folder)
    except OSError as exc:
        raise DataError(
            f"{str(exc.filename or folder)!r} cannot be read: {exc.strerror}.", hint="Check its permissions."
        ) from exc


def _detect(folder: Path) -> str:
    texts = [*folder.glob("*.txt"), *folder.glob("[!.]*/*.txt")]
    if any("train" in path.stem.lower() and _holds_labels(path) for path in texts):
        return PADDLEOCR
    marks = {name: one.names for name, one in FORMATS.items() if one.names}
    known = frozenset().union(*marks.values())
    names: set[str] = set()
    jsons: list[Path] = []
    for path in _files(folder):
        if path.name in known:
            names.add(path.name)
            if found := next((name for name, needed in marks.items() if needed <= names), ""):
                return found
        elif path.suffix.lower() == ".json" and len(jsons) < _JSONS_TRIED:
            jsons.append(path)
    if any(path.parent == folder and _holds_labels(path) for path in texts):
        return PADDLEOCR
    tests = {name: one.is_its for name, one in FORMATS.items() if one.is_its}
    return next((name for path in jsons for name, is_its in tests.items() if is_its(path)), PADDLEOCR)


def _files(folder: Path) -> Iterator[Path]:
    """All files below, in a fixed order; folders whose name begins with a dot are tools' own."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            yield Path(place) / name


def _holds_labels(path: Path) -> bool:
    """Whether one of the first lines is a sample; lists of characters or of file states are not labels."""
    if NOT_LABELS.search(path.stem) or not path.is_file():
        return False
    return any(isinstance(line, LabelLine) for line in islice(read_labels(path), 5))
