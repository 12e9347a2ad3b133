"""Image files: reading them as PaddleOCR does, names that are safe everywhere, writing them whole.

Images are read as PaddleOCR reads them, by `cv2.imdecode` of the file's bytes: EXIF rotation is applied,
and a path that is not ASCII works on every system.
"""

from __future__ import annotations

import filecmp
import re
from pathlib import Path
from typing import Any

from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import read_regular
from ocr_train.ocr_engine.images import ImageError, decode_image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

_DRIVE = re.compile(r"^[A-Za-z]:")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"|?*/\\\ud800-\udfff]')
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_NAME_BYTES = 180
_SIGNATURES = {
    b"\xff\xd8": ".jpg",
    b"\x89PNG": ".png",
    b"BM": ".bmp",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
}


def is_file(path: Path) -> bool:
    """Whether `path` is a file; False, too, for a path that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def slashed(name: str) -> str:
    """A path as written on any system, with slashes, without a drive letter."""
    return _DRIVE.sub("", name.replace("\\", "/"))


def base_name(name: str) -> str:
    """The last part of a path as written on any system."""
    return slashed(name).rstrip("/").rpartition("/")[2]


def safe_name(name: str) -> str:
    """One file or folder name that every system takes and that cannot leave its folder; Unicode stays as it
    is.

    Control characters (a tab or line end would break the label file), separators, and what Windows refuses
    become "_"; a name that is too long keeps its suffix.
    """
    safe = _NOT_IN_NAMES.sub("_", name).strip().rstrip(". ")
    if not safe or _RESERVED.match(safe):
        safe = f"_{safe}"
    stem, dot, suffix = safe.rpartition(".")
    if len(safe.encode()) > _NAME_BYTES:
        tail = f"{dot}{suffix}" if stem and len(suffix) < 10 else ""
        cut = (stem if tail else safe).encode()[: _NAME_BYTES - len(tail.encode())]
        safe = cut.decode(errors="ignore") + tail
    return safe


class UniquePaths:
    """Gives out relative paths that differ even where upper and lower case are the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def take(self, name: str) -> str:
        """`name`, or `name` with the first free of `2_`, `3_`, ... before its last part.

        In front, because what stands behind `_crop_` in a name says that it is a crop of a page.
        """
        folder, slash, last = name.rpartition("/")
        free, number = name, self._last.get(name.casefold(), 1)
        while free.casefold() in self._taken:
            number += 1
            free = f"{folder}{slash}{number}_{last}"
        self._last[name.casefold()] = number
        self._taken.add(free.casefold())
        return free


def decode_or_none(data: bytes, *, ignore_exif: bool = False) -> Any:
    """The image as (height, width, 3) uint8 BGR, or None where OpenCV cannot read it."""
    try:
        return decode_image(data, ignore_orientation=ignore_exif)
    except (ImageError, MemoryError):
        return None


def read_or_none(path: Path) -> Any:
    """`decode_or_none` of a file; None, too, where the file cannot be read."""
    try:
        return decode_or_none(read_regular(path))
    except (OSError, ValueError):
        return None


def image_suffix(data: bytes) -> str:
    """The usual suffix of an image file of this content, by its first bytes; empty for an unknown kind."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SIGNATURES.items() if data.startswith(start)), "")


def encode_image(image: Any, suffix: str) -> bytes:
    """The bytes of an image file; JPEG at OpenCV's quality of 95."""
    import cv2

    _, data = cv2.imencode(suffix, image)
    return bytes(data.tobytes())


def require_unchanged(path: Path, text: str) -> None:
    """Raise `DataError` where `path` exists and does not hold exactly `text`."""
    if path.exists() and path.read_bytes() != text.encode():
        raise _changed(path)


def require_unchanged_file(path: Path, written: Path) -> None:
    """Raise `DataError` where `path` exists and does not hold exactly what the file `written` does."""
    if path.exists() and not filecmp.cmp(path, written, shallow=False):
        raise _changed(path)


def _changed(path: Path) -> DataError:
    return DataError(
        f"{path} exists and its content is different",
        hint="Give another folder, move the file away, or allow overwriting (--overwrite).",
    )
