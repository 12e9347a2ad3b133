"""A conversion of a folder that another tool left: its files, what becomes of them, and what a person should know."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.data.checks.problems import ERROR, NOTE, Problem
from ocr_train.data.image_files import IMAGE_SUFFIXES, UniquePaths, base_name, is_file, safe_name, slashed
from ocr_train.data.labels import Box, format_boxes, format_line, shorten
from ocr_train.errors import DataError, StorageError

NOTES = frozenset(
    {
        *("clipped", "line_widened", "mask_missing", "no_text", "exif_dropped", "image_labelled_twice"),
        *("difficult", "duplicate_image", "unconfirmed", "not_labelme"),
    }
)
"""Kinds of a conversion's problems that lose no sample and no box; with any other, something is left out."""

_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was written: `labels` with so many `images` and `boxes`; how much of what kind was `skipped`.

    `rec_labels` with so many `crops` is what the tool had cut out itself, None where it has not. `confirmed` and
    `unconfirmed` count the images by what the tool notes of them; both are 0 where it notes nothing.
    """

    labels: Path
    images: int
    boxes: int
    skipped: Mapping[str, int]
    problems: tuple[Problem, ...]
    rec_labels: Path | None = None
    crops: int = 0
    confirmed: int = 0
    unconfirmed: int = 0

    @property
    def states(self) -> str:
        """How many images are confirmed, in a few words; nothing where the tool notes nothing."""
        if not (self.confirmed or self.unconfirmed):
            return ""
        return f"{self.confirmed} images are confirmed in PPOCRLabel, {self.unconfirmed} are not"


def conversion_problem(file: object, kind: str, value: object, hint: str, line: int = 0) -> Problem:
    """Something a person should know of; `line` counts from 1, 0 for the whole file."""
    return Problem(
        file=str(file),
        line=line,
        kind=kind,
        value=shorten(str(value), 200),
        hint=hint,
        severity=NOTE if kind in NOTES else ERROR,
    )


class ConvertedFolder:
    """All files under `src` at this moment, in a fixed order, and what becomes of them in `out`, which is left alone.

    Nothing outside `src` is ever found, whatever a label says: a label is not trusted with other folders.
    Raises `DataError` where `src` is not a folder, or `out` holds it.
    """

    def __init__(self, src: Path, out: Path, *, overwrite: bool) -> None:
        if not src.is_dir():
            raise DataError(f"{src} is not a folder", hint="Give the folder that the tool worked in.")
        excluded = out.resolve()
        if src.resolve().is_relative_to(excluded):
            raise DataError(f"{out} holds the source {src}", hint="Give a new folder for the result.")
        self.src = src
        self.out = out
        self.skipped: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self._overwrite = overwrite
        self._names = UniquePaths()
        self._files: list[Path] = []
        self._images: dict[str, list[Path]] = defaultdict(list)
        for folder, folders, files in os.walk(src):
            folders[:] = [name for name in folders if (Path(folder) / name).resolve() != excluded]
            self._files += [Path(folder) / name for name in files]
        self._files.sort(key=lambda path: path.relative_to(src).parts)
        for path in self._files:
            if path.suffix.lower() in IMAGE_SUFFIXES:
                self._images[path.name].append(path)

    def with_suffix(self, suffix: str) -> list[Path]:
        """The files of one suffix, whatever its case."""
        return [path for path in self._files if path.suffix.lower() == suffix and is_file(path)]

    def named(self, name: str) -> list[Path]:
        """The files of one name."""
        return [path for path in self._files if path.name == name and is_file(path)]

    def find_image(self, folder: Path, written: str) -> Path | None:
        """The file that `written` means in a label in `folder`, None where there is none or more than one.

        It is where the path says, seen from `folder`; or in `folder` itself; or the only image of its name
        anywhere under the source, since absolute paths come from another machine.
        """
        relative = slashed(written)
        if not relative.startswith("/"):
            candidate = Path(os.path.normpath(folder / relative))
            if self._holds(candidate) and is_file(candidate):
                return candidate
        name = base_name(written)
        if name not in ("", ".", "..") and is_file(folder / name):
            return folder / name
        same_name = self._images.get(name, [])
        return same_name[0] if len(same_name) == 1 and is_file(same_name[0]) else None

    def _holds(self, path: Path) -> bool:
        """By the names alone: a link that a team put into its folder is theirs to follow."""
        inner = os.path.abspath(path)  # noqa: PTH100 - Path.resolve would follow links
        outer = os.path.abspath(self.src)  # noqa: PTH100 - the same
        return Path(inner).is_relative_to(outer)

    def report(self, file: Path, kind: str, value: object, hint: str, line: int = 0) -> None:
        """Note a problem."""
        self.problems.append(conversion_problem(file, kind, value, hint, line))

    def place(self, top: str, folder: Path | None, name: str) -> str:
        """A free name in the result: `top`, then where `folder` is under the source, then `name`."""
        folders = () if folder is None else folder.relative_to(self.src).parts
        return self._names.take("/".join([top, *(safe_name(part) for part in (*folders, name))]))

    def put(self, name: str, data: bytes) -> None:
        """Write a result; raises as `put_file`."""
        put_file(self.out / name, data, overwrite=self._overwrite)

    def put_labels(self, name: str, pages: Iterable[tuple[str, Sequence[Box]]]) -> Path:
        """Write a detection label file of images with their boxes."""
        text = "".join(format_line(image, format_boxes(boxes)) for image, boxes in pages)
        self.put(name, text.encode())
        return self.out / name


def one_line(text: str) -> str | None:
    """A transcription as one line: line breaks and control characters become a space, outer space goes.

    None where the text is not Unicode (half of a surrogate pair), which no file in UTF-8 can hold.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return _LINE_BREAKS.sub(" ", text).strip()


def put_file(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write a result. A file that exists with other content is only replaced where `overwrite` is set.

    Raises `DataError` for such a file, `StorageError` where writing fails.
    """
    try:
        if path.exists():
            if path.read_bytes() == data:
                return
            if not overwrite:
                raise DataError(
                    f"{path} exists and its content is different",
                    hint="Give an empty folder, or allow overwriting (--overwrite).",
                )
        write_bytes(path, data)
    except OSError as exc:
        raise StorageError(
            f"{path} cannot be written: {exc.strerror or exc}", hint="Check the folder and the free space."
        ) from exc
