"""Checks of the images that label files name: is it there, can OpenCV read it, and how large does it come
out.

Only headers are read, those of plain files here (`image_headers`) and the others by Pillow, unless decoding is asked for. PaddleOCR reads with `cv2.imdecode`, so a
format that OpenCV cannot read is unreadable here, and sizes are those after EXIF rotation, which OpenCV
applies to JPEG, PNG and TIFF but not to WebP (tried with OpenCV 4.11).
"""

from __future__ import annotations

import os
import stat
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ocr_train.data.checks.image_headers import plain_size
from ocr_train.data.checks.problems import Finding
from ocr_train.data.files.contents import read_file_ends
from ocr_train.data.files.file_looks import look_of
from ocr_train.data.files.image_files import read_or_none
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.data.labels import shorten
from ocr_train.ocr_engine.files import open_regular

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000")
"""What both Pillow and OpenCV 4.11 read, in Pillow's names. GIF is not among them: `cv2.imdecode` gives
None."""

ROTATED_BY_OPENCV = ("JPEG", "MPO", "PNG", "TIFF")

MAX_PIXELS = 500_000_000
"""Images of more pixels are refused: 1.5 GB in the memory of every process that loads data. OpenCV's own limit is 2^30."""
DECODED_AT_ONCE_PIXELS = 36_000_000
"""So many pixels are decoded at the same time, 3 bytes each; a larger image is decoded alone."""

_TRIED_HERE = 64
_WAITS = 4
"""Reading that takes so many times its CPU time waits for the disk: threads are worth it then."""
_ORIENTATION = 0x0112
_TIFF_SIZE = (256, 257)


class ImageFacts(NamedTuple):
    """What is known of an image: its path below the folder of the images as it was found (`name`), its `size` (width,
    height) in pixels as OpenCV decodes it, None where it does not, then the `key` of the file's bytes, else 0; `findings` are
    its problems."""

    name: str
    size: tuple[int, int] | None = None
    key: int = 0
    findings: tuple[Finding, ...] = ()


class _Budget:
    """Lets threads decode images of so many pixels together; one that has more by itself goes alone."""

    def __init__(self, pixels: int) -> None:
        self._free = self._all = pixels
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for `pixels`."""
        taken = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()


_BUDGET = _Budget(DECODED_AT_ONCE_PIXELS)


@contextmanager
def image_pool(workers: int) -> Iterator[Executor]:
    """Threads that read images. Pillow's warnings (large images, broken EXIF) and its limit of pixels belong to the
    process: they are set here for all of them, and put back."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(), ThreadPoolExecutor(max(1, workers)) as pool:
        warnings.simplefilter("ignore")
        Image.init()
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            yield pool
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def check_images(
    names: Iterable[str], paths: ImagePaths, *, pool: Executor, workers: int, decode: bool
) -> Mapping[str, ImageFacts]:
    """Check each of `names`, as labels have them, once: here, and `workers` slices at a time in `pool` where that is faster.

    Threads share the waiting for a disk or a network, and the work of decoding. Where files are in memory or on a fast disk
    they share nothing: they wait for one another's turn in Python, and twice the CPU time is gone.
    """
    todo = list(names)
    check = partial(_check_slice, paths=paths, decode=decode)
    found: dict[str, ImageFacts] = {}
    while todo and not decode:
        some, todo = todo[:_TRIED_HERE], todo[_TRIED_HERE:]
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        found.update(check(some))
        wall_s, cpu_s = time.perf_counter() - wall_s, time.thread_time() - cpu_s
        if wall_s > _WAITS * cpu_s:
            break
    slices = [todo[start::workers] for start in range(min(workers, len(todo)))]
    found.update(pair for part in pool.map(check, slices) for pair in part)
    return found


def _check_slice(names: list[str], *, paths: ImagePaths, decode: bool) -> list[tuple[str, ImageFacts]]:
    return [(name, check_image(name, paths, decode=decode)) for name in names]


def check_image(written: str, paths: ImagePaths, *, decode: bool = False) -> ImageFacts:
    """The facts of the image that a label calls `written`. Never raises for what a file can hold."""
    usable = paths.usable(written)
    name, finding = usable.name, usable.finding
    if finding is None and not decode and (ends := read_file_ends(f"{paths.place}/{name}")):
        size = plain_size(ends.head, ends.tail)
        if size is not None and size[0] * size[1] <= MAX_PIXELS:
            return ImageFacts(name, size, ends.key)
    if finding is not None and finding.kind == "bad_path":
        return ImageFacts(name=name, findings=(finding,))
    found = _stat(f"{paths.root}/{name}")
    if found is None and (respelled := paths.respelled(written)):
        name, finding = respelled.name, respelled.finding
        found = _stat(f"{paths.root}/{name}")
    if found is not None and not stat.S_ISREG(found.st_mode):
        return _unreadable(name, "it is not a file")
    if found is None:
        return ImageFacts(
            name=name, findings=(Finding("image_missing", shorten(written), paths.where(name)),)
        )
    facts = _read_header(paths.root / name, name, decode=decode)
    return facts if finding is None else facts._replace(findings=(finding, *facts.findings))


def _stat(path: str) -> os.stat_result | None:
    """What the disk knows of a file, None where there is none. Strings, as a million paths make pathlib's cost felt."""
    try:
        return os.stat(path)  # noqa: PTH116 - see above
    except (OSError, ValueError):
        return None


def _unreadable(name: str, why: str) -> ImageFacts:
    # What was seen of the file has its own advice, after a colon.
    hint = why if ": " in why else f"{why}: replace the file or remove the line"
    finding = Finding("image_unreadable", shorten(name), hint)
    return ImageFacts(name=name, findings=(finding,))


def _read_header(path: Path, name: str, *, decode: bool) -> ImageFacts:
    read = _size_or_why_not(path)
    if isinstance(read, str):
        return _unreadable(name, read)
    size, orientation = read
    if decode and not _decodes(path, size[0] * size[1]):
        return _unreadable(name, "OpenCV cannot decode it")
    ends = read_file_ends(str(path))
    key = ends.key if ends else 0
    if orientation == 1:
        return ImageFacts(name=name, size=size, key=key)
    hint = "OpenCV and LabelMe turn it upright; make sure that the boxes were drawn on the upright image"
    turned = Finding("exif_rotated", f"orientation {orientation}", hint)
    return ImageFacts(name=name, size=size, key=key, findings=(turned,))


def _size_or_why_not(path: Path) -> tuple[tuple[int, int], int] | str:
    """Width and height as OpenCV decodes it and the EXIF orientation, or why it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
            size, orientation = _size(image)
            pixels = size[0] * size[1]
            if pixels <= MAX_PIXELS and not _looks_whole(file, image):
                with _BUDGET.hold(pixels):
                    image.load()
    except UnidentifiedImageError:
        return look_of(path, image=True) or "not an image that OpenCV reads"
    except Image.DecompressionBombError:
        pixels = 2 * MAX_PIXELS
    except Exception as exc:  # noqa: BLE001 - Pillow raises nearly anything on broken files
        return shorten(f"{exc}")
    if pixels > MAX_PIXELS:
        return f"it has more than {MAX_PIXELS / 1e6:.0f} megapixels, and a larger image is not read"
    return size, orientation


def _decodes(path: Path, pixels: int) -> bool:
    with _BUDGET.hold(pixels):
        return read_or_none(path) is not None


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
