"""Which samples stay together in a split, as arrays: some 40 bytes a sample, so that a million fit anywhere.

    lines -> each one's key (its page) and images -> keys that share an image are one group -> its place in [0, 1)

The lines are gone through, never kept: they may come from a file of a million.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.files.contents import (
    NamedImages,
    SameImages,
    file_sizes,
    find_same,
    first_places,
    none_same,
    size_key,
)
from ocr_train.data.labels import LabelLine
from ocr_train.data.samples import image_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Lines = Callable[[], Iterable[LabelLine]]
"""Goes through all samples, in the same order every time."""

_CHUNK_LINES = 4096


@dataclass(kw_only=True)
class Groups:
    """Groups are numbered by their first samples. `of_sample` is each sample's group; `first` is each group's first
    sample, `place` in [0, 1) from the hash, `side` the number of the set that it is in by now, `fixed` where it must
    stay there. `images` are what the samples name, `conflicts` pairs of samples of which the second
    has an image of the first with another label, as it is written."""

    of_sample: NDArray[np.int32]
    first: NDArray[np.intp]
    place: NDArray[np.float64]
    side: NDArray[np.uint8]
    fixed: NDArray[np.bool_]
    images: NamedImages
    conflicts: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.first)

    @property
    def sample_sides(self) -> bytes:
        """For each sample the number of its set."""
        return self.side[self.of_sample].tobytes()


@dataclass(kw_only=True)
class _Read:
    """What one pass over the lines leaves: a key and a label, 8 bytes each, and the images of each sample."""

    keys: array[int] = field(default_factory=lambda: array("Q"))
    labels: array[int] = field(default_factory=lambda: array("q"))
    images: NamedImages = field(default_factory=NamedImages)
    lists: bool = False


def read_groups(
    lines: Lines,
    key: Callable[[str], str],
    *,
    seed: int,
    folder: Path | None = None,
    same: SameImages | None = None,
) -> Groups:
    """The groups of all samples, each in the set of number 0.

    `key` gives the key of a sample's image; samples that share an image are in one group, too, by its name, or by its
    bytes: `same` knows which images have the same, else those below `folder` are compared, else none.
    """
    workers = min(16, 4 * (os.cpu_count() or 1))
    read = _read(lines, key, seed, folder if same is None else None, workers)
    if same is None:
        same = (
            find_same(read.images, lambda: _names(lines), folder, workers=workers) if folder else none_same()
        )
    return _make_groups(read, same)


def _read(lines: Lines, key: Callable[[str], str], seed: int, folder: Path | None, workers: int) -> _Read:
    read = _Read()
    last, number = "", 0
    rest = iter(lines())
    with ThreadPoolExecutor(workers, thread_name_prefix="split") as pool:
        while chunk := list(islice(rest, _CHUNK_LINES)):
            named = [image_names(line.image) for line in chunk]
            names = [name for some in named for name in some]
            sizes = iter(file_sizes(names, folder, pool=pool, workers=workers)) if folder else None
            for line, some in zip(chunk, named, strict=True):
                found = key(line.image)
                if found != last or not read.keys:
                    last, number = found, _hash(found, seed)
                for name in some:
                    read.images.add(len(read.keys), name, size_key(next(sizes)) if sizes else 0)
                read.keys.append(number)
                read.labels.append(hash(line.label))
                read.lists |= len(some) > 1
    return read


def _names(lines: Lines) -> Iterator[str]:
    return (name for line in lines() for name in image_names(line.image))


def _hash(key: str, seed: int) -> int:
    """8 bytes that depend on nothing but `key` and `seed`."""
    digest = hashlib.sha256(f"{seed}\x00{key}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _make_groups(read: _Read, same: SameImages) -> Groups:
    import numpy as np

    keys = np.frombuffer(read.keys, dtype=np.uint64)
    heads, conflicts = _joined(first_places(keys), read, same)
    begins = heads == np.arange(len(heads), dtype=np.int32)
    numbers = np.cumsum(begins, dtype=np.int32)
    numbers -= 1
    first = np.flatnonzero(begins)
    return Groups(
        of_sample=numbers[heads],
        first=first,
        # The first 6 bytes, as a fraction: the assignment is part of the format.
        place=(keys[first] >> np.uint64(16)).astype(np.float64) / 2.0**48,
        side=np.zeros(len(first), dtype=np.uint8),
        fixed=np.zeros(len(first), dtype=bool),
        images=read.images,
        conflicts=conflicts,
    )


def _joined(
    heads: NDArray[np.int32], read: _Read, same: SameImages
) -> tuple[NDArray[np.int32], list[tuple[int, int]]]:
    """The first sample of each sample's group, where `heads` is the first one with its key, and groups that share an image
    are one; and the pairs of samples that disagree about an image."""
    import numpy as np

    first = first_places(same.first_ids(np.frombuffer(read.images.ids, dtype=np.int64)))
    samples = np.frombuffer(read.images.samples, dtype=np.uint32)
    later = np.flatnonzero(first != np.arange(len(first), dtype=np.int32))
    if not len(later):
        return heads, []
    own, other = samples[later], samples[first[later]]
    labels = np.frombuffer(read.labels, dtype=np.int64)
    differing = labels[own] != labels[other]
    conflicts = list(zip(other[differing].tolist(), own[differing].tolist(), strict=True))
    apart = heads[own] != heads[other]
    parents = array("i", heads.tobytes())
    for one, two in zip(own[apart].tolist(), other[apart].tolist(), strict=True):
        one_head, two_head = _head(parents, one), _head(parents, two)
        parents[max(one_head, two_head)] = min(one_head, two_head)
    if apart.any():
        for sample, parent in enumerate(parents):
            # A head is smaller than what it stands for, so that its own is final here.
            parents[sample] = parents[parent]
    return np.frombuffer(parents, dtype=np.int32), conflicts


def _head(parents: array[int], sample: int) -> int:
    while parents[sample] != sample:
        parents[sample] = parents[parents[sample]]
        sample = parents[sample]
    return sample
