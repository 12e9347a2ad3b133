"""The image of an annotated page, turned as it was when somebody drew on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.data.files.image_files import IMAGE_SUFFIXES, decode_or_none, encode_image, image_suffix
from ocr_train.ocr_engine.files import read_regular
from ocr_train.ocr_engine.images import read_image_size

IMAGE_HINTS = {
    "unreadable_image": "OpenCV cannot read it: save it as JPEG or PNG",
    "size_mismatch": "the image is not as large as the labels say, its boxes would be in wrong places: label it again",
}
_EXIF = b"Exif\x00\x00"
_HEAD_BYTES = 262_144


@dataclass(frozen=True, kw_only=True)
class PageImage:
    """Image data that fits its labels, and its size as OpenCV decodes it.

    `exif_dropped` says that it was written again without a rotation.
    """

    data: bytes
    width: int
    height: int
    exif_dropped: bool = False


def fit_image(
    data: bytes, declared: tuple[int, int] | None, *, before_exif: bool = False, any_size: bool = False
) -> PageImage | str:
    """The image in the orientation in which it was labelled, or the kind of problem that it has (`IMAGE_HINTS`).

    Tools of today rotate as EXIF says, as OpenCV does. Where the size that they `declared` is that of the unrotated
    image, or the tool is known to be from `before_exif`, the unrotated one is written. With `any_size` the labels are
    shares of the image, which holds for a smaller copy of it, too.
    """
    size = _plain_size(data)
    if size is not None and (any_size or declared in (None, size)):
        return PageImage(data=data, width=size[0], height=size[1])
    image = decode_or_none(data)
    if image is None:
        return "unreadable_image"
    height, width = image.shape[:2]
    if declared in (None, (width, height)) and not before_exif:
        return PageImage(data=data, width=width, height=height)
    stored = decode_or_none(data, ignore_exif=True)
    stored_height, stored_width = stored.shape[:2]
    if declared in (None, (stored_width, stored_height)):
        return _unrotated(data, image, stored)
    if declared == (width, height) or any_size:
        return PageImage(data=data, width=width, height=height)
    return "size_mismatch"


def _unrotated(data: bytes, image: Any, stored: Any) -> PageImage:
    height, width = stored.shape[:2]
    if stored.shape == image.shape and bool((stored == image).all()):
        return PageImage(data=data, width=width, height=height)
    return PageImage(data=encode_image(stored, ".png"), width=width, height=height, exif_dropped=True)


def _plain_size(data: bytes) -> tuple[int, int] | None:
    """The size from the file's first bytes, where nothing there says that the image is rotated."""
    if (
        data.startswith((b"II*\x00", b"MM\x00*"))
        or _EXIF in data[:_HEAD_BYTES]
        or b"eXIf" in data[:_HEAD_BYTES]
    ):
        return None
    return read_image_size(data)


def with_suffix(name: str, data: bytes) -> str:
    """`name` with a suffix that says what the image's data is."""
    own = PurePosixPath(name).suffix.lower()
    suffix = image_suffix(data) or own
    if own == suffix or {own, suffix} in ({".jpg", ".jpeg"}, {".tif", ".tiff"}):
        return name
    return f"{PurePosixPath(name).stem if own in IMAGE_SUFFIXES else name}{suffix}"


def read_image_bytes(path: Path) -> bytes:
    """The file's bytes; none where it cannot be read, which no image has."""
    try:
        return read_regular(path)
    except OSError:
        return b""
