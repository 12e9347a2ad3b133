"""The samples of a label file, and where the images are that they name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ocr_train.data.image_files import is_file
from ocr_train.data.labels import BadLine, LabelLine, read_labels
from ocr_train.errors import DataError


def read_samples(labels: Path) -> tuple[list[LabelLine], list[BadLine]]:
    """The samples of a label file and the lines that hold none. Raises `DataError` where it cannot be
    read."""
    lines: list[LabelLine] = []
    bad: list[BadLine] = []
    try:
        for line in read_labels(labels):
            if isinstance(line, BadLine):
                bad.append(line)
            else:
                lines.append(line)
    except OSError as exc:
        raise DataError(f"{labels} cannot be read: {exc.strerror}", hint="Check the path.") from exc
    return lines, bad


def relocate(image: str, root: Path, out: Path) -> str:
    """The path (or JSON list of paths) `image`, relative to `root`, written relative to `out`."""
    if root.resolve() == out.resolve():
        return image
    names = [_relocate_one(name, root, out) for name in image_names(image)]
    return names[0] if image_names(image) == [image] else json.dumps(names, ensure_ascii=False)


def _relocate_one(name: str, root: Path, out: Path) -> str:
    if Path(name).is_absolute():
        return name
    try:
        return Path(os.path.relpath(root.resolve() / name, out.resolve())).as_posix()
    except ValueError:
        # Another drive on Windows.
        return (root.resolve() / name).as_posix()


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


def image_root(labels: Path, images: Iterable[str]) -> Path:
    """The folder that the paths in `labels` are relative to.

    That is the label file's own folder, or its parent for PPOCRLabel's `<folder>/<image>`: the first of the
    two under which one of the first hundred images exists; its own folder where none does.
    """
    names = [name for _, image in zip(range(100), images, strict=False) for name in image_names(image)]
    for root in (labels.parent, labels.parent.resolve().parent):
        if any(is_file(root / name) for name in names):
            return root
    return labels.parent
