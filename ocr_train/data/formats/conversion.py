"""A conversion of a folder that another tool left: its files, what becomes of them, and what a person should know."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ocr_train.atomic_files import write_bytes
from ocr_train.data.checks.problems import ERROR, NOTE, Problem
from ocr_train.data.difficult import KEEP, hint_of_difficult
from ocr_train.data.files.image_files import (
    IMAGE_SUFFIXES,
    UniquePaths,
    base_name,
    is_file,
    safe_name,
    slashed,
)
from ocr_train.data.files.system_files import walk_files
from ocr_train.data.formats.image_index import ImageIndex
from ocr_train.data.labels import Box, LabelLine, format_boxes, format_line, shorten
from ocr_train.errors import DataError, StorageError

NOTES = frozenset(
    {
        *(
            "clipped",
            "mended",
            "line_widened",
            "mask_missing",
            "no_text",
            "exif_dropped",
            "image_labelled_twice",
        ),
        *("difficult", "duplicate_image", "unconfirmed", "not_labelme", "unknown_shape"),
        *("text_field", "class_names"),
        *("other_file", "class_as_text", "several_annotations", "texts_not_joined", "other_tool"),
    }
)
"""Kinds of a conversion's problems that lose no sample and no box; with any other, something is left out."""
NOT_LOST = frozenset(
    {
        *("page_without_boxes", "unconfirmed", "point", "points", "crop_without_text", "duplicate_image"),
        *("same_box_twice", "other_annotation", "whole_text", "other_level"),
    }
)
"""What a conversion leaves out as it should: nothing that somebody drew around a text is gone."""

CLIPPED_HINT = "they reach outside the image; the part outside was cut off"
MENDED_HINT = (
    "their outlines cross or touch themselves, and became the outline of what they enclose, or the smallest rectangle "
    "around it: draw them again where that is not meant"
)
MISSED = frozenset({"image_missing", "crop_missing"})
"""PPOCRLabel's lines stay though their image is missing, so that the check of the labels meets them, too."""
IMAGE_NOT_FOUND = (
    "no image of this name is under the source folder, or several are and their folders do not tell which"
)
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
    def lost(self) -> int:
        """How many pages and boxes were left out that somebody may want."""
        # Where the boxes of a page without its image are counted, the page is not counted again.
        known = NOT_LOST | ({"page_without_image"} if "box_without_image" in self.skipped else set())
        counted = sum(count for kind, count in self.skipped.items() if kind not in known)
        errors = (problem for problem in self.problems if problem.severity == ERROR)
        return max(counted, sum(problem.kind not in MISSED for problem in errors))

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


def difficult_note(found: Sequence[tuple[LabelLine, int]], choice: str) -> Problem:
    """What became of the difficult boxes of PaddleOCR's own labels: lines with how many each has."""
    first, _ = found[0]
    value = f"{sum(count for _, count in found)} boxes in {len(found)} images; here is the first"
    return conversion_problem(
        first.file, "difficult", value, hint_of_difficult(choice, usual=KEEP), first.line
    )


class FolderOptions(TypedDict, total=False):
    """What every conversion may be asked for: `empty_pages` keeps images without a box as `[]`; `images` is a folder
    with images beside those of the source."""

    empty_pages: bool
    images: Path


class ConvertedFolder:
    """A person's files under `src` at this moment, in a fixed order, and what becomes of them in `out`, which is left alone.

    Nothing outside `src` (and the folder of `images`) is ever found, whatever a label says: a label is not trusted with
    other folders.
    Raises `DataError` where `src` is not a folder, or `out` holds it.
    """

    def __init__(
        self,
        src: Path,
        out: Path,
        *,
        overwrite: bool,
        empty_pages: bool = False,
        images: Path | None = None,
    ) -> None:
        if not src.is_dir():
            raise DataError(f"{src} is not a folder", hint="Give the folder that the tool worked in.")
        excluded = out.resolve()
        if src.resolve().is_relative_to(excluded):
            raise DataError(f"{out} holds the source {src}", hint="Give a new folder for the result.")
        self.src = src
        self.out = out
        self.skipped: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self.empty_pages = empty_pages
        self._elsewhere = None if images is None or images.resolve().is_relative_to(src.resolve()) else images
        self._overwrite = overwrite
        self._names = UniquePaths()
        self._files: list[Path] = []
        self._images = ImageIndex(src)
        self._files += walk_files(src, into=lambda folder: folder.resolve() != excluded)
        self._files.sort(key=lambda path: path.relative_to(src).parts)
        for path in (*self._files, *(walk_files(self._elsewhere) if self._elsewhere else ())):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                self._images.add(path)

    def with_suffix(self, suffix: str) -> list[Path]:
        """The files of one suffix, whatever its case."""
        return [path for path in self._files if path.suffix.lower() == suffix and is_file(path)]

    def named(self, name: str) -> list[Path]:
        """The files of one name."""
        return [path for path in self._files if path.name == name and is_file(path)]

    def find_image(self, folder: Path, written: str) -> Path | None:
        """The file that `written` means in a label in `folder`, None where there is none or more than one.

        It is where the path says, seen from `folder`; or in `folder` itself; or the only image of its name (upper and
        lower case being the same) anywhere under the source, since absolute paths come from another machine; of
        several such images the one whose folders are named as in `written`.
        """
        relative = slashed(written)
        for place in (folder, *([self._elsewhere] if self._elsewhere else [])):
            candidate = Path(os.path.normpath(place / relative))
            if not relative.startswith("/") and self._root_of(candidate) and is_file(candidate):
                return candidate
        name = base_name(written)
        if name not in ("", ".", "..") and is_file(folder / name):
            return folder / name
        return self._images.named(name, relative.split("/")[:-1])

    def find_by_stem(self, folder: Path, stems: Sequence[str]) -> Path | None:
        """The image of a label file in `folder` that has the name of one of `stems` but for its suffix.

        Of several, one in the same folder, else the one whose folders share most words with the label file's:
        `labels/train/1.txt` is about `images/train/1.jpg`. None where there is none, or that does not tell.
        """
        found = (self._images.of_stem(stem, folder) for stem in stems)
        return next((path for path in found if path is not None), None)

    def _root_of(self, path: Path) -> Path | None:
        """The source, or the folder of the images, that holds `path`; by the names alone: a link that a team put into its
        folder is theirs to follow."""
        inner = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links
        roots = (self.src, self._elsewhere) if self._elsewhere else (self.src,)
        return next((root for root in roots if inner.is_relative_to(os.path.abspath(root))), None)  # noqa: PTH100 - the same

    def report(self, file: Path, kind: str, value: object, hint: str, line: int = 0) -> None:
        """Note a problem."""
        self.problems.append(conversion_problem(file, kind, value, hint, line))

    def place(self, top: str, folder: Path | None, name: str) -> str:
        """A free name in the result: `top`, then where `folder` is under the source, then `name`."""
        root = None if folder is None else self._root_of(folder)
        folders = () if folder is None or root is None else folder.relative_to(root).parts
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
