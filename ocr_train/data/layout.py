"""Which files of a data folder are label files, for training and for validation.

By name: a part of the name that is `train` makes a training file; `val`, `valid`, `validation`, `eval` or `dev` a
validation file; `test` one where there is no other. One label file by any other name is split by us. Label files are
`.txt`; those of table models may be `.jsonl`, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ocr_train.data.formats.pubtab import FOLDERS, SUFFIX, count_found, peek_names
from ocr_train.data.formats.unknown import looks_like
from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.errors import DataError

VAL_WORDS = ("val", "valid", "validation", "eval", "dev")
NOT_LABELS = re.compile(
    r"(^|[_\-.])(dict|keys|chars?|charset|vocab|classes|label_list|readme|license|requirements|filestate|manifest)",
    re.IGNORECASE,
)
PEEK_LINES = 50
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Label files and the folder that their image paths are relative to; `val` is empty where we must split."""

    images: Path
    train: tuple[Path, ...]
    val: tuple[Path, ...]
    dictionary: Path | None


def find_layout(folder: Path, task: str) -> Layout:
    """Find the label files in `folder`, or in its one subfolder that has any (`task`'s by preference).

    Raises `DataError` where there is none, or where the names do not tell which is which.
    """
    if not folder.is_dir():
        raise DataError(
            f"data: there is no folder {str(folder)!r}.",
            hint="Give a folder with label files and images, or s3://bucket/prefix.",
        )
    place, files = _label_files(folder, task)
    train, val = _sort(files)
    if not train:
        names = ", ".join(path.name for path in files[:_NAMED])
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        raise DataError(
            f"{place} has {names}{more}, and no name says which of them is for training.{looks_like(place)}",
            hint="Name them train.txt and val.txt, or leave one label file alone to have it split.",
        )
    _refuse_empty([*train, *val])
    dictionary = next((path for path in (place / "dict.txt", folder / "dict.txt") if path.is_file()), None)
    return Layout(images=_images(place, [*train, *val]), train=train, val=val, dictionary=dictionary)


def _label_files(folder: Path, task: str) -> tuple[Path, list[Path]]:
    here = _candidates(folder, task)
    if here:
        return folder, here
    nested = {path: found for path in _subfolders(folder) if (found := _candidates(path, task))}
    for path, found in nested.items():
        if path.name == task or len(nested) == 1:
            return path, found
    if nested:
        names = ", ".join(path.name for path in nested)
        raise DataError(
            f"{folder} has label files in several subfolders: {names}.", hint="Name one of them as `data`."
        )
    raise DataError(
        f"{folder} has no label file.{looks_like(folder)}",
        hint="PaddleOCR's labels are text files such as train.txt, one sample a line: image path, a tab, the label. "
        "What is read of other tools: docs/data.md, Labels of other tools.",
    )


def _candidates(folder: Path, task: str) -> list[Path]:
    suffixes = (".txt", SUFFIX) if task == "table" else (".txt",)
    return sorted(
        path
        for suffix in suffixes
        for path in folder.glob(f"*{suffix}")
        if path.is_file() and not NOT_LABELS.search(path.stem)
    )


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _sort(files: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Training and validation files among `files`; a single file is for training, to be split."""
    train = tuple(path for path in files if "train" in _words(path))
    val = tuple(path for path in files if set(VAL_WORDS) & _words(path))
    test = tuple(path for path in files if "test" in _words(path))
    if not train and len(files) - len(val) - len(test) == 1:
        train = tuple(path for path in files if path not in val and path not in test)
    return train, val or test


def validation_files(files: Sequence[Path]) -> tuple[Path, ...]:
    """Those of `files` whose names say that they are for validation or for a test, where another is for training."""
    train, _ = _sort(files)
    held = tuple(path for path in files if {*VAL_WORDS, "test"} & _words(path) and path not in train)
    return held if train else ()


def _words(path: Path) -> set[str]:
    return {word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", path.stem.lower())}


def _refuse_empty(files: Iterable[Path]) -> None:
    empty = [str(path) for path in files if next(iter(read_labels(path)), None) is None]
    if empty:
        raise DataError(
            f"{', '.join(empty)}: no sample in {'it' if len(empty) == 1 else 'them'}: the file is empty.",
            hint="One sample a line: image path, a tab, the label.",
        )


def _images(place: Path, files: Sequence[Path]) -> Path:
    """The folder that the image paths are relative to: the label file's own or, as PPOCRLabel writes, its parent."""
    names = [
        line.image
        for path in files
        for line in islice(read_labels(path), PEEK_LINES)
        if isinstance(line, LabelLine) and not line.image.startswith("[")
    ]

    tables = [name for path in files for name in peek_names(path)]

    def found(root: Path) -> int:
        return count_found(root, names) + max(count_found(root / folder, tables) for folder in FOLDERS)

    return max((place, place.parent), key=found)
