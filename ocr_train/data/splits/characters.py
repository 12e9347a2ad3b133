"""Characters in a split: what only validation has is never learned, so recognition samples are moved for it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ocr_train.data.labels import LabelLine, TableLine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ocr_train.data.splits.groups import Groups, Lines

_DECIDING_LINES = 20


def is_detection(first: Sequence[LabelLine]) -> bool:
    """Whether labels are lists of boxes, or tables: the first few decide."""
    return all(
        isinstance(line, TableLine) or _boxes(line.label) is not None for line in first[:_DECIDING_LINES]
    )


def _boxes(label: str) -> list[object] | None:
    if not label.lstrip().startswith("["):
        return None
    try:
        boxes = json.loads(label)
    except (ValueError, RecursionError):
        return None
    return boxes if isinstance(boxes, list) and all(isinstance(box, dict) for box in boxes) else None


def _texts(label: str) -> Iterator[str]:
    for box in _boxes(label) or ():
        text = box.get("transcription") if isinstance(box, dict) else None
        if isinstance(text, str) and text not in ("*", "###"):
            yield text


def _characters(label: str, *, detection: bool) -> Iterable[str]:
    return "".join(_texts(label)) if detection else label


def irreplaceable(groups: Groups, lines: Lines, *, detection: bool) -> NDArray[np.bool_]:
    """Which groups have a character that no other has."""
    import numpy as np

    several = -1
    owner: dict[str, int] = {}
    for sample, line in enumerate(lines()):
        group = int(groups.of_sample[sample])
        for character in set(_characters(line.label, detection=detection)):
            if owner.setdefault(character, group) != group:
                owner[character] = several
    found = np.zeros(len(groups), dtype=bool)
    found[[group for character, group in owner.items() if group != several and not character.isspace()]] = (
        True
    )
    return found


def replacements(
    groups: Groups, lines: Lines, nearest: Iterable[int], *, val: int, wanted: float
) -> Iterator[int]:
    """Groups of train, of those in the order `nearest`, that bring the set `val` nearer to `wanted` samples and have no
    character that train would then lack. For few groups: the characters of each are remembered."""
    of_group = [set[str]() for _ in range(len(groups))]
    sizes = [0] * len(groups)
    for sample, line in enumerate(lines()):
        group = int(groups.of_sample[sample])
        of_group[group].update(line.label)
        sizes[group] += 1
    in_train = [group for group in range(len(groups)) if groups.side[group] == 0]
    uses = Counter(character for group in in_train for character in of_group[group])
    total = sum(size for group, size in enumerate(sizes) if groups.side[group] == val)
    for group in (group for group in nearest if groups.side[group] == 0):
        nearer = abs(total + sizes[group] - wanted) < abs(total - wanted)
        if nearer and all(uses[character] > 1 or character.isspace() for character in of_group[group]):
            uses.subtract(of_group[group])
            total += sizes[group]
            yield group


def cover_characters(
    groups: Groups, lines: Lines, *, detection: bool, val: int, test: int
) -> tuple[list[int], dict[int, str]]:
    """Move groups from the set of number `val` to 0 (train) until train has every character of val, or val would be
    empty; those moved come back, and what val and test have in the end that train lacks. A detector reads no text: its
    groups are not moved."""
    known, pending, of_test = _missing(groups, lines, detection=detection, val=val, test=test)
    owners: dict[str, list[int]] = defaultdict(list)
    for group in sorted(pending, key=lambda group: (groups.place[group], group)):
        for character in sorted(pending[group]):
            owners[character].append(group)
    left = int((groups.side == val).sum())
    moved: list[int] = []
    for character, having in owners.items():
        chosen = next((group for group in having if not groups.fixed[group]), None)
        if not detection and character not in known and chosen is not None and left > 1:
            groups.side[chosen] = 0
            known |= pending.pop(chosen, set())
            moved.append(chosen)
            left -= 1
    of_val = set().union(*pending.values())
    lacking = {val: of_val - known, test: of_test - known}
    return moved, {name: "".join(sorted(missing)) for name, missing in lacking.items() if missing}


def _missing(
    groups: Groups, lines: Lines, *, detection: bool, val: int, test: int
) -> tuple[set[str], dict[int, set[str]], set[str]]:
    """The characters of train, and what val's groups and test as a whole have beside them."""
    known: set[str] = set()
    pending: dict[int, set[str]] = {}
    of_test: set[str] = set()
    sides = groups.sample_sides
    for sample, line in enumerate(lines()):
        side = sides[sample]
        characters = _characters(line.label, detection=detection)
        if side == val:
            # Most are known soon: what is left to remember are the rare ones.
            if missing := set(characters) - known:
                pending.setdefault(int(groups.of_sample[sample]), set()).update(missing)
        elif side == test:
            of_test.update(characters)
        else:
            known.update(characters)
    blank = {character for character in set().union(of_test, *pending.values()) if character.isspace()}
    left = {group: found - known - blank for group, found in pending.items()}
    return known, {group: found for group, found in left.items() if found}, of_test - known - blank
