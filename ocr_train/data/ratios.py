"""Shares of several label files in an epoch (`ratio_list`): which label file each of them is meant for.

PaddleOCR takes `round(lines * share)` lines of each file, drawn anew in each epoch (ppocr/data/simple_dataset.py). Our
clean labels are one file for each set; only where shares differ do the files stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.errors import DataError


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
