"""Copies of recognition crops turned by 180 degrees: labels that hang upside down in photographs are read, too.

PaddleOCR's own transforms turn no crop by more than a few degrees.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ocr_train.atomic_files import write_bytes
from ocr_train.data.files.image_files import encode_image, image_suffix, read_or_none
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.data.labels import LabelLine, format_line
from ocr_train.data.layout import Layout, find_layout
from ocr_train.data.samples import read_samples, refuse_tables
from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import read_regular

TURNED = "turned"
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class TurnedFolder:
    """A `folder` to train on: `train` samples as before, `turned` copies of some of them, `val` as before."""

    folder: Path
    train: int
    turned: int
    val: int


def turn_folder(data: Path, out: Path, *, share: float, seed: int) -> TurnedFolder:
    """Fill the new folder `out` with the recognition data of `data`, and with turned copies of a `share` of the training
    crops; the validation crops stay as they are.

    Raises `DataError` for labels or images that cannot be read, for data without a validation file (copies of one crop
    would come to lie on both sides of the split), and where `out` is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{str(out)!r} is not empty; it was not changed.", hint="Name a new folder.")
    layout = find_layout(data, "rec")
    if not layout.val:
        raise DataError(
            f"{str(data)!r} names no samples to validate on: a crop and its turned copy could be parted by the split.",
            hint="`python -m ocr_train prepare --task rec --data DATA --out DIR` splits first; then turn DIR.",
        )
    train, val = _samples(layout.train, layout.paths), _samples(layout.val, layout.paths)
    _require_inside([*train, *val])
    draw = random.Random(seed)  # noqa: S311 - no secret depends on it
    chosen = sorted(draw.sample(range(len(train)), round(share * len(train))))
    copies = [_turn(train[number], layout.images, out) for number in chosen]
    for name in dict.fromkeys(line.image for line in (*train, *val)):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(layout.images / name, out / name)
    _write_labels(out, layout, train, val, copies)
    return TurnedFolder(folder=out, train=len(train), turned=len(copies), val=len(val))


def _write_labels(
    out: Path, layout: Layout, train: Sequence[LabelLine], val: Sequence[LabelLine], copies: Sequence[str]
) -> None:
    if layout.dictionary is not None:
        write_bytes(out / "dict.txt", layout.dictionary.read_bytes())
    for name, lines in (
        ("val.txt", [format_line(line.image, line.label) for line in val]),
        ("train.txt", [*(format_line(line.image, line.label) for line in train), *copies]),
    ):
        write_bytes(out / name, "".join(lines).encode())


def _samples(files: Sequence[Path], paths: ImagePaths) -> list[LabelLine]:
    """The samples, with the paths at which their images are."""
    found: list[LabelLine] = []
    for file in files:
        lines, bad = read_samples(file)
        refuse_tables(file, lines, "turned copies are made")
        if bad:
            first = bad[0]
            raise DataError(
                f"{len(bad)} line(s) of {file} hold no sample, the first in line {first.line} ({first.kind}).",
                hint=f"`python -m ocr_train validate --task rec {file}` lists them all.",
            )
        found += (replace(line, image=paths.usable_image(line.image)) for line in lines)
    return found


def _require_inside(lines: Sequence[LabelLine]) -> None:
    """Raise `DataError` for images outside the data: a copy of theirs would have no place."""
    outside = [
        f"{line.file.name}:{line.line}: {line.image}"
        for line in lines
        if PurePosixPath(line.image).is_absolute()
        or ".." in PurePosixPath(line.image).parts
        or line.image[:1] == "["
    ]
    if outside:
        raise DataError(
            f"{len(outside)} label(s) name an image outside the data, or several at once: {'; '.join(outside[:_SHOWN])}",
            hint="`python -m ocr_train prepare --task rec --data DATA --out DIR` brings all images into one folder.",
        )


def _turn(line: LabelLine, images: Path, out: Path) -> str:
    """Write the turned copy of one crop, in the format of its file; its line of the label file."""
    import cv2

    path = images / line.image
    image = read_or_none(path)
    if image is None:
        raise DataError(
            f"{line.file.name}:{line.line}: {line.image} cannot be read as an image.",
            hint=f"`python -m ocr_train validate --task rec {line.file}` lists all that cannot.",
        )
    name = f"{TURNED}/{line.image}"
    target = out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(
        target, encode_image(cv2.rotate(image, cv2.ROTATE_180), image_suffix(read_regular(path)) or ".png")
    )
    return format_line(name, line.label)
