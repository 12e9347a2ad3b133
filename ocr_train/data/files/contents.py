"""Which images are the same: by their names, however these are spelled, and by their bytes (SHA-256).

    names -> 8-byte ids -> keys (`content_key`) -> SHA-256 of the files whose key another name has, each once, in threads

The key of a file is different where its bytes are: it is made of its size, and where the file was opened of its ends, too. That of a
small file is made of all its bytes, which are then not read again. A million names take 20 bytes each. Names themselves are not kept: the files to be hashed are found by going through
the label lines once more. A link, a copy and `./a.jpg` beside `a.jpg` are one image; an empty file or one that cannot
be read is like no other.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import compress, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ocr_train.data.files.image_files import slashed
from ocr_train.ocr_engine.files import open_regular, read_ends

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_HEAD_BYTES, _TAIL_BYTES = 1 << 14, 64
"""Most crops of lines have fewer bytes than the first."""
_BLOCK_BYTES = 1 << 20
_FILES_PER_TASK = 64
_IDS_AT_ONCE = 1 << 16


def normal_name(name: str) -> str:
    """`name` with slashes, without `./`, `a/../`, doubled slashes and a drive letter: one spelling for one file."""
    path = slashed(name) if "\\" in name or ":" in name else name
    if "//" in path or "./" in path or path.endswith(("/", "/.", "/..")):
        return posixpath.normpath(path)
    return path


def image_id(name: str) -> int:
    """8 bytes for the image `name` in whatever spelling, for this process: among a million a chance hit is 1 in 10^7."""
    return hash(normal_name(name))


@dataclass(kw_only=True)
class NamedImages:
    """The images that samples name, in the order of the lines: `ids`, `keys` of what is in the files, and whose they are."""

    ids: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    samples: array[int] = field(default_factory=lambda: array("I"))

    def add(self, sample: int, name: str, key: int) -> None:
        """Remember that sample number `sample` (from 0) names `name`, whose file has the `key` (0: no file)."""
        self.ids.append(image_id(name))
        self.keys.append(key)
        self.samples.append(sample)


@dataclass(frozen=True)
class SameImages:
    """The images whose bytes an image before them has: their `ids`, ascending, and the ids of those before, `firsts`."""

    ids: NDArray[np.int64]
    firsts: NDArray[np.int64]

    def first_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each id that of the first image with its bytes: equal ones are one image."""
        import numpy as np

        if not len(self.ids) or not len(ids):
            return ids
        found = ids.copy()
        # In blocks, since each step makes another array.
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            places = np.minimum(np.searchsorted(self.ids, some), len(self.ids) - 1)
            found[start : start + len(some)] = np.where(self.ids[places] == some, self.firsts[places], some)
        return found


def none_same() -> SameImages:
    """Where contents were not compared: every name is an image of its own."""
    import numpy as np

    return SameImages(np.empty(0, np.int64), np.empty(0, np.int64))


class FileEnds(NamedTuple):
    """The first (`head`) and the last bytes of a file, and its `key`: two files with different keys have different bytes."""

    key: int
    head: bytes
    tail: bytes


def read_file_ends(path: str) -> FileEnds | None:
    """What is known of the file `path` once it was opened; None where it is no regular file, or cannot be read."""
    found = read_ends(path, _HEAD_BYTES, _TAIL_BYTES)
    if found is None:
        return None
    size_bytes, head, tail = found
    if size_bytes <= _HEAD_BYTES:
        key = _first_bytes(hashlib.sha256(head)) | 1 if head else 0
    else:
        key = _first_bytes(hashlib.sha256(b"%d %b%b" % (size_bytes, head, tail))) & ~1
    return FileEnds(key, head, tail)


def size_key(size_bytes: int) -> int:
    """The key of a file that was not opened."""
    return size_bytes << 1


def is_whole(key: int) -> bool:
    """Whether a key is made of all bytes of the file: equal keys are equal files then, and the lowest bit says so."""
    return bool(key & 1)


