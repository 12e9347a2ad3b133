"""Data in S3: a few label lines and their images are fetched, laid out as they are there, and checked as a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ocr_train.config.requests import DataRequest
from ocr_train.data.layout import NOT_LABELS, VAL_WORDS
from ocr_train.data.samples import image_names
from ocr_train.doctor.data_sample import SUBJECT, DataFound, look_at_folder
from ocr_train.doctor.rows import fine, problem, warning
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.storage.archive import is_archive
from ocr_train.storage.keys import name_problem
from ocr_train.storage.peek import Beginning, S3Peek

IMAGES = 8
"""Of each label file."""
_LABEL_BYTES = 256 * 1024
_IMAGE_BYTES = 32 * 1024 * 1024
_FOLDERS = 20
_USUAL = ("train.txt", "val.txt", "test.txt", "Label.txt", "rec_gt.txt", "dict.txt")
"""Looked for by name where a folder has too many files for one listing."""


@dataclass(frozen=True, kw_only=True)
class _Labels:
    """A label file: its name below the address, its first samples, and about how many it has in all."""

    name: str
    lines: tuple[bytes, ...]
    samples: int

    @property
    def validates(self) -> bool:
        """Whether its name says that it is for validation."""
        return bool(
            {*VAL_WORDS, "test"} & set(PurePosixPath(self.name).stem.lower().replace("-", "_").split("_"))
        )


def look_at_s3(request: DataRequest, address: str, work: Path) -> DataFound:
    """Read the first samples of each label file below the S3 `address`; they are written to `work`."""
    try:
        with closing(S3Peek(address)) as peek:
            return _look(request, address, peek, work)
    except OcrTrainError as exc:
        return DataFound(rows=(problem(SUBJECT, exc),))


def _look(request: DataRequest, address: str, peek: S3Peek, work: Path) -> DataFound:
    if is_archive(peek.prefix):
        return DataFound(rows=(fine(SUBJECT, f"{address}: an archive; a training fetches and checks it"),))
    names, more = peek.names()
    if not names:
        error = DataError(
            f"there is no object below {address}.", hint="Check the prefix, upper and lower case too."
        )
        return DataFound(rows=(problem(SUBJECT, error),))
    # PPOCRLabel's image paths begin with the folder's own name.
    folder = work / "fetched" / (PurePosixPath(peek.prefix).name or peek.bucket)
    labels = [found for name in _candidates(peek, names, more) if (found := _fetch(peek, name, folder))]
    if not labels:
        return DataFound(
            rows=(
                warning(
                    SUBJECT,
                    f"no PaddleOCR label file (.txt) was found in {address} and its folders",
                    "Nothing, where these are another tool's files or labels have other names: the training looks at all of them.",
                ),
            )
        )
    checked = look_at_folder(request, folder, work)
    train, val = (sum(one.samples for one in labels if one.validates == side) for side in (False, True))
    if not val:
        val = round(train * request.val_fraction)
        train -= val
    counts = f"about {train} samples to train on and {val} to validate in {address}; "
    rows = tuple(replace(row, found=counts + row.found.partition("; ")[2]) for row in checked.rows)
    return replace(checked, rows=rows if checked.layout else checked.rows, train=train, val=val, about=True)


def _candidates(peek: S3Peek, names: list[str], more: bool) -> Iterator[str]:
    """Names of label files and dictionaries, in the address itself and in its folders."""
    yield from _texts(names, "", more)
    folders = [name for name in names if name.endswith("/")]
    for folder in folders[:_FOLDERS]:
        inside, rest = peek.names(folder)
        yield from _texts(inside, folder, rest)


def _texts(names: list[str], folder: str, more: bool) -> list[str]:
    found = [
        name
        for name in names
        if name.endswith(".txt")
        and (not NOT_LABELS.search(PurePosixPath(name).stem) or PurePosixPath(name).name == "dict.txt")
    ]
    usual = _USUAL if more else ()
    return list(dict.fromkeys([*found, *(f"{folder}{name}" for name in usual)]))


def _fetch(peek: S3Peek, name: str, folder: Path) -> _Labels | None:
    """Write the first samples of a label file, and their images, below `folder`; None for what is no label file."""
    if name_problem(name) or (start := peek.read(name, _LABEL_BYTES)) is None:
        return None
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.name == "dict.txt":
        target.write_bytes(start.content)
        return None
    whole = start.content.splitlines(keepends=True)
    if len(start.content) < start.size:
        whole = whole[:-1]
    lines = tuple(line for line in whole if line.strip())
    if not lines:
        return None
    kept = lines[:IMAGES]
    target.write_bytes(b"".join(kept))
    for line in kept:
        image = line.partition(b"\t")[0].decode("utf-8", "replace").strip("\ufeff")
        for one in image_names(image):
            _fetch_image(peek, one, PurePosixPath(name).parent, folder)
    read = sum(map(len, whole))
    return _Labels(name=name, lines=kept, samples=round(len(lines) * max(1.0, start.size / max(1, read))))


def _fetch_image(peek: S3Peek, image: str, place: PurePosixPath, folder: Path) -> None:
    """Beside the label file, or relative to the folder above it; what is in neither is missing there, too."""
    if name_problem(image):
        return
    for base in (str(place), f"{place}/.."):
        found: Beginning | None = peek.read(f"{base}/{image}", _IMAGE_BYTES)
        if found is not None:
            target = folder / place / (".." if base.endswith("..") else ".") / image
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(found.content)
            return
