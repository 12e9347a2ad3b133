"""Cuts detection boxes out as recognition samples, as PaddleOCR's own pipeline cuts them before recognition.

A quadrilateral is mapped to an upright rectangle whose sides are its longer opposite ones, in whole pixels
rounded down; cubic, edges replicated; a result at least 1.5 times as high as wide is turned left by 90
degrees. Polygons of more points are cut by the smallest rectangle around them, its left corners first.
Source of these figures: PaddleOCR `tools/infer/utility.py`, `get_rotate_crop_image` and
`get_minarea_rect_crop`, as of 2.10.

Two things differ: a box that goes counter-clockwise would come out mirrored and is put in order first, and a
polygon about as well cut upright is cut upright.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.data.boxes import read_boxes
from ocr_train.data.checks.problems import Problem
from ocr_train.data.difficult import AUTO
from ocr_train.data.files.image_files import (
    UniquePaths,
    encode_image,
    is_file,
    read_or_none,
    safe_name,
    slashed,
)
from ocr_train.data.files.image_paths import ImagePaths, is_foreign, paths_of
from ocr_train.data.formats.conversion import conversion_problem, difficult_note, put_file
from ocr_train.data.formats.regions import order_corners
from ocr_train.data.labels import Box, LabelLine, Point, corner_turns, format_line, signed_area
from ocr_train.data.samples import image_names, read_samples
from ocr_train.errors import DataError
from ocr_train.ocr_engine.lines import cut_line, is_tall

_ABOUT_AS_SMALL = 1.05


@dataclass(frozen=True, kw_only=True)
class CropResult:
    """What was cut: `labels` names `crops` images of `pages` pages, of which `turned` were tall and lie on
    their side now; how much of what kind was `skipped`."""

    labels: Path
    crops: int
    turned: int
    pages: int
    skipped: Mapping[str, int]
    problems: tuple[Problem, ...]


@dataclass(kw_only=True)
class _Page:
    """One image with all its boxes, each with the number that its crop gets; `known` are those of earlier lines."""

    name: str
    image: str
    file: Path
    line: int
    boxes: list[tuple[int, Box]] = field(default_factory=list)
    known: set[Box] = field(default_factory=set)
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """What became of one page."""

    lines: tuple[str, ...]
    skipped: Mapping[str, int]
    turned: int = 0
    problem: Problem | None = None


def crop(
    labels: Path,
    out: Path,
    *,
    images: Path | None = None,
    strip: str = "",
    workers: int,
    difficult: str = AUTO,
    overwrite: bool = False,
) -> CropResult:
    """Cut every box of the detection labels `labels` to `out/crop_img/` and write `out/rec_gt.txt`.

    Crops are named `<page>_crop_<n>.jpg`, n being the box's place in the label from 0; pages of equal names
    in different folders get their folders' names in front. Ignored boxes (`###`, `*`; those with the key
    `difficult` as `difficult` says) and boxes without a text are skipped and counted. Paths in `labels` are relative to `images` (default: the label
    file's folder, or its parent where the images are there), `strip` is left out of their beginning. `workers` threads read, cut and write.

    Raises `DataError` where `labels` has no samples, or a file of
    another content exists and `overwrite` is not set; `StorageError` where writing fails.
    """
    samples, bad = read_samples(labels)
    if not samples:
        raise DataError(f"{labels} has no usable line", hint=f"{len(bad)} lines are not '<image>\\t<label>'.")
    paths = paths_of([labels], images, strip)
    skipped: Counter[str] = Counter()
    problems = [
        conversion_problem(labels, line.kind, line.text, "see the data format", line.line) for line in bad
    ]
    pages = _collect_pages(samples, skipped, problems, difficult)
    lines: list[str] = []
    turned = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="crop") as pool:
        for cut in pool.map(partial(_cut_page, paths=paths, out=out, overwrite=overwrite), pages):
            lines += cut.lines
            skipped.update(cut.skipped)
            turned += cut.turned
            problems += [cut.problem] if cut.problem else []
    put_file(out / "rec_gt.txt", "".join(lines).encode(), overwrite=overwrite)
    return CropResult(
        labels=out / "rec_gt.txt",
        crops=len(lines),
        turned=turned,
        pages=len(pages),
        skipped=dict(sorted(skipped.items())),
        problems=tuple(problems),
    )


def _collect_pages(
    samples: Sequence[LabelLine], skipped: Counter[str], problems: list[Problem], difficult: str
) -> list[_Page]:
    """One page for each image, in the order of the labels; an image's further lines add their new boxes."""
    files = {sample.image: PurePosixPath(slashed(image_names(sample.image)[0])) for sample in samples}
    names = _name_pages(list(dict.fromkeys(files.values())))
    pages: dict[PurePosixPath, _Page] = {}
    hard: list[tuple[LabelLine, int]] = []
    for sample in samples:
        file = files[sample.image]
        read = read_boxes(sample.label, difficult=difficult)
        hard += [(sample, read.difficult)] if read.difficult else []
        skipped.update(read.lost)
        for kind, count in read.lost.items():
            value = f"{count} boxes" if kind != "bad_json" else sample.label[:80]
            hint = "skipped: `python -m ocr_train validate` says what is wrong"
            problems.append(conversion_problem(sample.file, kind, value, hint, sample.line))
        page = pages.setdefault(
            file, _Page(name=names[file], image=sample.image, file=sample.file, line=sample.line)
        )
        for number, box in zip(read.numbers, read.boxes, strict=True):
            if box in page.known:
                skipped["duplicate"] += 1
            else:
                page.boxes.append((page.count + number, box))
        page.known.update(read.boxes)
        page.count += max(read.numbers, default=-1) + 1
    if hard:
        problems.append(difficult_note(hard, difficult))
    return list(pages.values())


def _name_pages(files: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
    """A name for each page: its file name without suffix or, where several have that, its whole path."""
    plain = {file: safe_name(file.stem) for file in files}
    uses = Counter(name.casefold() for name in plain.values())
    names = UniquePaths()
    return {
        file: names.take(
            plain[file]
            if uses[plain[file].casefold()] == 1
            else safe_name("_".join(part for part in file.parts if part not in ("/", ".", "..")))
        )
        for file in files
    }


def _cut_page(page: _Page, *, paths: ImagePaths, out: Path, overwrite: bool) -> _Cut:
    usable = paths.usable(image_names(page.image)[0])
    found = paths.root / usable.name
    path = found if is_file(found) and not is_foreign(usable.name) else None
    if path is None and (other := paths.respelled(image_names(page.image)[0])):
        path = paths.root / other.name
    image = None if path is None else read_or_none(path)
    if image is None:
        return _Cut(
            lines=(),
            skipped={"page_without_image": 1},
            problem=conversion_problem(
                page.file,
                "image_missing" if path is None else "unreadable_image",
                page.image,
                "OpenCV cannot read it: save it again" if path is not None else paths.where(usable.name),
                page.line,
            ),
        )
    lines: list[str] = []
    skipped: Counter[str] = Counter()
    turned = 0
    for number, box in page.boxes:
        reason = _why_not(box, image)
        corners = [] if reason else upright_corners(box.points)
        cut = None if reason else cut_line(image, corners)
        if cut is None:
            skipped[reason or "too_small"] += 1
            continue
        file = f"crop_img/{page.name}_crop_{number}.jpg"
        put_file(out / file, encode_image(cut, ".jpg"), overwrite=overwrite)
        lines.append(format_line(file, box.transcription))
        turned += is_tall(corners)
    return _Cut(lines=tuple(lines), skipped=skipped, turned=turned)


def _why_not(box: Box, image: Any) -> str:
    """The reason why a box gives no crop; nothing where it gives one."""
    if box.ignored:
        return "ignored"
    if not box.transcription:
        return "no_text"
    height, width = image.shape[:2]
    across, down = zip(*box.points, strict=True)
    outside = max(across) <= 0 or max(down) <= 0 or min(across) >= width or min(down) >= height
    # Such a crop would be mostly made up, and might not fit into memory.
    huge = max(across) - min(across) > 3 * width or max(down) - min(down) > 3 * height
    return "outside_image" if outside or huge else ""


def upright_corners(points: Sequence[Point]) -> list[Point]:
    """Four corners clockwise from the text's top left, of a region of 4 points or more in pixels."""
    if len(points) > 4:
        return _left_first(points)
    # Where two opposite edges cross, the corners turn both ways in pairs.
    crossed = sum(turn > 0 for turn in corner_turns(points)) == 2
    return order_corners(points) if crossed or signed_area(points) < 0 else list(points)


def _left_first(points: Sequence[Point]) -> list[Point]:
    """The smallest rectangle around `points`; its two leftmost corners begin and end the list.

    An upright one is preferred where it is about as small: around a circle every angle is as good.
    """
    import cv2
    import numpy as np

    across, down = zip(*points, strict=True)
    left, right, top, bottom = min(across), max(across), min(down), max(down)
    rectangle = cv2.minAreaRect(np.array(points, dtype=np.float32))
    (width, height) = rectangle[1]
    if (right - left) * (bottom - top) <= _ABOUT_AS_SMALL * width * height:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    corners = sorted((float(x), float(y)) for x, y in cv2.boxPoints(rectangle))
    upper_left, lower_left = sorted(corners[:2], key=lambda point: point[1])
    upper_right, lower_right = sorted(corners[2:], key=lambda point: point[1])
    return [upper_left, upper_right, lower_right, lower_left]
