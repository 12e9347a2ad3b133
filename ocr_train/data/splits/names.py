"""Names of crops that look like `<page>_<number>`: a split by name alone would part their pages.

PPOCRLabel's and our crops (`_crop_<n>`) are grouped without being asked. How other tools name theirs is only a guess,
so it is a note with the option that groups them, and the expression in it was tried on the names.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from ocr_train.data.files.contents import normal_name
from ocr_train.data.samples import image_names

if TYPE_CHECKING:
    from ocr_train.data.splits.groups import Lines

_CANDIDATES = (
    ("<page>_<number>", r"(.+)_\d+\.[^./]+$"),
    ("<page>-<number>", r"(.+)-\d+\.[^./]+$"),
    ("<page>.<number>", r"(.+)\.\d+\.[^./]+$"),
    ("<page> (<number>)", r"(.+) \(\d+\)\.[^./]+$"),
    ("<page><separator><number>", r"(.+)[-_. ]\d+\.[^./]+$"),
    ("<page><letters><number>", r"(.+\d)[A-Za-z]+\d+\.[^./]+$"),
    *((f"<page>{'_<number>' * count}", rf"(.+?)(?:[-_]\d+){{{count}}}\.[^./]+$") for count in (2, 3, 4)),
)
"""What a name looks like, and the expression that takes its page: simple ones first."""

_NUMBER = re.compile(r"(\d{1,6})\)?\.[^./]+$")
_HEAD_LINES = 2000
_MATCHING_SHARE = 0.8
_LEAST_PAGES = 3
_LEAST_PAGES_WITHOUT_DIGIT = 10
_SPARSE = 5
"""Numbers of one page's crops are near each other: a range of so many numbers a crop is a count of something else."""


def suggest_group_by(lines: Lines, sides: bytes, key: Callable[[str], str]) -> str | None:
    """A note where names look like those of pages' crops and `sides` (each sample's set) part pages; else None.

    `key` gives the group that a name is in now.
    """
    head = list(islice(_names(lines), _HEAD_LINES))
    keys = len({key(name) for name in head})
    for look, expression in _CANDIDATES:
        pattern = re.compile(expression)
        pages = [match[1] for name in head if (match := pattern.search(name))]
        if len(pages) < _MATCHING_SHARE * len(head) or not _LEAST_PAGES <= len(set(pages)) < keys:
            continue
        found = _Found.of(lines, sides, pattern)
        if found.is_likely():
            return found.note(look, expression)
    return None


def _names(lines: Lines) -> Iterator[str]:
    return (normal_name(image_names(line.image)[0]) for line in lines())


@dataclass(kw_only=True)
class _Found:
    """What an expression finds: for each sample that it matches the page, as a hash, the last number and the set."""

    samples: int = 0
    pages: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("l"))
    sides: array[int] = field(default_factory=lambda: array("B"))
    bases: set[str] = field(default_factory=set)
    sizes: tuple[int, int] = (0, 0)
    groups: int = 0
    parted: int = 0
    several: int = 0
    dense: int = 0

    @classmethod
    def of(cls, lines: Lines, sides: bytes, pattern: re.Pattern[str]) -> _Found:
        """Go through all names and count."""
        found = cls(samples=len(sides))
        for side, name in zip(sides, _names(lines), strict=False):
            if match := pattern.search(name):
                number = _NUMBER.search(name)
                found.pages.append(hash(match[1]))
                found.numbers.append(int(number[1]) if number else 0)
                found.sides.append(side)
                if len(found.bases) < 10 * _LEAST_PAGES_WITHOUT_DIGIT:
                    found.bases.add(match[1].rpartition("/")[2])
        if found.pages:
            found._count()
        return found

    def _count(self) -> None:
        import numpy as np

        pages, inverse, counts = np.unique(
            np.frombuffer(self.pages, dtype=np.int64), return_inverse=True, return_counts=True
        )
        inverse = inverse.reshape(-1)
        low, high = np.full(len(pages), 10**6), np.zeros(len(pages), dtype=np.int64)
        numbers = np.array(self.numbers, dtype=np.int64)
        np.minimum.at(low, inverse, numbers)
        np.maximum.at(high, inverse, numbers)
        sets = np.zeros(len(pages), dtype=np.uint8)
        np.bitwise_or.at(
            sets, inverse, np.left_shift(1, np.frombuffer(self.sides, dtype=np.uint8)).astype(np.uint8)
        )
        several = counts > 1
        self.groups, self.sizes = len(pages), (int(counts.min()), int(counts.max()))
        self.parted = int(((sets & (sets - 1)) > 0).sum())
        self.several = int(several.sum())
        self.dense = int((several & (high - low + 1 <= _SPARSE * counts)).sum())

    def is_likely(self) -> bool:
        """Whether these are pages: several, most with several crops that are numbered, some of them parted."""
        with_digit = sum(any(character.isdigit() for character in base) for base in self.bases)
        least = _LEAST_PAGES if 2 * with_digit >= len(self.bases) else _LEAST_PAGES_WITHOUT_DIGIT
        return (
            self.parted > 0
            and len(self.pages) >= _MATCHING_SHARE * self.samples
            and min(self.groups, len(self.bases)) >= least
            and 2 * self.several >= self.groups
            and 2 * self.dense >= self.several
        )

    def note(self, look: str, expression: str) -> str:
        """What was found, and the option that keeps pages whole."""
        least, most = self.sizes
        each = f"{most}" if least == most else f"{least} to {most}"
        return (
            f"names look like {look}: {self.groups} groups of {each}, and {self.parted} of them are in several sets. "
            f"If these are crops of pages, keep each page in one set: --group-by '{expression}' (of split and prepare)."
        )
