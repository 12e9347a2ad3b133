"""Splits samples into train, val and test, the same way every time.

A group of samples (a page with all its crops, or what `group_by` says) goes to one set as a whole; samples that share
an image, by its name or by its bytes, are one group, too. Which set is decided by a hash of the seed and the group's
key alone, so that adding data never moves an old sample, and neither does correcting a label. The key is the path of
the group's first sample.

        0 ........ test | ........ train ........ | 1 - val ........ 1

Four things can overrule the hash, each said in the notes: `earlier` (a split that stays as it was), fewer than 50
groups of which the hash gives a set more than one too many or too few (then the right number of those nearest to it
is taken), a set that would be empty, and recognition texts: val gives up the groups that hold a character which train
lacks. All but the first depend on the whole data; where later data must not undo them, pass the first split as
`earlier`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ocr_train.atomic_files import whole_file
from ocr_train.data.checks.label_file import require_label_file
from ocr_train.data.files.contents import SameImages, normal_name
from ocr_train.data.files.image_files import require_unchanged_file
from ocr_train.data.files.image_paths import ImagePaths, paths_of
from ocr_train.data.labels import BadLine, LabelLine, TableLine, format_line, format_sample, read_labels
from ocr_train.data.samples import image_names
from ocr_train.data.splits.names import suggest_group_by
from ocr_train.data.splits.plan import SETS, EarlierSets, Plan, Shares, plan_split, sides_of
from ocr_train.errors import ConfigError, DataError

_CROP = re.compile(r"_crop_\d+(\.[^./]*)?$")
_REMEMBERED_FOLDERS = 10_000


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


def group_key(image: str, group_by: re.Pattern[str] | None = None) -> str:
    """The key of the group that `image` belongs to.

    With `group_by`: what its groups match (the whole match where it has none), searched in the path with
    slashes. Without, or where nothing matches: the path without `_crop_<n>` and suffix, so that a page's
    crops and nothing else come together (the folder counts: two pages of the same name are two groups).
    """
    path = normal_name(image_names(image)[0])
    if group_by is not None and (match := group_by.search(path)):
        return "\x1f".join(part or "" for part in match.groups()) if match.groups() else match.group()
    if "_crop_" in path and _CROP.search(path):
        return _CROP.sub("", path)
    stem, dot, suffix = path.rpartition(".")
    return stem if dot and "/" not in suffix and stem else path


def split(
    lines: Sequence[LabelLine],
    *,
    val: float,
    test: float = 0.0,
    seed: int = 0,
    group_by: str | None = None,
    earlier: Split | None = None,
    same: SameImages | None = None,
    below: str = "",
) -> Split:
    """Split `lines` into shares of about `val` and `test` of the groups; nothing is left out.

    The shares are those of a hash; with fewer than 50 groups they are at most one group off. Train and val get at least
    one group each where there are two (test, too, where there are three). Where labels are texts, val ends
    without a character that train lacks, unless that would empty it; a detector reads no text, so detection
    labels are never moved for one. Samples that `earlier` names by the same image path stay in their set. `same` knows
    which images have the same bytes. `below` is what all paths begin with that counts for nothing.

    Raises `ConfigError` for impossible shares or a wrong `group_by`, `DataError` where there are no samples.
    """
    plan = _plan(
        lambda: lines,
        _Asked(val=val, test=test, seed=seed, group_by=group_by),
        earlier=sides_of(earlier.named()) if earlier is not None else None,
        same=same,
        below=below,
    )
    sets: dict[str, list[LabelLine]] = {name: [] for name in SETS}
    for line, side in zip(lines, plan.sides, strict=True):
        sets[SETS[side]].append(line)
    return Split(
        train=tuple(sets["train"]), val=tuple(sets["val"]), test=tuple(sets["test"]), notes=plan.notes
    )


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """How to split. Raises `ConfigError` for impossible shares or a wrong `group_by`."""

    val: float
    test: float
    seed: int
    group_by: str | None

    def __post_init__(self) -> None:
        _check_shares(self.val, self.test)
        _compile(self.group_by)


def _plan(
    lines: Callable[[], Iterable[LabelLine]],
    asked: _Asked,
    *,
    earlier: EarlierSets | None = None,
    folder: Path | None = None,
    same: SameImages | None = None,
    below: str = "",
) -> Plan:
    pattern = _compile(asked.group_by)
    key = partial(_key_below, group_by=pattern, below=below)
    shares = Shares(val=asked.val, test=asked.test, seed=asked.seed)
    plan = plan_split(lines, shares, key, earlier=earlier, folder=folder, same=same)
    note = suggest_group_by(lines, plan.sides, key) if pattern is None else _unmatched(lines, pattern)
    return Plan(sides=plan.sides, notes=(*plan.notes, note)) if note else plan


def _key_below(image: str, *, group_by: re.Pattern[str] | None, below: str) -> str:
    return group_key(image_names(image)[0].removeprefix(below) if below else image, group_by)


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


def _unmatched(lines: Callable[[], Iterable[LabelLine]], pattern: re.Pattern[str]) -> str | None:
    """A note where samples are not matched, so that they are grouped by page."""
    count = missed = 0
    example = ""
    for line in lines():
        count += 1
        if not pattern.search(normal_name(image_names(line.image)[0])):
            missed += 1
            example = example or line.image
    if not missed:
        return None
    return (
        f"group_by={pattern.pattern!r} matches {count - missed} of {count} samples; "
        f"the others, such as {example!r}, are grouped by page."
    )


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """What was written: the number of samples in each set. `outside` says that images are not below the folder."""

    samples: Mapping[str, int]
    outside: bool
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class _SampleFile:
    """Goes through the samples of a label file; `bad` are the lines that hold none, up to where it was read."""

    labels: Path
    paths: ImagePaths | None = None
    bad: int = 0
    first_bad: list[str] = field(default_factory=list)

    def __call__(self) -> Iterator[LabelLine]:
        self.bad, self.first_bad = 0, []
        try:
            for line in read_labels(self.labels):
                if isinstance(line, LabelLine):
                    yield self._found(line)
                else:
                    self._note(line)
        except OSError as exc:
            raise DataError(f"{self.labels} cannot be read: {exc.strerror}", hint="Check the path.") from exc

    def _found(self, line: LabelLine) -> LabelLine:
        """The sample with the path at which its image is. Most have it: several passes over a million lines ask no more."""
        if self.paths and not self.paths.strip and _is_plain(line.image):
            return line
        image = self.paths.usable_image(line.image) if self.paths else line.image
        return line if image == line.image else replace(line, image=image)

    def _note(self, line: BadLine) -> None:
        self.bad += 1
        if len(self.first_bad) < 5:
            self.first_bad.append(f"{self.labels}:{line.line} ({line.kind})")


class _Relocation:
    """Writes paths (or JSON lists of paths) that are relative to `root` relative to `out`."""

    def __init__(self, root: Path, out: Path) -> None:
        self._root, self._out = str(root.resolve()), str(out.resolve())
        self._folders: dict[str, str] = {}

    def __call__(self, image: str) -> str:
        if self._root == self._out:
            return image
        names = [self._one(name) for name in image_names(image)]
        return names[0] if image_names(image) == [image] else json.dumps(names, ensure_ascii=False)

    def _one(self, name: str) -> str:
        # A path that may be absolute on some system: pathlib's cost is felt with a million of them.
        if (name.startswith("/") or ":" in name or "\\" in name) and Path(name).is_absolute():
            return name
        folder, _, last = name.rpartition("/")
        if last in ("", ".", ".."):
            folder, last = name, ""
        place = self._folders.get(folder)
        if place is None:
            if len(self._folders) >= _REMEMBERED_FOLDERS:
                self._folders.clear()
            place = self._folders[folder] = self._relative(folder)
        if not last:
            return place
        return last if place == "." else f"{place}/{last}"

    def _relative(self, folder: str) -> str:
        path = Path(self._root, folder)
        try:
            return Path(os.path.relpath(path, self._out)).as_posix()
        except ValueError:
            # Another drive on Windows.
            return path.as_posix()


def split_file(
    labels: Path,
    out: Path,
    *,
    val: float,
    test: float = 0.0,
    seed: int = 0,
    group_by: str | None = None,
    earlier: Path | None = None,
    images: Path | None = None,
    strip: str = "",
    overwrite: bool = False,
) -> SplitFiles:
    """Split the label file `labels` and write `out/train.txt`, `out/val.txt` and, with `test`,
    `out/test.txt`.

    Images stay where they are: their paths are rewritten relative to `out` where that is another folder than
    the one they are relative to now; those with the same bytes stay together. `earlier` is a folder with such files
    (`out` itself, say) that keep their samples. `images` and `strip` say where the images are, as for a training. Lines that hold no sample stay behind in `labels` and are named in the
    notes. The file is gone through several times and never held: memory is some 100 bytes a line.

    Raises `DataError` where a file exists with other content and `overwrite` is not set, and what `split`
    does.
    """
    asked = _Asked(val=val, test=test, seed=seed, group_by=group_by)
    samples = _SampleFile(labels=labels)
    with suppress(OSError):
        # A file that cannot be read at all is said below.
        require_label_file(labels)
    if next(iter(samples()), None) is None:
        raise DataError(
            f"{labels} has no usable line", hint=f"{samples.bad} lines are not '<image>\\t<label>'."
        )
    samples.paths = paths_of([labels], images, strip)
    root = samples.paths.root
    before = None if earlier is None else _read_earlier(earlier, root)
    plan = _plan(samples, asked, earlier=before, folder=root)
    counts, outside = _write_sets(samples, plan, out, _Relocation(root, out), overwrite=overwrite)
    notes = plan.notes
    if samples.bad:
        where = ", ".join(samples.first_bad)
        notes = (*notes, f"{samples.bad} lines hold no sample and are in no set, the first at {where}.")
    return SplitFiles(samples=counts, outside=outside, notes=notes)


def _write_sets(
    samples: _SampleFile, plan: Plan, out: Path, relocation: _Relocation, *, overwrite: bool
) -> tuple[dict[str, int], bool]:
    """Write a file for each set, all or none; how many samples each has, and whether training images are outside `out`."""
    counts = {name: plan.sides.count(side) for side, name in enumerate(SETS)}
    out.mkdir(parents=True, exist_ok=True)
    paths = [
        out / f"{name}.txt" for name in SETS if counts[name] or name != "test" or (out / "test.txt").exists()
    ]
    outside = False
    with ExitStack() as stack:
        parts = [stack.enter_context(whole_file(path)) for path in paths]
        with ExitStack() as writing:
            streams = [
                writing.enter_context(part.open("w", encoding="utf-8", errors="replace", newline="\n"))
                for part in parts
            ]
            try:
                for line, side in zip(samples(), plan.sides, strict=True):
                    image = relocation(line.image)
                    outside |= side == 0 and image.startswith("..")
                    streams[side].write(_written(line, image))
            except ValueError as exc:
                raise DataError(
                    f"{samples.labels} was changed while it was split.", hint="Split it again."
                ) from exc
        for path, part in zip(paths, parts, strict=True):
            if not overwrite:
                require_unchanged_file(path, part)
    return counts, outside


def _is_plain(image: str) -> bool:
    """Whether it is surely one path below a folder as it is."""
    return image[0] not in "/~[" and not any(part in image for part in ("\\", ":", ".."))


def _written(line: LabelLine, image: str) -> str:
    """The sample with another path of its image. Copies of a million of them would be felt."""
    if isinstance(line, TableLine):
        return format_sample(replace(line, image=image))
    return format_line(image, line.label)


def _read_earlier(folder: Path, root: Path) -> EarlierSets:
    """The split in `folder`, its images relative to `root`, as in the label file that is to be split."""
    earlier, relocation = EarlierSets(), _Relocation(folder, root)
    for side, name in enumerate(SETS):
        path = folder / f"{name}.txt"
        if path.exists():
            earlier.add((relocation(line.image) for line in _SampleFile(labels=path)()), side)
    if not earlier.ids:
        raise DataError(f"{folder} has no earlier split", hint="It should have train.txt and val.txt.")
    return earlier