def file_sizes(names: Sequence[str], folder: Path, *, pool: Executor, workers: int) -> list[int]:
    """The size in bytes of each of `names` below `folder`, 0 where there is no such file."""
    step = max(1, -(-len(names) // max(1, workers)))
    slices = [names[start : start + step] for start in range(0, len(names), step)]
    place = str(folder)
    return [
        size for part in pool.map(lambda part: [_size(name, place) for name in part], slices) for size in part
    ]


def _size(name: str, folder: str) -> int:
    for path in _spellings(name, folder):
        # Strings, as a million paths make pathlib's cost felt.
        try:
            found = os.stat(path)  # noqa: PTH116 - see above
        except (OSError, ValueError):
            continue
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    return 0


def _spellings(name: str, folder: str) -> tuple[str, ...]:
    own = os.path.join(folder, name)  # noqa: PTH118 - see above
    return (own, f"{folder}/{slashed(name)}") if "\\" in name else (own,)


def find_same(
    named: NamedImages,
    names: Callable[[], Iterable[str]],
    folder: Path,
    *,
    workers: int,
    usable: Callable[[str], str] = str,
) -> SameImages:
    """Which of the images have the same bytes; `names` goes through the names again, in the order they were added in, and
    `usable` gives the path below `folder` of one of them.

    Reads only files whose key another name has, and not those whose key is made of all their bytes. Never raises for what cannot be read: such a file is
    like no other.
    """
    import numpy as np

    ids = np.frombuffer(named.ids, dtype=np.int64)
    keys = np.frombuffer(named.keys, dtype=np.int64)
    wanted = _of_shared_key(ids, keys)
    if not len(wanted):
        return none_same()
    sums, known = keys[wanted], (keys[wanted] & 1).astype(bool)
    if not known.all():
        sums[~known], known[~known] = _sums(wanted[~known], len(ids), names, folder, workers, usable)
        sums, wanted = sums[known], wanted[known]
    firsts = wanted[first_places(sums)]
    # What is not needed any more would double the memory that this takes.
    del sums, known
    later = firsts != wanted
    found, before = ids[wanted[later]], ids[firsts[later]]
    del wanted, firsts
    order = np.argsort(found)
    found = found[order]
    return SameImages(found, before[order])


def _sums(
    wanted: NDArray[np.int32],
    count: int,
    names: Callable[[], Iterable[str]],
    folder: Path,
    workers: int,
    usable: Callable[[str], str],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of the names at the places `wanted` of `count` the sums of their files, and which of them could be read."""
    import numpy as np

    mask = bytearray(count)
    np.frombuffer(mask, dtype=np.uint8)[wanted] = 1
    # Fewer names come than were asked for where the label files have changed meanwhile.
    sums, read = np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    found = _digests(map(usable, compress(names(), mask)), str(folder), workers)
    for number, digest in enumerate(islice(found, len(wanted))):
        if digest is not None:
            sums[number], read[number] = digest, True
    return sums, read


def _of_shared_key(ids: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int32]:
    """Where each name stands first whose file has the key of one of another name, ascending."""
    import numpy as np

    firsts = np.flatnonzero(_is_first(first_places(ids)) & (keys != 0)).astype(np.int32)
    first_of_key = first_places(keys[firsts])
    shared = np.zeros(len(firsts), dtype=bool)
    shared[first_of_key[~_is_first(first_of_key)]] = True
    wanted: NDArray[np.int32] = firsts[shared[first_of_key]]
    return wanted


def _is_first(first: NDArray[np.int32]) -> NDArray[np.bool_]:
    import numpy as np

    marks: NDArray[np.bool_] = first == np.arange(len(first), dtype=np.int32)
    return marks


def first_places(values: NDArray[Any]) -> NDArray[np.int32]:
    """For each place the first place that has the same value. Takes half of the memory of `numpy.unique`."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.ones(len(values), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    del ordered
    short = order.astype(np.int32)
    del order
    runs = np.cumsum(begins, dtype=np.int32)
    runs -= 1
    firsts = np.empty(len(values), dtype=np.int32)
    firsts[short] = short[begins][runs]
    return firsts


def _digests(names: Iterator[str], folder: str, workers: int) -> Iterator[int | None]:
    """8 bytes of the SHA-256 of each file, None where it cannot be read; a bounded number of them is under way."""
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="contents") as pool:
        while batch := list(islice(names, _FILES_PER_TASK * max(1, workers) * 4)):
            slices = [
                batch[start : start + _FILES_PER_TASK] for start in range(0, len(batch), _FILES_PER_TASK)
            ]
            for part in pool.map(lambda part: [_digest(name, folder) for name in part], slices):
                yield from part


def _digest(name: str, folder: str) -> int | None:
    total = hashlib.sha256()
    for path in _spellings(name, folder):
        try:
            with open_regular(path) as stream:
                while block := stream.read(_BLOCK_BYTES):
                    total.update(block)
        except (OSError, ValueError):
            continue
        return _first_bytes(total)
    return None


def _first_bytes(total: hashlib._Hash) -> int:
    return int.from_bytes(total.digest()[:8], "big", signed=True)
