"""Images that several lines have: in training and in validation, with other labels, or twice the same.

An image is its content: two names with the same bytes are one image (`ocr_train.data.files.contents`). Memory is 32 bytes a
line; names are read again from the files for those few that are shown.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.checks.problems import KEPT_PER_KIND, BadLines, Finding, FoundProblems
from ocr_train.data.files.contents import NamedImages, SameImages, first_places, normal_name
from ocr_train.data.labels import LabelLine, read_labels, shorten
from ocr_train.data.samples import image_names
from ocr_train.ocr_engine.files import open_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STOP, DROP, KEEP = LEAK_CHOICES = ("stop", "drop", "keep")
"""What to do with a validation image that is a training image, too: an error of the validation line, leave the lines
out of training, or keep both and say so."""

_NEXT = {
    STOP: "remove one of the two lines",
    DROP: "the training line is left out",
    KEEP: "kept, as asked (leaks: keep)",
}


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """Validation images that are training images, too: `images` of `val_images` names, `other_label` of them with
    another label there; `val_lines` lines with one have no error, `train_lines` lines for training have one. `choice` is
    what was asked for."""

    images: int
    val_images: int
    other_label: int
    val_lines: int
    train_lines: int
    choice: str = STOP

    def sentence(self) -> str:
        """What a reader must know first."""
        is_are = "is also a training image" if self.images == 1 else "are also training images"
        with_other = f" ({self.other_label} of them with another label)" if self.other_label else ""
        start = f"{self.images} of {self.val_images} validation images {is_are}{with_other}: "
        if self.choice == DROP:
            count = f"{self.train_lines} training sample{'s' * (self.train_lines != 1)}"
            return f"{start}{count} with them {'is' if self.train_lines == 1 else 'are'} left out of training"
        if self.choice == KEEP:
            return f"{start}the scores are too good, and the run says so (data/leaked_val_samples)"
        return f"{start}the scores would be too good"


@dataclass(kw_only=True)
class SampleHashes:
    """Every sample's images and label as 8-byte hashes, to find duplicates: 32 bytes a sample of one image."""

    images: NamedImages = field(default_factory=NamedImages)
    labels: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("I"))
    starts: list[tuple[str, int]] = field(default_factory=list)

    def open(self, file: str) -> None:
        """From here on samples are of `file`."""
        self.starts.append((file, len(self.numbers)))

    def add(self, line: int, images: Mapping[str, int], label: object) -> None:
        """Remember one sample: its images, each with the key of its file (0: no file), and what its label says.

        `hash` is SipHash with 64 bits: among a million a chance hit is 1 in 10^7.
        """
        for name, key in images.items():
            self.images.add(len(self.numbers), name, key)
        self.labels.append(hash(label))
        self.numbers.append(line)

    def place(self, index: int) -> tuple[str, int]:
        """File and line of the sample that was added as number `index` (from 0)."""
        file = next(file for file, start in reversed(self.starts) if start <= index)
        return file, self.numbers[index]

    def names(self, usable: Callable[[str], str] = str) -> Iterator[str]:
        """Every name of every sample again as labels have it, in the order they were added in: the files are read once
        more. `usable` gives the name that was added for one in a label: names of a list are given so, since one name
        twice in it is one image."""
        for file, _ in self.starts:
            for line in read_labels(Path(file)):
                if not isinstance(line, LabelLine):
                    continue
                if line.image.startswith("["):
                    yield from dict.fromkeys(map(usable, image_names(line.image)))
                else:
                    yield line.image

    def of_files(self, files: Iterable[str]) -> NDArray[np.bool_]:
        """For each sample whether it is of one of `files`."""
        import numpy as np

        wanted, marks = set(files), np.zeros(len(self.numbers), dtype=bool)
        ends = [start for _, start in self.starts[1:]] + [len(self.numbers)]
        for (file, start), end in zip(self.starts, ends, strict=True):
            marks[start:end] = file in wanted
        return marks


