"""Images that several lines name, found with 20 bytes of memory a line.

Names are read again from the files for those few that are shown.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocr_train.data.checks.problems import KEPT_PER_KIND, Finding, FoundProblems
from ocr_train.data.labels import shorten
from ocr_train.ocr_engine.files import open_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(kw_only=True)
class SampleHashes:
    """Every sample's image and label as 8-byte hashes, to find duplicates: 20 bytes a sample."""

    images: array[int] = field(default_factory=lambda: array("q"))
    labels: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("I"))
    starts: list[tuple[str, int]] = field(default_factory=list)

    def open(self, file: str) -> None:
        """From here on samples are of `file`."""
        self.starts.append((file, len(self.images)))

    def add(self, line: int, image: str, label: str) -> None:
        """Remember one sample. `hash` is SipHash with 64 bits: among a million a chance hit is 1 in 10^7."""
        self.images.append(hash(image))
        self.labels.append(hash(label))
        self.numbers.append(line)

    def place(self, index: int) -> tuple[str, int]:
        """File and line of the sample that was added as number `index` (from 0)."""
        file = next(file for file, start in reversed(self.starts) if start <= index)
        return file, self.numbers[index]


def find_duplicates(samples: SampleHashes, found: FoundProblems) -> None:
    """Report every later line of an image, and every line of an image whose lines disagree."""
    import numpy as np

    images = np.frombuffer(samples.images, dtype=np.int64)
    labels = np.frombuffer(samples.labels, dtype=np.int64)
    _, firsts, numbers = np.unique(images, return_index=True, return_inverse=True)
    # For each sample the first one with its image.
    first = firsts[numbers]
    _report(samples, found, "duplicate_image", np.flatnonzero(first != np.arange(len(first))), first)
    disagreeing = first[labels != labels[first]]
    _report(samples, found, "duplicate_conflict", np.flatnonzero(np.isin(first, disagreeing)), first)


def _report(
    samples: SampleHashes,
    found: FoundProblems,
    kind: str,
    indices: NDArray[np.intp],
    first: NDArray[np.intp],
) -> None:
    shown = [int(index) for index in indices[:KEPT_PER_KIND]]
    names = _read_names([samples.place(index) for index in shown])
    for index in shown:
        place = samples.place(index)
        hint = _hint(kind, samples.place(int(first[index])), place)
        found.add(*place, Finding(kind, names.get(place, ""), hint))
    rest = indices[KEPT_PER_KIND:]
    if len(rest):
        found.count_places(kind, (samples.place(int(index)) for index in rest), len(rest))


def _hint(kind: str, first: tuple[str, int], place: tuple[str, int]) -> str:
    where = f"{first[0]}:{first[1]}" if first != place else "a later line"
    if kind == "duplicate_conflict":
        return f"{where} names the same image with another label: keep the right one, or merge the boxes"
    across = "; an image in training and in validation makes scores too good" if first[0] != place[0] else ""
    return f"first named at {where}: remove one{across}"


def _read_names(places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """The images named at `places`, read again from the label files."""
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for file, line in places:
        wanted[file].add(line)
    names = {}
    for file, lines in wanted.items():
        last = max(lines)
        with open_regular(file) as raw_lines:
            for number, raw in enumerate(raw_lines, start=1):
                if number in lines:
                    text = raw.partition(b"\t")[0].decode("utf-8", "replace").lstrip("\ufeff")
                    names[file, number] = shorten(text)
                if number >= last:
                    break
    return names
