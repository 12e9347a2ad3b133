"""From checked label files to the samples of each set, clean and ready to be written."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocr_train.data.labels import LabelLine, format_line
from ocr_train.data.layout import Layout
from ocr_train.data.quarantine import write_clean
from ocr_train.data.samples import image_names, read_samples
from ocr_train.data.split import split
from ocr_train.data.validate import Report
from ocr_train.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Samples to train on and to validate on, image paths normal and relative to the layout's images.

    `was_split` says that the data named no validation samples; `notes` are for people.
    """

    train: tuple[LabelLine, ...]
    val: tuple[LabelLine, ...]
    was_split: bool
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> list[str]:
        """Every image once, sorted."""
        return sorted({name for line in (*self.train, *self.val) for name in image_names(line.image)})


def clean_sets(
    layout: Layout,
    report: Report,
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
    train = _clean(layout.train, report, task, work)
    held = _clean(layout.val, report, task, work)
    notes: tuple[str, ...] = ()
    if not layout.val and val and train:
        done = split(train, val=val, seed=seed, group_by=group_by)
        train, held, notes = list(done.train), list(done.val), done.notes
    _require_samples(train, held, wanted=bool(val or layout.val), notes=notes)
    return Sets(train=tuple(train), val=tuple(held), was_split=not layout.val, notes=notes)


def _clean(files: Sequence[Path], report: Report, task: str, work: Path) -> list[LabelLine]:
    lines: list[LabelLine] = []
    for path in files:
        clean = work / "clean.txt"
        write_clean(path, clean, report.bad_lines, task)
        lines += [replace(line, image=normal_image(line.image)) for line in read_samples(clean)[0]]
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
    return "".join(format_line(line.image, line.label) for line in lines).encode("utf-8", "replace")
