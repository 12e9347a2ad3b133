"""Which files of a data folder are label files, for training and for validation.

By name: a part of the name that is `train` makes a training file; `val`, `valid`, `validation`, `eval` or `dev` a
validation file; `test` one where there is no other. One label file by any other name is split by us. Label files are
`.txt`; those of table models may be `.jsonl`, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from ocr_train.config.requests import LabelChoices
from ocr_train.data.files.image_files import IMAGE_SUFFIXES
from ocr_train.data.files.image_paths import ImagePaths, common_beginning, is_foreign
from ocr_train.data.files.system_files import is_system_file
from ocr_train.data.formats.pubtab import FOLDERS, SUFFIX, count_found
from ocr_train.data.formats.unknown import looks_like
from ocr_train.data.labels import LabelLine, TableLine, read_labels
from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import open_regular
from ocr_train.run import Echo
from ocr_train.storage.archive import is_any_archive

VAL_WORDS = ("val", "valid", "validation", "eval", "dev")
NOT_LABELS = re.compile(
    r"(^|[_\-.])(dict|keys|chars?|charset|vocab|classes|label_list|readme|license|requirements|filestate|manifest)",
    re.IGNORECASE,
)
PEEK_LINES = 50
DICTIONARY = "dict.txt"
_NAMED = 5
_FOLDERS_TRIED = 1000
_PASSED_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A text file of a data folder that is neither trained nor validated on, and `why`."""

    path: Path
    why: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Label files and the folder that their image paths are relative to; `val` is empty where we must split.

    `strip` is left out of the beginning of the paths. `passed` are the other text files beside them.
    """

    images: Path
    train: tuple[Path, ...]
    val: tuple[Path, ...]
    dictionary: Path | None
    strip: str = ""
    passed: tuple[PassedOver, ...] = ()

    @property
    def split_from(self) -> tuple[Path, ...]:
        """The training label files that validation samples are split off, where no label file is for these."""
        return self.train

    @property
    def split_below(self) -> str:
        """What the paths of their images begin with that says nothing about which set a sample is for."""
        return ""

    @cached_property
    def paths(self) -> ImagePaths:
        """Finds the images that the label files name; one for all, as it remembers what was found by another spelling."""
        return ImagePaths(self.images, self.strip)


def find_layout(
    folder: Path, task: str, choices: LabelChoices | None = None, *, val_alone: bool = False
) -> Layout:
    """Find the label files in `folder`, or in its one subfolder that has any (`task`'s by preference).

    `choices` may name the folder of the images (relative to `folder`, or to where we are) and what paths begin with;
    with `val_alone` a validation file without one for training will do. Raises `DataError` where there is no label file,
    or where the names do not tell which is which.
    """
    choices = choices or LabelChoices()
    require_folder(folder)
    place, files = _label_files(folder, task)
    train, val = sets_by_name(files)
    if not train and not (val and val_alone):
        names = ", ".join(path.name for path in files[:_NAMED])
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        raise DataError(
            f"{place} has {names}{more}, and no name says which of them is for training.{looks_like(place)}",
            hint="Name them train.txt and val.txt, or leave one label file alone to have it split.",
        )
    _refuse_empty([*train, *val])
    dictionary = find_dictionary(place, folder)
    images, strip = _place_of_images(place, [*train, *val], choices, folder)
    return Layout(
        images=images,
        train=train,
        val=val,
        dictionary=dictionary,
        strip=strip,
        passed=tuple(_passed_over(place, task, {*train, *val, *filter(None, [dictionary])}, bool(val))),
    )


def require_folder(folder: Path) -> None:
    """Raise `DataError` where `folder` is none."""
    if folder.is_file():
        raise DataError(
            f"data: {str(folder)!r} is a file and not a folder.",
            hint=f"Give the folder that it is in: {str(folder.parent)!r}",
        )
    if not folder.is_dir():
        raise DataError(
            f"data: there is no folder {str(folder)!r}.",
            hint="Give a folder with labels and images, an archive of one, or s3://bucket/prefix.",
        )


def find_dictionary(*folders: Path) -> Path | None:
    """The dictionary that lies with label files: `dict.txt` in the first of `folders` that has one."""
    return next((path for folder in folders if (path := folder / DICTIONARY).is_file()), None)


def images_folder(images: str, data: Path) -> Path:
    """The folder of the images that was named: in the data, or seen from where we are. Raises `DataError`."""
    for path in (data / images, Path(images).expanduser().absolute()):
        if path.is_dir():
            return path
    raise DataError(
        f"images: there is no folder {images!r}, neither in {str(data)!r} nor here.",
        hint="Give the folder that the paths in the labels are relative to.",
    )


def say_layout(layout: Layout, echo: Echo) -> None:
    """Say which label files train, which validate, and which are passed over."""
    for files, what in ((layout.train, "training"), (layout.val, "validation")):
        if files:
            joined = " (joined)" if len(files) > 1 else ""
            echo(
                f"labels: for {what}{joined}: {', '.join(f'{path.name} ({_lines(path)} lines)' for path in files)}"
            )
    if layout.strip:
        echo(f"labels: image paths begin with {layout.strip!r}, which is left out")
    for one in layout.passed[:_PASSED_SHOWN]:
        echo(f"labels: passed over: {one.path.name} ({_lines(one.path)} lines): {one.why}")
    if len(layout.passed) > _PASSED_SHOWN:
        echo(f"labels: passed over: {len(layout.passed) - _PASSED_SHOWN} more text files")


def _lines(path: Path) -> int:
    """How many lines a file has that are not blank."""
    try:
        with open_regular(path) as lines:
            return sum(bool(line.strip()) for line in lines)
    except OSError:
        return 0


def _passed_over(place: Path, task: str, used: Container[Path], has_val: bool) -> Iterator[PassedOver]:
    for path in _texts(place, task):
        if path in used:
            continue
        if NOT_LABELS.search(path.stem):
            yield PassedOver(path=path, why="by its name no label file")
        elif "test" in _words(path) and has_val:
            yield PassedOver(path=path, why="a test set, and another file is for validation")
        else:
            yield PassedOver(path=path, why="its name has none of the words train, val, test")


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
    if deeper := _deeper(folder, task):
        raise DataError(
            f"{folder} has no label file; the first ones are in {deeper}.",
            hint="Give that folder, or the one above it, as `data`.",
        )
    archives = sorted(path.name for path in folder.iterdir() if is_any_archive(path.name))
    if archives:
        raise DataError(
            f"{folder} has no label file, but {', '.join(archives[:_NAMED])}.",
            hint=f"Give the archive itself as `data` ({str(folder / archives[0])!r}), or unpack it.",
        )
    look = looks_like(folder) or _names_for_texts(folder)
    raise DataError(
        f"{folder} has no label file.{look}",
        hint=f"PaddleOCR's labels are text files such as train.txt, one sample a line: {_SAMPLES.get(task, _SAMPLES[''])}. "
        "What is read of other tools: docs/data.md, Labels of other tools.",
    )


def _names_for_texts(folder: Path) -> str:
    """That the folder has images alone, whose names may be what they show, as sets of captchas have them."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        return ""
    return (
        f" It has {len(images)} images, such as {min(images).name!r}: where their names are their texts, write them into "
        "train.txt, one a line: name, a tab, the text."
    )


_SAMPLES = {
    "": "image path, a tab, the label",
    "table": 'a line of JSON with "filename" and "html"; or .jsonl files of these, as PubTabNet\'s',
    "kie": "image path, a tab, a JSON list of boxes with their classes",
}
"""What a line of a label file is, by the task."""


def _deeper(folder: Path, task: str) -> Path | None:
    """The first folder further down that has label files, of the first few folders that there are."""
    for place, below, _ in islice(os.walk(folder), _FOLDERS_TRIED):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if any(_holds_samples(path) for path in _candidates(Path(place), task)):
            return Path(place)
    return None


def _holds_samples(path: Path) -> bool:
    return any(isinstance(line, LabelLine) for line in islice(read_labels(path), PEEK_LINES))


def _candidates(folder: Path, task: str) -> list[Path]:
    found = [path for path in _texts(folder, task) if not NOT_LABELS.search(path.stem)]
    # PPOCRLabel leaves labels of several kinds in one folder.
    return [path for path in found if _is_of(path, task)] or found


def _texts(folder: Path, task: str) -> list[Path]:
    """The files of a folder that may be label files, by their suffix in any case."""
    suffixes = (".txt", SUFFIX) if task == "table" else (".txt",)
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not is_system_file(path.name) and path.is_file()
    )


