"""What a training job leaves behind: its model, and what the tracking server does not have."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ocr_train.data.mixing import MIXED
from ocr_train.errors import DataError
from ocr_train.tracking.outbox import Outbox
from ocr_train.tracking.run_folder import FACTS, PENDING, read_facts, run_folders

CACHE = "cache"
"""Where, beside the folders of runs, fetched and drawn data are."""
EXPORT = "export"
"""Where a run keeps its exported model (`training.finish.place_for_export`)."""
_PART = ".ocr-train-part"


def run_folder_of(output: Path, *, since: float) -> Path | None:
    """The folder below `output` of the run that was at work after `since` (Unix seconds); None where there is none."""
    folders = [path for path in run_folders(output) if (path / FACTS).stat().st_mtime >= since - 1]
    return folders[-1] if folders else None


def copy_model(run_folder: Path, model: Path) -> Sequence[str]:
    """Copy the run's exported model into the folder `model`, whole or not at all; the names that are there then.

    Nothing where the run has none. Raises `OSError`.
    """
    exported = run_folder / EXPORT
    if not exported.is_dir():
        return ()
    part = model / _PART
    shutil.rmtree(part, ignore_errors=True)
    try:
        # The folder may be a disk of its own: a rename from beside it would not do.
        shutil.copytree(exported, part)
        names = sorted(path.name for path in part.iterdir())
        for name in names:
            _remove(model / name)
            (part / name).replace(model / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return names


def keep_pending(run_folder: Path, output: Path) -> Path | None:
    """Copy the run's folder into the job's output where MLflow does not have all of it; the copy, None without one.

    Raises `OSError`.
    """
    if run_folder.is_relative_to(output):
        return None
    try:
        facts = read_facts(run_folder)
    except DataError:
        facts = None
    if facts is not None and facts.status_set and not Outbox(run_folder / PENDING).pending():
        return None
    target = output / "ocr-train" / run_folder.name
    _remove(target)
    # The data are where they came from (`MIXED` leads to their images), and the trainer's last files are in the snapshots.
    shutil.copytree(run_folder, target, ignore=shutil.ignore_patterns("resume", EXPORT, "copies", MIXED))
    return target


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
