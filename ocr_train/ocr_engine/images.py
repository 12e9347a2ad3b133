"""Reads image files as PaddleOCR does: OpenCV, three channels, upright as EXIF says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import reason
from .files import read_regular


class ImageError(Exception):
    """One image cannot be read or is none; the others of its batch are not touched by that."""


def read_image(path: Path, *, ignore_orientation: bool = False) -> Any:
    """The picture at `path`, BGR uint8 of shape (height, width, 3); raises `ImageError`."""
    try:
        data = read_regular(path)
    except OSError as exc:
        raise ImageError("it cannot be read: %s" % (exc.strerror or exc)) from exc
    return decode_image(data, ignore_orientation=ignore_orientation)


def decode_image(data: bytes, *, ignore_orientation: bool = False) -> Any:
    """The picture in the bytes of a file, BGR uint8 of shape (height, width, 3); raises `ImageError`.

    Grey becomes three equal channels, 16 bits become 8, an alpha channel is dropped: what
    `cv2.imdecode(..., IMREAD_COLOR)` does, which is how PaddleOCR's DecodeImage reads training images.
    """
    import cv2
    import numpy as np

    if not data:
        raise ImageError("the file is empty")
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if ignore_orientation else 0)
    try:
        picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as exc:
        raise ImageError(f"it cannot be decoded: {reason(exc)}") from exc
    if picture is None:
        raise ImageError("it is not an image that OpenCV can decode")
    return picture


def require_picture(picture: Any) -> None:
    """Raise `ImageError` unless `picture` is an array of uint8, (height, width, 3), with at least one pixel."""
    import numpy as np

    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        raise ImageError("it is not an array of 8-bit pixels")
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise ImageError(f"its shape is {picture.shape}, not (height, width, 3)")