def _is_of(path: Path, task: str) -> bool:
    """Whether the first samples of a label file are those of a task with labels of its own kind; of others they may be."""
    first = [line for line in islice(read_labels(path), PEEK_LINES) if isinstance(line, LabelLine)]
    if task == "table":
        return any(isinstance(line, TableLine) for line in first)
    return task != "kie" or any(line.label.lstrip().startswith("[") for line in first)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_system_file(path.name))


def sets_by_name(files: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Training and validation files among `files`; a single file is for training, to be split."""
    train = tuple(path for path in files if "train" in _words(path))
    val = tuple(path for path in files if set(VAL_WORDS) & _words(path))
    test = tuple(path for path in files if "test" in _words(path))
    if not train and len(files) - len(val) - len(test) == 1:
        train = tuple(path for path in files if path not in val and path not in test)
    return train, val or test


def validation_files(files: Sequence[Path]) -> tuple[Path, ...]:
    """Those of `files` whose names say that they are for validation or for a test, where another is for training. Files
    of one name in several folders are told apart by the folders: `train/labels.txt` and `val/labels.txt`."""
    held_words = {*VAL_WORDS, "test"}
    words = {path: _words(path) for path in files}
    if not any({*held_words, "train"} & found for found in words.values()):
        words = {path: _words(path.absolute().parent) for path in files}
    held = tuple(path for path in files if held_words & words[path] and "train" not in words[path])
    return held if len(held) < len(set(files)) else ()


def _words(path: Path) -> set[str]:
    return {word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", path.stem.lower())}


def _refuse_empty(files: Iterable[Path]) -> None:
    empty = [str(path) for path in files if next(iter(read_labels(path)), None) is None]
    if empty:
        raise DataError(
            f"{', '.join(empty)}: no sample in {'it' if len(empty) == 1 else 'them'}: the file is empty.",
            hint="One sample a line: image path, a tab, the label.",
        )


def _place_of_images(
    place: Path, files: Sequence[Path], choices: LabelChoices, data: Path
) -> tuple[Path, str]:
    """The folder that the image paths are relative to, and what is left out of their beginning.

    It is the label file's own folder or, as PPOCRLabel writes, its parent; where no path is right in either, the
    beginning is left out that all of them have and none should.
    """
    first = [
        line
        for path in files
        for line in islice(read_labels(path), PEEK_LINES)
        if isinstance(line, LabelLine)
    ]
    names = [line.image for line in first if not line.image.startswith("[")]
    tables = [line.image for line in first if isinstance(line, TableLine)]
    if choices.images:
        root = images_folder(choices.images, data)
        return root, choices.strip or common_beginning(names, root)

    def found(root: Path) -> tuple[int, int]:
        plain = count_found(root, [name for name in names if not is_foreign(name)])
        below = max(count_found(root / folder, tables) for folder in FOLDERS)
        return plain + below, ImagePaths(root, choices.strip).count(names)

    root = max((place, place.parent), key=found)
    return root, choices.strip or common_beginning(names, root)
