"""From checked label files to the samples of each set, clean and ready to be written."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.checks.policy import write_clean
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.files.contents import SameImages, image_id
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.data.labels import LabelLine, format_sample
from ocr_train.data.layout import Layout
from ocr_train.data.samples import image_names, read_samples
from ocr_train.data.splits.split import split
from ocr_train.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Samples to train on and to validate on, image paths normal and relative to the layout's images.

    `was_split` says that the data named no validation samples; `notes` are for people. `train_parts` and `val_parts`
    are the same samples by the label file that they came from, in the layout's order.
    """

    train: tuple[LabelLine, ...]
    val: tuple[LabelLine, ...]
    was_split: bool
    notes: tuple[str, ...] = ()
    train_parts: tuple[tuple[LabelLine, ...], ...] = ()
    val_parts: tuple[tuple[LabelLine, ...], ...] = ()

    @property
    def images(self) -> list[str]:
        """Every image once, sorted."""
        return sorted({name for line in (*self.train, *self.val) for name in image_names(line.image)})


def clean_sets(
    layout: Layout,
    report: ValidationReport,
    *,
    task: str,
    val: float,
    seed: int,
    group_by: str | None = None,
    work: Path,
) -> Sets:
    """The good samples of the label files of `layout`; `report` is what `validate` said of them.

    Where the layout has no validation labels, `val` is their share (0: none). `work` is a folder for
    temporary files. Raises `DataError` where a set that is needed has no sample.
    """
    parts = {path: _clean(path, report, task, work, layout.paths) for path in layout.train}
    held_parts = [_clean(path, report, task, work, layout.paths) for path in layout.val]
    train, held = list(chain.from_iterable(parts.values())), list(chain.from_iterable(held_parts))
    own = [line for path in layout.split_from for line in parts[path]]
    notes: tuple[str, ...] = ()
    if not layout.val and val and own:
        done = split(own, val=val, seed=seed, group_by=group_by, same=report.same, below=layout.split_below)
        others = [line for path in layout.train if path not in layout.split_from for line in parts[path]]
        kept_others, note = _without_held(others, done.val, report.same)
        train, held, notes = [*done.train, *kept_others], list(done.val), (*done.notes, *note)
    _require_samples(train, held, wanted=bool(val or layout.val), notes=notes)
    kept = {id(line) for line in train}
    return Sets(
        train=tuple(train),
        val=tuple(held),
        was_split=not layout.val,
        notes=notes,
        train_parts=tuple(tuple(line for line in part if id(line) in kept) for part in parts.values()),
        val_parts=tuple(map(tuple, held_parts)),
    )


def _without_held(
    others: Sequence[LabelLine], held: Iterable[LabelLine], same: SameImages
) -> tuple[list[LabelLine], tuple[str, ...]]:
    """The samples of other sources whose images are not among those that were split off, and a note about the rest."""
    import numpy as np

    if not others:
        return [], ()
    images, owners = _images_of(others, same)
    taken, _ = _images_of(held, same)
    lost_ones = set(owners[np.isin(images, taken)].tolist())
    kept = [line for number, line in enumerate(others) if number not in lost_ones]
    lost = len(others) - len(kept)
    note = (
        f"{lost} sample{'s' * (lost > 1)} of the other sources {'are' if lost > 1 else 'is'} left out of training: "
        "the images were split off to validate on"
    )
    return kept, (note,) if lost else ()


def _images_of(lines: Iterable[LabelLine], same: SameImages) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The images that samples name, each as the id of the first one with its bytes, and the number of its sample."""
    import numpy as np

    named = [
        (image_id(name), number) for number, line in enumerate(lines) for name in image_names(line.image)
    ]
    table = np.array(named, dtype=np.int64).reshape(-1, 2)
    return same.first_ids(np.ascontiguousarray(table[:, 0])), table[:, 1]


def _clean(
    path: Path,
    report: ValidationReport,
    task: str,
    work: Path,
    paths: ImagePaths,
) -> list[LabelLine]:
    clean = work / "clean.txt"
    write_clean(path, clean, report.left_out, task, paths=paths, choices=report.choices)
    lines = [replace(line, image=normal_image(line.image)) for line in read_samples(clean)[0]]
    clean.unlink()
    return lines


def normal_image(image: str) -> str:
    """The path (or JSON list of paths) without `./`, `a/../` and doubled slashes."""
    names = [posixpath.normpath(name) for name in image_names(image)]
    return names[0] if image_names(image) == [image] else json.dumps(names, ensure_ascii=False)


def _require_samples(
    train: Sequence[LabelLine], val: Sequence[LabelLine], *, wanted: bool, notes: Iterable[str]
) -> None:
    why = " ".join(notes)
    if not train:
        raise DataError(f"no sample is left to train on. {why}".rstrip(), hint="The problems above say why.")
    if wanted and not val:
        raise DataError(
            f"no sample is left to validate on. {why}".rstrip(),
            hint="Add pages, split by a smaller unit with --group-by, or ask for no validation set: --val 0.",
        )


def labels_text(lines: Iterable[LabelLine]) -> bytes:
    """The content of a label file."""
    return "".join(map(format_sample, lines)).encode("utf-8", "replace")
