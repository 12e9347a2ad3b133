"""Label files of table models as a training takes them: names of images below one folder, a file for each set.

    PubTabNet_2.0.0.jsonl   train/ val/     ->   train.jsonl   val.jsonl

PubTabNet keeps the images of each set in a folder of its own, and gives PaddleOCR two `data_dir`s; a run here has one,
so names get the folder. Its original file holds all sets, each line with its `split`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.formats.pubtab import FOLDERS, count_found
from ocr_train.data.labels import BadLine, LabelLine, TableLine, format_sample, read_labels
from ocr_train.data.layout import PEEK_LINES, Layout
from ocr_train.run import Echo

_SETS = {"train": "train", "val": "val", "valid": "val", "validation": "val"}
"""What `split` may say of a line; all others (PubTabNet's test set has no labels) are left out."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The lines of the file `labels` that belong to the set `wanted` (all, where it is empty), which go to `out`; their
    images lie in `folder` below the folder of all images."""

    labels: Path
    out: Path
    wanted: str
    folder: str


def place_tables(layout: Layout, source: LabelSource, work: Path, echo: Echo) -> tuple[Layout, LabelSource]:
    """The layout of a table model's data to go on with, and the source with the places of lines that were written.

    Files in which nothing has to change stay where they are; else each is written to `work`, line for line, so that every
    line keeps its number.
    """
    files = (*layout.train, *layout.val)
    divided = not layout.val and len(files) == 1 and _is_divided(files[0])
    held = files if divided else layout.val
    wanted = [(path, "train") for path in layout.train] + [(path, "val") for path in held]
    parts = [
        _Part(
            labels=path,
            out=work / (f"{name}.jsonl" if divided else path.name),
            wanted=name if divided else "",
            folder=_folder(path, name, layout.images, divided=divided),
        )
        for path, name in wanted
    ]
    if not divided and not any(part.folder for part in parts):
        return layout, source
    if divided:
        echo(f"data: the sets are those that the lines of {files[0].name} name as their split")
    origins = {(str(part.out), line): f"{part.labels}:{line}" for part in parts for line in _write(part)}
    count = len(layout.train)
    outs = tuple(part.out for part in parts)
    return replace(layout, train=outs[:count], val=outs[count:]), replace(source, origins=origins)


def table_images(labels: Sequence[Path]) -> Path | None:
    """The usual subfolder beside label files in which their images lie; None where they lie beside them, or in several."""
    folders = set()
    for path in labels:
        name = next((one for one in FOLDERS if one and one in path.stem.lower()), "")
        folders.add(path.parent / _folder(path, name, path.parent, divided=False))
    found = folders.pop()
    return found if not folders and found != labels[0].parent else None


def _folder(labels: Path, name: str, images: Path, *, divided: bool) -> str:
    """The usual subfolder of `images` in which the first images of the set `name` lie; of several the one that is named
    like the set; nothing where they lie in none."""
    lines = (line for line in read_labels(labels) if isinstance(line, TableLine))
    own = (line for line in lines if not divided or _set_of(line) == name)
    names = [line.image for line in islice(own, PEEK_LINES)]
    return max(("", name, *FOLDERS), key=lambda folder: count_found(images / folder, names)) if names else ""


def _is_divided(labels: Path) -> bool:
    """Whether each line says of which set it is, and some are of each of the two."""
    said = {_set_of(line) for line in read_labels(labels)}
    return None not in said and {"train", "val"} <= said


def _set_of(line: LabelLine | BadLine) -> str | None:
    """The set that a line names, empty for one that is not taken, None where it names none."""
    said = json.loads(line.label).get("split") if isinstance(line, TableLine) else None
    return _SETS.get(said, "") if isinstance(said, str) else None


def _write(part: _Part) -> Iterator[int]:
    """Write the lines of a part, with names below its folder; their numbers."""
    part.out.parent.mkdir(parents=True, exist_ok=True)
    with part.out.open("wb") as file:
        number = 0
        for entry, raw in _with_raw(part.labels):
            if part.wanted and _set_of(entry) != part.wanted:
                continue
            # Lines of the other set are empty here: they are passed over, and the numbers stay.
            file.write(b"\n" * (entry.line - number - 1))
            number = entry.line
            moved = raw
            if isinstance(entry, TableLine) and part.folder:
                moved = format_sample(replace(entry, image=f"{part.folder}/{entry.image}")).encode()
            file.write(moved.rstrip(b"\r\n") + b"\n")
            yield number


def _with_raw(labels: Path) -> Iterator[tuple[LabelLine | BadLine, bytes]]:
    """The lines of a file as they are read, each with its bytes."""
    entries = read_labels(labels)
    entry = next(entries, None)
    with labels.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if entry is None:
                return
            if entry.line == number:
                yield entry, raw
                entry = next(entries, None)
