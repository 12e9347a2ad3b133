"""Every finished checkpoint is copied to a second folder, too, such as the one that a spot instance gets back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from callbacks.base import Callback
from callbacks.saved_sets import SavedSets
from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.snapshots import Snapshot, take_snapshot
from ocr_train.checkpoints.store import CheckpointStore
from ocr_train.disk import free_bytes, human
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.events import CheckpointSaved, EvalCompleted, TrainProgress
from ocr_train.run import Run
from ocr_train.tracking.sender import Sender
from ocr_train.trainer.files import files_of

RETRY_S = (1.0, 5.0, 30.0)
CLOSE_TIMEOUT_S = 30.0
SNAPSHOTS = "copies"


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """A snapshot that is to be stored; `best` says that it is the best of the run so far."""

    snapshot: Snapshot
    step: int
    epoch: int
    best: bool


class CheckpointCopyCallback(Callback):
    """Copies a set the moment it is finished; a worker hashes it and writes it to the second folder, manifest last.

    `store` makes the store of that folder, `retain` deletes what it need not keep. Training goes on where it cannot be
    written: the checkpoints are with the run all the same.
    """

    def __init__(
        self,
        store: Callable[[Run], CheckpointStore],
        report: Callable[[str], None],
        *,
        retain: Callable[[CheckpointStore], None] | None = None,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
    ) -> None:
        self._make_store = store
        self._report = report
        self._retain = retain
        self._close_timeout_s = close_timeout_s
        self._waiting: list[_Copy] = []
        self._busy = False
        self._lock = threading.Lock()
        self._sender: Sender | None = None
        self._said = ""

    def open(self, run: Run) -> None:
        """Start the worker."""
        self._run = run
        self._sets = SavedSets(run)
        self._store = self._make_store(run)
        self._sender = Sender("checkpoint-copy", self._copy_next, retry_s=RETRY_S)
        self._sender.start()

    def on_train_progress(self, event: TrainProgress) -> None:
        """Remember where training is, for sets that do not record it themselves."""
        self._sets.progressed(event)

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Remember the score, for sets that do not record it themselves."""
        self._sets.evaluated(event)

    def on_checkpoint_saved(self, event: CheckpointSaved) -> None:
        """Take a snapshot of the set and queue it; a newer `latest` replaces one that still waits."""
        prefix = Path(event.prefix)
        size = sum(path.stat().st_size for path in files_of(prefix))
        if free_bytes(self._run.folder) < 3 * size:
            self._say(
                f"the checkpoint {event.name} is not copied to the second folder: a checkpoint takes {human(size)}, "
                f"and {human(free_bytes(self._run.folder))} are free"
            )
            return
        snapshot = take_snapshot(prefix, event.kind, self._run.folder / SNAPSHOTS)
        step, epoch = self._sets.place(snapshot)
        copy = _Copy(
            snapshot=snapshot,
            step=step,
            epoch=epoch,
            best=event.kind == BEST and self._sets.is_best(snapshot),
        )
        with self._lock:
            old = [one for one in self._waiting if event.kind == LATEST and one.snapshot.kind == LATEST]
            self._waiting = [*(one for one in self._waiting if one not in old), copy]
        for one in old:
            one.snapshot.discard()
        if self._sender is not None:
            self._sender.wake()

    def close(self) -> None:
        """Wait for the worker; may be called twice."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        done = sender.flush(lambda: not self._left(), self._close_timeout_s)
        if not done:
            self._say(
                f"{self._left()} checkpoint(s) were not copied to the second folder: {sender.last_error}"
            )
        sender.close(wait_s=0.0 if not done else 10.0)
        with self._lock:
            left, self._waiting = self._waiting, []
        for one in left:
            one.snapshot.discard()

    def _left(self) -> int:
        with self._lock:
            return len(self._waiting) + self._busy

    def _copy_next(self) -> bool:
        with self._lock:
            if not self._waiting:
                return False
            copy = self._waiting.pop(0)
            self._busy = True
        try:
            self._copy(copy)
        except DataError as exc:
            # A set that is not whole by now never will be.
            self._say(exc.problem)
        except (OcrTrainError, OSError) as exc:
            self._say(f"the checkpoint at step {copy.step} could not be copied yet: {exc}")
            with self._lock:
                newer = any(one.snapshot.kind == LATEST for one in self._waiting)
                keep = not (newer and copy.snapshot.kind == LATEST)
                self._waiting += [copy] if keep else []
                self._busy = False
            raise
        copy.snapshot.discard()
        with self._lock:
            self._busy = False
        return True

    def _copy(self, copy: _Copy) -> None:
        manifest = self._store.put(copy.snapshot, step=copy.step, epoch=copy.epoch)
        if copy.best:
            self._store.point(BEST, manifest)
        if copy.snapshot.kind != BEST:
            self._store.point(LATEST, manifest)
        if self._retain is not None:
            self._retain(self._store)

    def _say(self, text: str) -> None:
        """Once, not at every checkpoint; the terminal may be gone."""
        if text != self._said:
            self._said = text
            with contextlib.suppress(OSError, ValueError):
                self._report(text)
