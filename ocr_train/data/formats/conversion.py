"""What a conversion of somebody else's labels gives back, and the files it may write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.errors import DataError, StorageError

_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True, kw_only=True)
class ConversionProblem:
    """Something a person should know of: what (`kind`), where (`file`, `line` from 1, 0 for the whole file),
    the `value` that stands there, and a `hint` what to do."""

    file: str
    kind: str
    value: str
    hint: str
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was written: `labels` with so many `images` and `boxes`; how much of what kind was `skipped`."""

    labels: Path
    images: int
    boxes: int
    skipped: Mapping[str, int]
    problems: tuple[ConversionProblem, ...]

    @property
    def samples(self) -> int:
        """How many samples there are of any task."""
        return self.images

    @property
    def states(self) -> str:
        """What the tool notes of its images, in a few words; nothing where it notes nothing."""
        return ""

    @property
    def exported(self) -> tuple[Path, int] | None:
        """The recognition labels that the tool has exported itself, and how many crops they have."""
        return None


def one_line(text: str) -> str | None:
    """A transcription as one line: line breaks and control characters become a space, outer space goes.

    None where the text is not Unicode (half of a surrogate pair), which no file in UTF-8 can hold.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return _LINE_BREAKS.sub(" ", text).strip()


def require_own_folder(src: Path, out: Path) -> None:
    """Raise `DataError` where `out` is `src` or holds it: a conversion writes into a folder of its own."""
    inside, outside = src.resolve(), out.resolve()
    if outside == inside or outside in inside.parents:
        raise DataError(f"{out} holds the source {src}", hint="Give a new folder for the result.")


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
