"""A recogniser's last layer has a row for each character: with another dictionary the rows of shared ones are kept.

Rows as PaddleOCR counts them (ppocr/data/imaug/label_ops.py, ppocr/modeling/heads/rec_nrtr_head.py):

    CTC    blank, the dictionary's lines, the space where use_space_char adds it
    NRTR   blank, <unk>, <s>, </s>, the lines, the space; and one row more, which nothing uses

A new character starts from the mean of the rows of all characters: from one that is not sure of anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.checkpoints.pickle_scan import Array
from ocr_train.ocr_engine.files import read_regular

NEW = -1
"""In place of a row's number: there is none to keep."""
_CTC_SPECIAL, _NRTR_SPECIAL = 1, 4
MAX_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Characters:
    """The characters of a dictionary, in the order of the model's classes."""

    lines: tuple[str, ...]

    @classmethod
    def read(cls, path: Path, *, use_space_char: bool) -> Characters:
        """The lines of the file as PaddleOCR reads them; raises `OSError`."""
        text = read_regular(path).decode("utf-8", "replace")
        lines = tuple(line.rstrip("\r") for line in text.removesuffix("\n").split("\n"))
        return cls(lines=(*lines, " ") if use_space_char else lines)


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """For each character of the new dictionary the place of the same one in the old, `NEW` where it had none."""

    places: tuple[int, ...]
    old_size: int
    kept: int
    new: tuple[str, ...]
    dropped: int

    @property
    def changes(self) -> bool:
        """Whether anything moves."""
        return self.places != tuple(range(self.old_size))

    def __str__(self) -> str:
        shown = " ".join(repr(one) for one in self.new[:MAX_SHOWN])
        more = f" ({shown}{' ...' if len(self.new) > MAX_SHOWN else ''})" if self.new else ""
        return (
            f"{self.kept} characters keep what the weights know of them, {len(self.new)} are new{more}, "
            f"{self.dropped} of the weights' are not in the dictionary"
        )

    def ctc(self) -> list[int]:
        """The rows of a CTC head, by their number in the old one."""
        return [0, *(NEW if place == NEW else place + _CTC_SPECIAL for place in self.places)]

    def nrtr(self) -> list[int]:
        """The rows of an NRTR head, by their number in the old one."""
        rows = [NEW if place == NEW else place + _NRTR_SPECIAL for place in self.places]
        return [*range(_NRTR_SPECIAL), *rows, self.old_size + _NRTR_SPECIAL]


def plan_rows(old: Characters, new: Characters) -> RowPlan:
    """Which row of the old head each character of the new dictionary takes; of a repeated one the last, which is the
    one that PaddleOCR trains."""
    places = {character: number for number, character in enumerate(old.lines)}
    found = tuple(places.get(character, NEW) for character in new.lines)
    missing = tuple(character for character, place in zip(new.lines, found, strict=True) if place == NEW)
    return RowPlan(
        places=found,
        old_size=len(old.lines),
        kept=len(found) - len(missing),
        new=missing,
        dropped=len(set(old.lines) - set(new.lines)),
    )


@dataclass(frozen=True, kw_only=True)
class HeadRows:
    """The rows of one layer: along which `axis`, which old row each new one takes, and which is the first of a character."""

    axis: int
    rows: Sequence[int]
    first: int


def head_rows(
    arrays: Mapping[str, Array], shapes: Mapping[str, Sequence[int]], plan: RowPlan
) -> dict[str, HeadRows]:
    """The layers with a row a character, by name: `arrays` are the weights' layers, `shapes` the model's.

    A layer is one of them where its size along one axis is that of the old dictionary's classes in the weights, that of
    the new one's in the model, and the rest is the same.
    """
    found = {}
    for rows, old_rows, first in (
        (plan.ctc(), plan.old_size + _CTC_SPECIAL, _CTC_SPECIAL),
        (plan.nrtr(), plan.old_size + _NRTR_SPECIAL + 1, _NRTR_SPECIAL),
    ):
        for name, array in arrays.items():
            old, new = tuple(array.shape), tuple(shapes.get(name, ()))
            axis = next((axis for axis, size in enumerate(old) if size == old_rows), None)
            if axis is None or len(old) != len(new) or new[axis] != len(rows) or not _is_head(name):
                continue
            if _without(old, axis) == _without(new, axis):
                found[name] = HeadRows(axis=axis, rows=rows, first=first)
    return found


def _is_head(name: str) -> bool:
    """Whether the layer can be one of classes: a layer of features may be as large by chance."""
    return "head" in name.split(".") or name.startswith("head")


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])