def find_duplicates(
    samples: SampleHashes,
    same: SameImages,
    found: FoundProblems,
    dropped: BadLines,
    *,
    held: Sequence[str] = (),
    choice: str = STOP,
) -> Leaks | None:
    """Report each later line of an image with the same label, each line of an image whose lines disagree, and each
    line of the files `held` (those for validation) whose image a line of the other files has: a leak.

    `choice` says what to do with a leak; lines that are to be left out of training are noted in `dropped`.
    """
    if not len(samples.numbers):
        return None
    table = _Table.of(samples, same, held)
    _Reporter(samples, table, found, bool(held)).report()
    return _find_leaks(samples, table, found, dropped, choice)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """One row for each image of each sample: `content` is the first row of the same image, `sample` whose it is, `val`
    whether that is for validation, `label` its label, `name` its name. All that grows with the lines is kept small."""

    content: NDArray[np.int32]
    sample: NDArray[np.uint32]
    val: NDArray[np.bool_]
    label: NDArray[np.int64]
    name: NDArray[np.int64]

    @classmethod
    def of(cls, samples: SampleHashes, same: SameImages, held: Sequence[str]) -> _Table:
        import numpy as np

        names = np.frombuffer(samples.images.ids, dtype=np.int64)
        sample = np.frombuffer(samples.images.samples, dtype=np.uint32)
        labels, val = np.frombuffer(samples.labels, dtype=np.int64), samples.of_files(held)
        if len(sample) > len(labels):
            labels, val = labels[sample], val[sample]
        content = first_places(same.first_ids(names))
        return cls(content=content, sample=sample, val=val, label=labels, name=names)

    def hashed_samples(self, labels: NDArray[np.int64]) -> NDArray[np.uint64]:
        """For each sample a hash of its set of images, its side and its label."""
        import numpy as np

        if len(self.sample) > len(labels):
            # A list may have one image twice, under two names.
            pairs = self.sample.astype(np.int64) * len(self.content) + self.content
            rows = np.unique(pairs, return_index=True)[1]
            sums = np.zeros(len(labels), dtype=np.uint64)
            np.add.at(sums, self.sample[rows], _mix(self.content[rows]))
            sides = np.zeros(len(labels), dtype=bool)
            sides[self.sample] = self.val
        else:
            sums, sides = _mix(self.content), self.val
        sums ^= sides
        sums += _mix(labels)
        return sums


def _mix(values: NDArray[np.signedinteger[Any]]) -> NDArray[np.uint64]:
    """Hashes spread over all bits, so that sums of several are as good (the finalizer of SplitMix64)."""
    import numpy as np

    mixed = values.astype(np.int64).view(np.uint64)
    mixed += np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed


@dataclass(frozen=True)
class _Reporter:
    """Reports lines of one set that have the same image."""

    samples: SampleHashes
    table: _Table
    found: FoundProblems
    has_sides: bool

    def report(self) -> None:
        """`duplicate_image` for each later line of the same image and label, `duplicate_conflict` where labels differ."""
        import numpy as np

        first = first_places(self.table.hashed_samples(np.frombuffer(self.samples.labels, dtype=np.int64)))
        later = np.flatnonzero(first != np.arange(len(first), dtype=np.int32))
        _report(self.samples, self.found, "duplicate_image", later, first, self._twice)
        del first, later
        conflicts, others = self._conflicts()
        _report(self.samples, self.found, "duplicate_conflict", conflicts, others, self._conflict)

    def _conflicts(self) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """The samples with an image that another of the same set labels otherwise; for each sample the other one."""
        import numpy as np

        table = self.table
        first = table.content
        if table.val.any():
            first = first_places(table.content.astype(np.int64) * 2 + table.val)
        differs = np.flatnonzero(table.label != table.label[first])
        if not len(differs):
            return differs, np.empty(0, dtype=np.int32)
        # Backwards, so that what stays of equal places is the first.
        opposite = first.copy()
        opposite[first[differs[::-1]]] = differs[::-1]
        disagreeing = np.zeros(len(first), dtype=bool)
        disagreeing[first[differs]] = True
        rows = np.flatnonzero(disagreeing[first])
        of_first = table.label[rows] == table.label[first[rows]]
        other_rows = np.where(of_first, opposite[first[rows]], first[rows])
        others = np.zeros(len(self.samples.numbers), dtype=np.int32)
        others[table.sample[rows[::-1]]] = table.sample[other_rows[::-1]]
        return np.unique(table.sample[rows]).astype(np.intp), others

    def _counts_double(self, index: int) -> str:
        """What follows, with the set that both lines are in where that is known."""
        if not self.has_sides:
            return "it counts double"
        return (
            f"both lines are for {'validation' if self._is_held(index) else 'training'}, so it counts double"
        )

    def _is_held(self, index: int) -> bool:
        import numpy as np

        return bool(self.table.val[int(np.searchsorted(self.table.sample, index))])

    def _twice(self, index: int, where: str, what: str) -> str:
        return f"{where} has {what} and the same label: {self._counts_double(index)}; remove one"

    def _conflict(self, index: int, where: str, what: str) -> str:
        what_to_do = (
            "keep the right one"
            if self.found.task in ("rec", "cls")
            else "keep the right one, or merge the boxes"
        )
        return f"{where} has {what}, with another label: {what_to_do}"


