"""Copies of finished checkpoints on this machine, out of the trainer's reach: it overwrites its own in place."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.checkpoints.states_file import read_states
from ocr_train.errors import DataError
from ocr_train.trainer.files import WEIGHTS, files_of, states_of

SNAPSHOT_TRIES = 5
SNAPSHOT_PAUSE_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A copy of a finished checkpoint on this machine, which the trainer will not overwrite.

    `step` is the trainer's own, None where the `.states` file does not say.
    """

    folder: Path
    kind: str
    name: str
    epoch: int | None
    step: int | None
    metrics: Mapping[str, float]
    files: Sequence[Path]

    def discard(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.folder, ignore_errors=True)


def take_snapshot(prefix: Path, kind: str, parent: Path, *, link: bool = False) -> Snapshot:
    """Copy the set at `prefix` (.pdparams, .pdopt, .states) into a new folder under `parent`.

    The trainer writes `.states` last and in place; a set that changes while it is copied is copied again.
    `link` takes no room: only for sets that the trainer will not write again.
    Raises `DataError` where files are missing, `OSError` where they cannot be copied.
    """
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix.name}-", dir=parent))
    try:
        _copy_set(prefix, folder, os.link if link else shutil.copyfile)
        return open_snapshot(folder, kind, prefix.name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def open_snapshot(folder: Path, kind: str, name: str) -> Snapshot:
    """The snapshot in `folder`; raises `DataError` where it is not complete."""
    files = files_of(folder / "model")
    if not any(path.suffix == WEIGHTS for path in files):
        raise DataError(f"there is no checkpoint in {folder}.")
    states = states_of(folder / "model")
    read = read_states(states) if states.is_file() else None
    return Snapshot(
        folder=folder,
        kind=kind,
        name=name,
        epoch=read.epoch if read else None,
        step=read.step if read else None,
        metrics=read.metrics if read else {},
        files=tuple(sorted(files)),
    )


def _copy_set(prefix: Path, folder: Path, copy: Callable[[Path, Path], object]) -> None:
    """Copy the set as model.* into `folder`, again and again until it was at rest meanwhile."""
    for _ in range(SNAPSHOT_TRIES):
        sources = files_of(prefix)
        if not any(path.suffix == WEIGHTS for path in sources):
            raise DataError(
                f"the checkpoint {prefix} has no .pdparams: it was removed before it could be kept."
            )
        before = _fingerprint(sources)
        for source in sources:
            target = folder / f"model{source.suffix}"
            target.unlink(missing_ok=True)
            copy(source, target)
        if _fingerprint(sources) == before:
            return
        time.sleep(SNAPSHOT_PAUSE_S)
    raise DataError(f"the checkpoint {prefix} changed each time it was copied: the trainer saves too often.")


def _fingerprint(paths: Sequence[Path]) -> list[tuple[int, int]]:
    return [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths)]
