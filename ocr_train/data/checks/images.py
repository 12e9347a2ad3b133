"""Checks of the images that label files name: is it there, can OpenCV read it, and how large does it come
out.

Only headers are read, by Pillow, unless decoding is asked for. PaddleOCR reads with `cv2.imdecode`, so a
format that OpenCV cannot read is unreadable here, and sizes are those after EXIF rotation, which OpenCV
applies to JPEG, PNG and TIFF but not to WebP (tried with OpenCV 4.11).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from ocr_train.data.checks.problems import Finding
from ocr_train.data.image_files import read_or_none
from ocr_train.data.labels import shorten
from ocr_train.ocr_engine.files import open_regular

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000")
"""What both Pillow and OpenCV 4.11 read, in Pillow's names. GIF is not among them: `cv2.imdecode` gives
None."""

ROTATED_BY_OPENCV = ("JPEG", "MPO", "PNG", "TIFF")

_ORIENTATION = 0x0112
_TIFF_SIZE = (256, 257)
_UNNAMEABLE = re.compile("[\0\ud800-\udfff]")
_URL_OR_DRIVE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://|^[A-Za-z]:")


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What is known of an image: `size` (width, height) in pixels as OpenCV decodes it, None where it does
    not; `findings` are its problems."""

    size: tuple[int, int] | None = None
    findings: tuple[Finding, ...] = ()


def path_problem(name: str) -> Finding | None:
    """What is wrong with a path itself: absolute, out of the folder, backslashes, no file name at all."""
    if "\\" in name:
        return Finding("bad_path", shorten(name), f"write it with slashes: {name.replace(chr(92), '/')!r}")
    if name.startswith(("/", "~")) or _URL_OR_DRIVE.match(name):
        hint = f"write it relative to the images folder, such as {PurePosixPath(name).name!r}"
        return Finding("bad_path", shorten(name), hint)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        depth = 0
        for part in parts:
            depth += -1 if part == ".." else 1
            if depth < 0:
                return Finding("bad_path", shorten(name), "it leads out of the images folder")
    if not parts or _UNNAMEABLE.search(name):
        return Finding("bad_path", shorten(repr(name)), "no file can have this name")
    return None


def check_images(
    names: Iterable[str], folder: Path, *, pool: Executor, workers: int, decode: bool
) -> Mapping[str, ImageFacts]:
    """Check each of `names` (relative to `folder`) once, `workers` slices at a time in `pool`."""
    todo = list(names)
    slices = [todo[start::workers] for start in range(min(workers, len(todo)))]
    check = partial(_check_slice, folder=folder, decode=decode)
    return {name: facts for part in pool.map(check, slices) for name, facts in part}


def _check_slice(names: list[str], *, folder: Path, decode: bool) -> list[tuple[str, ImageFacts]]:
    return [(name, check_image(name, folder, decode=decode)) for name in names]


def check_image(name: str, folder: Path, *, decode: bool = False) -> ImageFacts:
    """The facts of the image `name` under `folder`. Never raises for what a file can hold."""
    problem = path_problem(name)
    if problem is not None:
        return ImageFacts(findings=(problem,))
    mode = _mode(f"{folder}/{name}")
    if mode is not None and not stat.S_ISREG(mode):
        return _unreadable(name, "it is not a file")
    if mode is None:
        return ImageFacts(findings=(Finding("image_missing", shorten(name), _where(name, folder)),))
    return _read_header(folder / name, name, decode=decode)


def _mode(path: str) -> int | None:
    """The file's mode, None where there is none. Strings, as a million paths make pathlib's cost felt."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - see above
    except OSError:
        return None


def _where(name: str, folder: Path) -> str:
    base = name.rpartition("/")[2]
    if _mode(f"{folder.parent}/{name}") is not None:
        return "it is found from the folder above: give that as the images folder"
    if base != name and _mode(f"{folder}/{base}") is not None:
        return f"{base!r} is directly in the images folder: correct the path"
    if name != name.strip() and _mode(f"{folder}/{name.strip()}") is not None:
        return "the path has spaces around it: remove them"
    return "no such file in the images folder"


def _unreadable(name: str, why: str) -> ImageFacts:
    finding = Finding("image_unreadable", shorten(name), f"{why}: replace the file or remove the line")
    return ImageFacts(findings=(finding,))


def _read_header(path: Path, name: str, *, decode: bool) -> ImageFacts:
    from PIL import Image, UnidentifiedImageError

    try:
        with open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
            size, orientation = _size(image)
            if not _looks_whole(file, image):
                image.load()
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        return _unreadable(name, "the file is empty" if empty else "not an image that OpenCV reads")
    except Exception as exc:  # noqa: BLE001 - Pillow raises nearly anything on broken files
        return _unreadable(name, shorten(f"{exc}"))
    if decode and read_or_none(path) is None:
        return _unreadable(name, "OpenCV cannot decode it")
    if orientation == 1:
        return ImageFacts(size=size)
    hint = "OpenCV and LabelMe turn it upright; make sure that the boxes were drawn on the upright image"
    return ImageFacts(size=size, findings=(Finding("exif_rotated", f"orientation {orientation}", hint),))


def _size(image: Image.Image) -> tuple[tuple[int, int], int]:
    """Width and height as OpenCV decodes it, and the EXIF orientation (1: upright) that it applies."""
    size = image.size
    if image.format == "TIFF":
        # Some versions of Pillow turn the size of a TIFF themselves: take what the file says.
        tags = image.tag_v2  # type: ignore[attr-defined]
        size, orientation = (tags[_TIFF_SIZE[0]], tags[_TIFF_SIZE[1]]), tags.get(_ORIENTATION, 1)
    elif image.format in ROTATED_BY_OPENCV and "exif" in image.info:
        orientation = image.getexif().get(_ORIENTATION, 1)
    else:
        orientation = 1
    if orientation not in range(1, 9):
        orientation = 1
    return (size[::-1] if orientation >= 5 else size), orientation


def _looks_whole(file: BinaryIO, image: Image.Image) -> bool:
    """Whether the file's end is where it should be; False asks for decoding, it is no verdict.

    `cv2.imdecode` gives a picture with a grey rest for a JPEG that is cut off: such a file would be trained
    on.
    """
    start = file.tell()
    try:
        return _ends_well(file, image.format)
    finally:
        # Pillow continues reading from here.
        file.seek(start)


def _ends_well(file: BinaryIO, kind: str | None) -> bool:
    end = file.seek(0, 2)
    if kind in ("JPEG", "MPO"):
        file.seek(max(0, end - 2))
        return file.read(2) == b"\xff\xd9"
    if kind == "PNG":
        file.seek(max(0, end - 12))
        return b"IEND" in file.read(12)
    if kind == "WEBP":
        file.seek(4)
        return int.from_bytes(file.read(4), "little") + 8 <= end
    # The others are rare and mostly uncompressed: reading them whole is cheap.
    return False
