"""Which tool's labels a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.data.layout import NOT_LABELS
from ocr_train.errors import DataError
from ocr_train.ocr_engine.documents import read_json

PADDLEOCR = "paddleocr"
LABELME = "labelme"
PPOCRLABEL = "ppocrlabel"
FORMATS = (PADDLEOCR, LABELME, PPOCRLABEL)
_JSONS_TRIED = 50


def detect_format(folder: Path) -> str:
    """ "paddleocr", "labelme" or "ppocrlabel", by what lies in `folder`; "paddleocr" where nothing tells.

    In this order: a training file of PaddleOCR's (`*train*.txt`, here or one folder down) is what somebody
    made last and is taken as it is; `Label.txt` with `fileState.txt`, anywhere below, is PPOCRLabel's; any
    other label file in the folder itself is PaddleOCR's; a JSON file with `shapes`, anywhere below, is
    LabelMe's. Raises `DataError` where there is no such folder or it cannot be read.
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
    names: set[str] = set()
    jsons: list[Path] = []
    for path in _files(folder):
        if path.name in ("Label.txt", "fileState.txt"):
            names.add(path.name)
            if len(names) == 2:
                return PPOCRLABEL
        elif path.suffix.lower() == ".json" and len(jsons) < _JSONS_TRIED:
            jsons.append(path)
    if any(path.parent == folder and _holds_labels(path) for path in texts):
        return PADDLEOCR
    return LABELME if any(_is_labelme(path) for path in jsons) else PADDLEOCR


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


def _is_labelme(path: Path) -> bool:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)
