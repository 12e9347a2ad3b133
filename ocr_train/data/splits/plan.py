"""Which set each sample goes to. What decides, and what can overrule it: `ocr_train.data.splits.split`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.checks.meaning import line_meaning
from ocr_train.data.files.contents import SameImages, image_id
from ocr_train.data.labels import LabelLine, shorten
from ocr_train.data.samples import image_names
from ocr_train.data.splits.characters import cover_characters, irreplaceable, is_detection, replacements
from ocr_train.data.splits.groups import Groups, Lines, read_groups
from ocr_train.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SETS = ("train", "val", "test")
TRAIN, VAL, TEST = range(len(SETS))

_CONFLICTS_READ = 1000
FEW_GROUPS = 50
"""With fewer groups than this a hash may miss a share by far: then groups are counted out."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What is asked for: the shares of the groups that are for val and for test, and the seed of the hash."""

    val: float
    test: float
    seed: int


@dataclass(kw_only=True)
class EarlierSets:
    """The images of an earlier split, as 8-byte ids, each with the number of its set."""

    ids: array[int] = field(default_factory=lambda: array("q"))
    sides: array[int] = field(default_factory=lambda: array("B"))

    def add(self, images: Iterable[str], side: int) -> None:
        """Remember that `images` were in the set number `side`."""
        for image in images:
            for name in image_names(image):
                self.ids.append(image_id(name))
                self.sides.append(side)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The number of each sample's set, in the order of the samples; `notes` are for people."""

    sides: bytes
    notes: tuple[str, ...]


def plan_split(
    lines: Lines,
    shares: Shares,
    key: Callable[[str], str],
    *,
    earlier: EarlierSets | None = None,
    folder: Path | None = None,
    same: SameImages | None = None,
) -> Plan:
    """Decide for each of the samples that `lines` goes through. `key` gives the group of an image's name; `folder` and
    `same` say which images are the same (`read_groups`). Raises `DataError` where there are no samples."""
    first = list(islice(lines(), 20))
    if not first:
        raise DataError("There are no samples to split", hint="Check the label file: it has no usable line.")
    groups = read_groups(lines, key, seed=shares.seed, folder=folder, same=same)
    groups.side[groups.place >= 1 - shares.val] = VAL
    groups.side[groups.place < shares.test] = TEST
    planner = _Planner(lines, shares, key, groups, is_detection(first))
    if earlier is not None:
        planner.keep_earlier(earlier)
    else:
        planner.count_out()
    planner.fill_empty_sets()
    planner.cover_characters(replace=earlier is None)
    planner.note_conflicts()
    return Plan(sides=groups.sample_sides, notes=tuple(planner.notes))


