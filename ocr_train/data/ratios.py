"""Shares of several label files in an epoch (`ratio_list`): which label file each of them is meant for.

PaddleOCR takes `round(lines * share)` lines of each file, drawn anew in each epoch (ppocr/data/simple_dataset.py). Our
clean labels are one file for each set; only where shares differ do the files stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.data.layout import Layout
from ocr_train.data.mixing import DatasetPart, FoundSource, MixedLayout, drawn_of, files_by_source
from ocr_train.errors import DataError
from ocr_train.run import Echo

Groups = Mapping[str, tuple[tuple[str, tuple[Path, ...]], ...]]
"""For each set the label files that the trainer reads apart from each other: a name, and what goes into it."""
_SECTIONS = {"train": "Train.dataset", "val": "Eval.dataset"}


@dataclass(frozen=True, kw_only=True)
class LabelPart:
    """The samples of a set that came from one of its label files, in a file of their own."""

    path: Path
    samples: int


def label_groups(trainer: Mapping[str, Any], layout: Layout, found: Sequence[FoundSource]) -> Groups:
    """A label file for each source, or for each share that `ratio_list` has, in its order; none where one file will do."""
    files = {"train": layout.train, "val": layout.val}
    groups: dict[str, tuple[tuple[str, tuple[Path, ...]], ...]] = {}
    for name, key in _SECTIONS.items():
        if name == "train" and isinstance(layout, MixedLayout):
            groups[name] = files_by_source(layout, found)
            continue
        section = get_key(trainer, key, None) or {}
        shares = files_by_share(section, files[name], f"{key}.ratio_list")
        groups[name] = tuple((path.name, (path,)) for path in shares)
    return groups


def say_taken(
    trainer: Mapping[str, Any],
    groups: Groups,
    written: Sequence[Sequence[LabelPart]],
    sources: Sequence[DatasetPart],
    echo: Echo,
) -> None:
    """Say how much of each source, or of each label file, an epoch takes, where that is not all of one."""
    if sources:
        taken = (f"{one.drawn} of {one.samples} from {one.name}" for one in sources)
        echo(f"data: an epoch takes {' and '.join(taken)}")
    for name, parts in zip(("train", "val"), written, strict=True):
        if sources and name == "train":
            continue
        ratios = get_key(trainer, f"{_SECTIONS[name]}.ratio_list", None)
        if groups[name]:
            echo(say_shares(ratios, [part.path for part in parts], [part.samples for part in parts]))
        elif (share := _one_share(ratios)) != 1:
            drawn = drawn_of(parts[0].samples, share)
            what = "an epoch takes" if name == "train" else "an evaluation reads"
            echo(f"data: {what} {drawn} of {parts[0].samples} samples")


def _one_share(ratios: Any) -> float:
    """The share of all samples; that of a list is the same for all files here."""
    first = ratios[0] if isinstance(ratios, list) and ratios else ratios
    return float(first) if isinstance(first, int | float) else 1.0


def files_by_share(dataset: Mapping[str, Any], files: Sequence[Path], key: str) -> tuple[Path, ...]:
    """`files` in the order of the shares that `dataset` (a Train or Eval dataset) names; empty where one file will do.

    The configuration's own `label_file_list` tells by name which share is meant for which file; where the names are
    others, the order of the names decides. `key` is what messages call the list. Raises `DataError` where there are
    not as many files as shares.
    """
    shares = dataset.get("ratio_list")
    if not isinstance(shares, list) or len(set(shares)) < 2:
        return ()
    if len(shares) != len(files):
        names = ", ".join(path.name for path in files) or "none"
        raise DataError(
            f"{key} has {len(shares)} shares, {shares!r}, and the data have {len(files)} label file(s) for them: {names}.",
            hint=f"Name as many label files (train_a.txt, train_b.txt ...), or give one share for all: "
            f"overrides='{key}=1.0'.",
        )
    wanted = dataset.get("label_file_list")
    order = [PurePosixPath(str(name)).name for name in wanted] if isinstance(wanted, list) else []
    by_name = {path.name: path for path in files}
    if len(by_name) == len(files) and sorted(order) == sorted(by_name):
        return tuple(by_name[name] for name in order)
    return tuple(files)


def say_shares(shares: Sequence[float], files: Sequence[Path], counts: Sequence[int]) -> str:
    """One line: how much of each label file an epoch takes."""
    parts = [
        f"{round(count * share)} of {count} from {path.name}"
        for share, path, count in zip(shares, files, counts, strict=True)
    ]
    return f"data: ratio_list: an epoch takes {', '.join(parts)}"
