"""Splits samples into train, val and test, the same way every time.

A group of samples (a page with all its crops, or what `group_by` says) goes to one set as a whole. Which
one is decided by a hash of the seed and the group's key alone, so that adding data never moves an old
sample, and neither does correcting a label: the content that counts is the image's path, not its bytes and
not its text.

        0 ........ test | ........ train ........ | 1 - val ........ 1

Three things can overrule the hash, each said in `Split.notes`: `earlier` (a split that stays as it was), a
set that would be empty, and recognition texts: val gives up the groups that hold a character which train
lacks. The last two depend on the whole data; where later data must not undo them, pass the first split as
`earlier`.
"""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.data.image_files import require_unchanged, slashed
from ocr_train.data.labels import LabelLine, TableLine, format_sample, shorten
from ocr_train.data.samples import image_names, image_root, read_samples, relocate
from ocr_train.errors import ConfigError, DataError

SETS = ("train", "val", "test")

_CROP = re.compile(r"_crop_\d+(\.[^./]*)?$")


@dataclass(frozen=True, kw_only=True)
class Split:
    """The samples of each set, in their old order; together they are all samples. `notes` are for people."""

    train: tuple[LabelLine, ...]
    val: tuple[LabelLine, ...]
    test: tuple[LabelLine, ...] = ()
    notes: tuple[str, ...] = ()

    def named(self) -> Mapping[str, tuple[LabelLine, ...]]:
        """The three sets by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(kw_only=True)
class _Group:
    """Samples that stay together: `place` in [0, 1) from the hash, the `side` (set) they are on by now."""

    key: str
    place: float
    side: str
    fixed: bool = False
    images: set[str] = field(default_factory=set)
    characters: set[str] = field(default_factory=set)


def group_key(image: str, group_by: re.Pattern[str] | None = None) -> str:
    """The key of the group that `image` belongs to.

    With `group_by`: what its groups match (the whole match where it has none), searched in the path with
    slashes. Without, or where nothing matches: the path without `_crop_<n>` and suffix, so that a page's
    crops and nothing else come together (the folder counts: two pages of the same name are two groups).
    """
    path = _normal_path(image)
    if group_by is not None and (match := group_by.search(path)):
        return "\x1f".join(part or "" for part in match.groups()) if match.groups() else match.group()
    if _CROP.search(path):
        return _CROP.sub("", path)
    stem, dot, suffix = path.rpartition(".")
    return stem if dot and "/" not in suffix and stem else path


def _normal_path(image: str) -> str:
    return posixpath.normpath(slashed(image_names(image)[0]))


def split(
    lines: Sequence[LabelLine],
    *,
    val: float,
    test: float = 0.0,
    seed: int = 0,
    group_by: str | None = None,
    earlier: Split | None = None,
) -> Split:
    """Split `lines` into shares of about `val` and `test` of the groups; nothing is left out.

    The shares are those of a hash, so a small set may miss them by some groups. Train and val get at least
    one group each where there are two (test, too, where there are three). Where labels are texts, val ends
    without a character that train lacks, unless that would empty it; a detector reads no text, so detection
    labels are never moved for one. Samples that `earlier` names by the same image path stay in their set.

    Raises `ConfigError` for impossible shares or a wrong `group_by`, `DataError` where there are no samples.
    """
    _check_shares(val, test)
    if not lines:
        raise DataError("There are no samples to split", hint="Check the label file: it has no usable line.")
    pattern = _compile(group_by)
    keys = [group_key(line.image, pattern) for line in lines]
    detection = _is_detection(lines)
    groups = _make_groups(lines, keys, val=val, test=test, seed=seed, detection=detection)
    notes = _keep_earlier(groups, earlier) if earlier is not None else []
    notes += _fill_empty_sets(groups, val=val, test=test)
    notes += _cover_characters(groups, move=not detection)
    notes += _unmatched(lines, pattern)
    sets: dict[str, list[LabelLine]] = {name: [] for name in SETS}
    for line, key in zip(lines, keys, strict=True):
        sets[groups[key].side].append(line)
    return Split(
        train=tuple(sets["train"]), val=tuple(sets["val"]), test=tuple(sets["test"]), notes=tuple(notes)
    )


def _check_shares(val: float, test: float) -> None:
    good = all(math.isfinite(share) and 0 <= share < 1 for share in (val, test))
    if not good or val + test >= 1:
        raise ConfigError(
            f"Shares val={val!r} and test={test!r} leave nothing for training",
            hint="Each must be at least 0, and together less than 1: --val 0.2 --test 0.1, for example.",
        )


def _compile(group_by: str | None) -> re.Pattern[str] | None:
    if not group_by:
        return None
    try:
        return re.compile(group_by)
    except re.error as exc:
        raise ConfigError(
            f"group_by={group_by!r} is not a regular expression: {exc}",
            hint=r"An example that takes the part before the last underscore: '([^/]+)_\d+\.jpg$'",
        ) from exc


def _make_groups(
    lines: Sequence[LabelLine], keys: Sequence[str], *, val: float, test: float, seed: int, detection: bool
) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for line, key in zip(lines, keys, strict=True):
        group = groups.get(key)
        if group is None:
            place = _place(key, seed)
            group = groups[key] = _Group(key=key, place=place, side=_set_at(place, val=val, test=test))
        group.images.add(line.image)
        for text in _texts(line.label) if detection else (line.label,):
            group.characters.update(text)
    for group in groups.values():
        group.characters = {character for character in group.characters if not character.isspace()}
    return groups


def _place(key: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but `key` and `seed`."""
    digest = hashlib.sha256(f"{seed}\x00{key}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _set_at(place: float, *, val: float, test: float) -> str:
    if place < test:
        return "test"
    return "val" if place >= 1 - val else "train"


def _is_detection(lines: Sequence[LabelLine]) -> bool:
    """Whether labels are lists of boxes, or tables: the first few decide."""
    return all(isinstance(line, TableLine) or _boxes(line.label) is not None for line in lines[:20])


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


def _keep_earlier(groups: Mapping[str, _Group], earlier: Split) -> list[str]:
    sets: dict[str, str] = {}
    # Train last: what was trained on can never be held out again.
    for name in ("test", "val", "train"):
        sets.update((line.image, name) for line in earlier.named()[name])
    torn = 0
    for group in groups.values():
        found = {sets[image] for image in group.images if image in sets}
        if found:
            group.side = next(name for name in SETS if name in found)
            group.fixed = True
            torn += len(found) > 1
    if torn:
        return [f"{torn} groups were in several sets of the earlier split; they go to the first of {SETS}."]
    return []


def _fill_empty_sets(groups: Mapping[str, _Group], *, val: float, test: float) -> list[str]:
    """Give a set that should have samples and has none the group that lies nearest to it."""
    notes = []
    needed = ["train"] + ["val"] * (val > 0 and len(groups) > 1) + ["test"] * (test > 0 and len(groups) > 2)
    uses = _uses(groups.values())
    for name in needed:
        sizes = Counter(group.side for group in groups.values())
        if sizes[name]:
            continue
        free = [
            group
            for group in groups.values()
            if not group.fixed and (sizes[group.side] > 1 or group.side not in needed)
        ]
        if not free:
            notes.append(
                f"{name} is empty: the earlier split has already placed every group that could go there."
            )
            continue
        chosen = min(free, key=_nearest_to(name, uses))
        chosen.side = name
        notes.append(f"{name} would have been empty; it gets the group {chosen.key!r}.")
    if val > 0 and len(groups) == 1:
        notes.append(f"All samples are one group, {next(iter(groups))!r}; val is empty.")
    return notes


def _nearest_to(name: str, uses: Mapping[str, int]) -> Callable[[_Group], tuple[bool, float]]:
    """Orders groups: those without a character of their own first (except for train), then by their place."""

    def order(group: _Group) -> tuple[bool, float]:
        irreplaceable = any(uses[character] == 1 for character in group.characters)
        if name == "train":
            return not irreplaceable, abs(group.place - 0.5)
        return irreplaceable, -group.place if name == "val" else group.place

    return order


def _uses(groups: Iterable[_Group]) -> Counter[str]:
    """In how many groups each character occurs."""
    return Counter(character for group in groups for character in group.characters)


def _cover_characters(groups: Mapping[str, _Group], *, move: bool) -> list[str]:
    """Move groups from val to train until train has every character of val, or val would be empty."""
    known: set[str] = set().union(*(group.characters for group in groups.values() if group.side == "train"))
    owners: dict[str, list[_Group]] = defaultdict(list)
    held = sorted((group for group in groups.values() if group.side == "val"), key=lambda group: group.place)
    for group in held:
        for character in sorted(group.characters - known):
            owners[character].append(group)
    left, moved = len(held), []
    for character, having in owners.items():
        chosen = next((group for group in having if not group.fixed), None)
        if move and character not in known and chosen is not None and left > 1:
            chosen.side = "train"
            known |= chosen.characters
            moved.append(chosen)
            left -= 1
    notes = []
    if moved:
        notes.append(
            f"{len(moved)} groups were moved from val to train, which did not have all their characters: "
            f"{_listed(group.key for group in moved)}."
        )
    for name in ("val", "test"):
        missing = _uses(group for group in groups.values() if group.side == name).keys() - known
        if missing:
            why = "" if move else " A detector does not read them, so nothing was moved."
            notes.append(f"{name} has characters that train lacks: {''.join(sorted(missing))!r}.{why}")
    return notes


def _unmatched(lines: Sequence[LabelLine], pattern: re.Pattern[str] | None) -> list[str]:
    if pattern is None:
        return []
    missed = [line for line in lines if not pattern.search(_normal_path(line.image))]
    if not missed:
        return []
    return [
        f"group_by={pattern.pattern!r} matches {len(lines) - len(missed)} of {len(lines)} samples; "
        f"the others, such as {missed[0].image!r}, are grouped by page."
    ]


def _listed(values: Iterable[str], limit: int = 5) -> str:
    shown = list(values)
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(repr(shorten(value)) for value in shown[:limit]) + more


def split_file(
    labels: Path,
    out: Path,
    *,
    val: float,
    test: float = 0.0,
    seed: int = 0,
    group_by: str | None = None,
    earlier: Path | None = None,
    overwrite: bool = False,
) -> Split:
    """Split the label file `labels` and write `out/train.txt`, `out/val.txt` and, with `test`,
    `out/test.txt`.

    Images stay where they are: their paths are rewritten relative to `out` where that is another folder than
    the one they are relative to now. `earlier` is a folder with such files (`out` itself, say) that keep
    their samples. Lines that hold no sample stay behind in `labels` and are named in the notes.

    Raises `DataError` where a file exists with other content and `overwrite` is not set, and what `split`
    does.
    """
    lines, bad = read_samples(labels)
    if not lines:
        raise DataError(f"{labels} has no usable line", hint=f"{len(bad)} lines are not '<image>\\t<label>'.")
    root = image_root(labels, (line.image for line in lines))
    before = None if earlier is None else _read_earlier(earlier, root)
    done = split(lines, val=val, test=test, seed=seed, group_by=group_by, earlier=before)
    texts = {
        out / f"{name}.txt": "".join(
            format_sample(replace(line, image=relocate(line.image, root, out))) for line in held
        )
        for name, held in done.named().items()
        if held or name != "test" or (out / "test.txt").exists()
    }
    if not overwrite:
        for path, text in texts.items():
            require_unchanged(path, text)
    for path, text in texts.items():
        write_bytes(path, text.encode())
    if not bad:
        return done
    where = ", ".join(f"{labels}:{one.line} ({one.kind})" for one in bad[:5])
    note = f"{len(bad)} lines hold no sample and are in no set, the first at {where}."
    return Split(train=done.train, val=done.val, test=done.test, notes=(*done.notes, note))


def _read_earlier(folder: Path, root: Path) -> Split:
    """The split in `folder`, its images relative to `root`, as in the label file that is to be split."""
    sets: dict[str, tuple[LabelLine, ...]] = dict.fromkeys(SETS, ())
    for name in SETS:
        path = folder / f"{name}.txt"
        if path.exists():
            sets[name] = tuple(
                LabelLine(
                    file=path, line=line.line, image=relocate(line.image, folder, root), label=line.label
                )
                for line in read_samples(path)[0]
            )
    if not any(sets.values()):
        raise DataError(f"{folder} has no earlier split", hint="It should have train.txt and val.txt.")
    return Split(train=sets["train"], val=sets["val"], test=sets["test"])
