"""The samples of a label file, and the images that they name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ocr_train.data.checks.label_file import require_label_file
from ocr_train.data.labels import BadLine, LabelLine, TableLine, read_labels
from ocr_train.errors import DataError


def read_samples(labels: Path) -> tuple[list[LabelLine], list[BadLine]]:
    """The samples of a label file and the lines that hold none. Raises `DataError` where it cannot be
    read."""
    lines: list[LabelLine] = []
    bad: list[BadLine] = []
    try:
        require_label_file(labels)
        for line in read_labels(labels):
            if isinstance(line, BadLine):
                bad.append(line)
            else:
                lines.append(line)
    except OSError as exc:
        raise DataError(f"{labels} cannot be read: {exc.strerror}", hint="Check the path.") from exc
    return lines, bad


def refuse_tables(labels: Path, lines: Iterable[LabelLine], what: str) -> None:
    """Raise `DataError` for the labels of a table model, of which no text can be taken; `what` is made of texts."""
    if any(isinstance(line, TableLine) for line in lines):
        raise DataError(
            f"{labels} has labels of tables, and {what} of recognition labels.",
            hint="Give a label file of an image, a tab and a text a line.",
        )


def image_names(image: str) -> list[str]:
    """The images one line names: one, or several where PaddleOCR takes a JSON list and draws one at random.

    Format: PaddleOCR `SimpleDataSet._try_parse_filename_list`, as of 2.10.
    """
    if image.startswith("["):
        try:
            names = json.loads(image)
        except (ValueError, RecursionError):
            return [image]
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
    return [image]


def image_paths(labels: Path, images: Path) -> list[Path]:
    """Every image of the label file once, in its order; names are relative to `images`."""
    lines, _ = read_samples(labels)
    return list(dict.fromkeys(images / name for line in lines for name in image_names(line.image)))