def _find_leaks(
    samples: SampleHashes, table: _Table, found: FoundProblems, dropped: BadLines, choice: str
) -> Leaks | None:
    """Report the samples for validation whose image is trained on."""
    import numpy as np

    if table.val.all() or not table.val.any():
        return None
    trained, held = (np.zeros(len(table.content), dtype=bool) for _ in range(2))
    trained[table.content[~table.val]] = True
    held[table.content[table.val]] = True
    both = trained & held
    rows = np.flatnonzero(both[table.content])
    if not len(rows):
        return None
    val_rows, train_rows = rows[table.val[rows]], rows[~table.val[rows]]
    first_train = np.zeros(len(both), dtype=np.int32)
    first_train[table.content[train_rows[::-1]]] = train_rows[::-1]
    others = np.zeros(len(samples.numbers), dtype=np.int32)
    others[table.sample[val_rows[::-1]]] = table.sample[first_train[table.content[val_rows[::-1]]]]
    val_pairs, train_pairs = (
        _mix(table.content[some]) + table.label[some].view(np.uint64) for some in (val_rows, train_rows)
    )
    other_label = val_rows[~np.isin(val_pairs, train_pairs)]
    differing = set(table.sample[other_label].tolist())

    def hint(index: int, where: str, what: str) -> str:
        label = ", with another label" if index in differing else ""
        return f"{where}, for training, has {what}{label}: {_NEXT[choice]}"

    val_lines, train_lines = np.unique(table.sample[val_rows]), np.unique(table.sample[train_rows])
    _report(samples, found, "leak", val_lines, others, hint)
    if choice == DROP:
        for index in train_lines:
            dropped.add(*samples.place(int(index)), "leak")
    return Leaks(
        images=len(np.unique(table.name[val_rows])),
        val_images=len(np.unique(table.name[table.val])),
        other_label=len(np.unique(table.name[other_label])),
        val_lines=sum(samples.place(int(index)) not in found.bad_lines for index in val_lines),
        train_lines=len(train_lines),
        choice=choice,
    )


def _report(
    samples: SampleHashes,
    found: FoundProblems,
    kind: str,
    indices: NDArray[np.intp],
    others: NDArray[np.int32],
    hint: Callable[[int, str, str], str],
) -> None:
    """Report each sample of `indices`; `others` has for each sample the one that it is held against."""
    shown = [(int(index), int(others[index])) for index in indices[:KEPT_PER_KIND]]
    places = {index: samples.place(index) for pair in shown for index in pair}
    names = _read_names(places.values())
    for index, other in shown:
        place, there = places[index], places[other]
        value, where, what = _compared(names.get(place, ""), names.get(there, ""), f"{there[0]}:{there[1]}")
        found.add(*place, Finding(kind, value, hint(index, where, what), there))
    rest = indices[KEPT_PER_KIND:]
    if len(rest):
        found.count_places(kind, (samples.place(int(index)) for index in rest), len(rest))


def _compared(image: str, other: str, where: str) -> tuple[str, str, str]:
    """What to call the image of a line, the other place with its name where that is another, and how they are the same."""
    names = {normal_name(name): name for name in image_names(image)}
    shared = [names[name] for name in map(normal_name, image_names(other)) if name in names]
    if image != other:
        where = f"{where} {shorten(other)!r}"
    what = "the same image" if shared else "an image with the same bytes"
    return shorten(shared[0] if shared and len(names) > 1 else image), where, what


def _read_names(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
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
                    names[file, number] = raw.partition(b"\t")[0].decode("utf-8", "replace").lstrip("\ufeff")
                if number >= last:
                    break
    return names