@dataclass
class _Planner:
    """Overrules the hash where it must, and notes what was done."""

    lines: Lines
    shares: Shares
    key: Callable[[str], str]
    groups: Groups
    detection: bool
    notes: list[str] = field(default_factory=list)

    def keep_earlier(self, earlier: EarlierSets) -> None:
        """Put groups of samples that were split before where they were."""
        import numpy as np

        # Train first: what was trained on can never be held out again.
        order = np.argsort(np.frombuffer(earlier.sides, dtype=np.uint8), kind="stable")
        ids, first = np.unique(np.frombuffer(earlier.ids, dtype=np.int64)[order], return_index=True)
        sides = np.frombuffer(earlier.sides, dtype=np.uint8)[order][first]
        names = np.frombuffer(self.groups.images.ids, dtype=np.int64)
        if not len(ids):
            return
        places = np.minimum(np.searchsorted(ids, names), len(ids) - 1)
        rows = np.flatnonzero(ids[places] == names)
        samples = np.frombuffer(self.groups.images.samples, dtype=np.uint32)[rows]
        sets = np.zeros(len(self.groups), dtype=np.uint8)
        bits = np.left_shift(1, sides[places[rows]]).astype(np.uint8)
        np.bitwise_or.at(sets, self.groups.of_sample[samples], bits)
        for side in reversed(range(len(SETS))):
            self.groups.side[(sets >> side) & 1 > 0] = side
        self.groups.fixed |= sets > 0
        if torn := int(((sets & (sets - 1)) > 0).sum()):
            self.notes.append(
                f"{torn} groups were in several sets of the earlier split; they go to the first of {SETS}."
            )

    def count_out(self) -> None:
        """Where a set of few groups misses its share by more than a group: those nearest by their place, up to the share."""
        import numpy as np

        count = len(self.groups)
        if not 1 < count < FEW_GROUPS:
            return
        sizes = np.bincount(self.groups.of_sample, minlength=count)
        samples = int(sizes.sum())
        wanted = {VAL: self.shares.val * samples, TEST: self.shares.test * samples}
        by_hash = self._sizes()
        if all(abs(by_hash[side] - share) <= samples / count for side, share in wanted.items()):
            return
        self.groups.side[:] = TRAIN
        for side in (side for side, share in wanted.items() if share):
            self._take(side, wanted[side], sizes)
        now = self._sizes()
        gave = " and ".join(f"{by_hash[side]} to {SETS[side]}" for side, share in wanted.items() if share)
        gets = " and ".join(f"{SETS[side]} gets {now[side]}" for side, share in wanted.items() if share)
        self.notes.append(
            f"{count} groups are few for a hash, which would give {gave} of {samples} samples: {gets}, the groups nearest "
            "to it by their hash. Data added later may move some of them; `split --earlier` keeps them."
        )

    def _sizes(self) -> list[int]:
        """How many samples each set has."""
        import numpy as np

        found: list[int] = np.bincount(self.groups.side[self.groups.of_sample], minlength=len(SETS)).tolist()
        return found

    def _take(self, side: int, wanted: float, sizes: NDArray[np.intp]) -> None:
        """Move the groups of train that are nearest to the set `side` there, each that brings it nearer to `wanted`
        samples; at least one, and never the last one of train."""
        free = [int(group) for group in self._nearest(side, move=not self.detection)]
        free = [group for group in free if self.groups.side[group] == TRAIN]
        total, taken = 0, 0
        for group in free:
            if taken + 1 < len(free) and abs(total + sizes[group] - wanted) < abs(total - wanted):
                self.groups.side[group] = side
                total, taken = total + int(sizes[group]), taken + 1
        if not taken and len(free) > 1:
            self.groups.side[min(free, key=lambda group: abs(sizes[group] - wanted))] = side

    def fill_empty_sets(self) -> None:
        """Give a set that should have samples and has none the group that lies nearest to it."""
        import numpy as np

        groups, count = self.groups, len(self.groups)
        needed = (
            [TRAIN]
            + [VAL] * (self.shares.val > 0 and count > 1)
            + [TEST] * (self.shares.test > 0 and count > 2)
        )
        for side in needed:
            sizes = np.bincount(groups.side, minlength=len(SETS))
            if sizes[side]:
                continue
            may_give = np.array([sizes[other] > 1 or other not in needed for other in range(len(SETS))])
            free = ~groups.fixed & may_give[groups.side]
            chosen = next((group for group in self._nearest(side, move=True) if free[group]), None)
            if chosen is None:
                self.notes.append(
                    f"{SETS[side]} is empty: the earlier split has already placed every group that could go there."
                )
                continue
            groups.side[chosen] = side
            self.notes.append(f"{SETS[side]} would have been empty; it gets the group {self._key(chosen)!r}.")
        if self.shares.val > 0 and count == 1:
            self.notes.append(f"All samples are one group, {self._key(0)!r}; val is empty.")

    def _nearest(self, side: int, *, move: bool) -> NDArray[np.intp]:
        """The groups by their distance to a set. Where groups with a character of their own are moved to train, those come
        last (for train first)."""
        import numpy as np

        alone = np.zeros(len(self.groups), dtype=bool)
        if move:
            alone = irreplaceable(self.groups, self.lines, detection=self.detection)
        place = self.groups.place
        distance = {TRAIN: np.abs(place - 0.5), VAL: -place, TEST: place}[side]
        order: NDArray[np.intp] = np.lexsort((distance, ~alone if side == TRAIN else alone))
        return order

    def cover_characters(self, *, replace: bool) -> None:
        """Move groups from val to train for the characters that train lacks, and say which are left. With `replace` other
        groups take the place of those that left a small val: then one that had to stay as the last one may leave, too."""
        moved, lacking = self._cover()
        taken: list[int] = []
        if moved and replace:
            taken = self._replace(moved)
            if taken:
                more, lacking = self._cover()
                moved = [*moved, *more]
                taken = [group for group in taken if group not in more]
        if moved:
            shown = ", ".join(repr(shorten(key)) for key in self._keys(moved[:5]))
            rest = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
            self.notes.append(
                f"{len(moved)} groups were moved from val to train, which did not have all their characters: {shown}{rest}."
            )
        for side, missing in lacking.items():
            why = " A detector does not read them, so nothing was moved." if self.detection else ""
            self.notes.append(f"{SETS[side]} has characters that train lacks: {missing!r}.{why}")
        if taken:
            self.notes.append(
                f"{len(taken)} groups of train took their place: {', '.join(map(repr, self._keys(taken)))}."
            )

    def _cover(self) -> tuple[Sequence[int], Mapping[int, str]]:
        """The groups that were moved, and the characters that are left, by the set that has them."""
        if not (self.groups.side != TRAIN).any():
            return [], {}
        return cover_characters(self.groups, self.lines, detection=self.detection, val=VAL, test=TEST)

    def _replace(self, moved: Sequence[int]) -> list[int]:
        """Where few groups have left val for their characters, let others take their place, up to the share."""
        count, sizes = len(self.groups), self._sizes()
        wanted = self.shares.val * sum(sizes)
        if count >= FEW_GROUPS or wanted - sizes[VAL] <= sum(sizes) / count:
            return []
        nearest = (int(group) for group in self._nearest(VAL, move=False) if group not in moved)
        chosen = list(replacements(self.groups, self.lines, nearest, val=VAL, wanted=wanted))
        self.groups.side[chosen] = VAL
        return chosen

    def note_conflicts(self) -> None:
        """Say where lines disagree about an image: a split does not decide which of them is right."""
        pairs = self.groups.conflicts[:_CONFLICTS_READ]
        wanted = {sample for pair in pairs for sample in pair}
        found = (
            {sample: line for sample, line in enumerate(self.lines()) if sample in wanted} if wanted else {}
        )
        pairs = [pair for pair in pairs if self._disagree(*(found[sample] for sample in pair))]
        if not pairs:
            return
        count = max(len(pairs), len(self.groups.conflicts) * (len(self.groups.conflicts) > _CONFLICTS_READ))
        first, second = (found[sample] for sample in pairs[0])
        self.notes.append(
            f"{count} line{'s have' if count > 1 else ' has'} an image that a line before has with another label "
            f"(duplicate_conflict): {first.file}:{first.line} {shorten(first.image)!r} and {second.file}:{second.line} "
            f"{shorten(second.image)!r}. They are in one set; `validate` lists such lines."
        )

    def _disagree(self, one: LabelLine, other: LabelLine) -> bool:
        """Whether two labels that are written differently say different things."""
        return line_meaning(one, detection=self.detection) != line_meaning(other, detection=self.detection)

    def _key(self, group: int) -> str:
        return self._keys([int(group)])[0]

    def _keys(self, groups: Sequence[int]) -> list[str]:
        """The keys of `groups`, read again from their first samples."""
        wanted = {int(self.groups.first[group]): group for group in groups}
        found: dict[int, str] = {}
        for sample, line in enumerate(self.lines()):
            if sample in wanted:
                found[wanted[sample]] = self.key(line.image)
                if len(found) == len(wanted):
                    break
        return [found[group] for group in groups]


def sides_of(named: Mapping[str, Iterable[LabelLine]]) -> EarlierSets:
    """The images of the sets `named`."""
    earlier = EarlierSets()
    for name, lines in named.items():
        earlier.add((line.image for line in lines), SETS.index(name))
    return earlier
