"""Every finished checkpoint becomes an artifact while the training goes on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callbacks.base import Callback
from ocr_train.checkpoints import BEST, LATEST, CheckpointStore, Snapshot, take_snapshot
from ocr_train.errors import OcrTrainError
from ocr_train.events import CheckpointSaved, EvalCompleted, TrainProgress
from ocr_train.run import Run

UPLOAD_TRIES = 4
FIRST_PAUSE_S = 1.0
CLOSE_TIMEOUT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class _Job:
    snapshot: Snapshot
    step: int
    epoch: int
    best: bool


class CheckpointCallback(Callback):
    """Copies a set the moment it is finished; a worker thread hashes, stores and verifies it.

    A pending `latest` gives way to a newer one; `best` and `iter_epoch_N` never do. What cannot be stored stays
    on this machine in `kept`.
    """

    critical = True

    def __init__(self, store: Callable[[Run], CheckpointStore], report: Callable[[str], None]) -> None:
        self._make_store = store
        self._report = report
        self._jobs: list[_Job] = []
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._progress: TrainProgress | None = None
        self._last_main: float | None = None
        self.kept: list[Path] = []
        self.stored: set[int] = set()
        self.best_step: int | None = None
        self.latest_step: int | None = None

    def open(self, run: Run) -> None:
        """Start the worker."""
        self._run = run
        self._best = run.best
        self._store = self._make_store(run)
        self._thread = threading.Thread(target=self._work, name="checkpoint-upload", daemon=True)
        self._thread.start()

    def on_train_progress(self, event: TrainProgress) -> None:
        """Remember where training is, for sets that do not say it themselves."""
        self._progress = event

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Remember the score, which decides whether a `best` really is the best."""
        self._last_main = event.metrics.get(f"eval/{self._run.main_metric}")

    def on_checkpoint_saved(self, event: CheckpointSaved) -> None:
        """Copy the set and queue it."""
        snapshot = take_snapshot(Path(event.prefix), event.kind, self._run.folder / "snapshots")
        progress = self._progress
        step = snapshot.step if snapshot.step is not None else (progress.step if progress else 0)
        epoch = snapshot.epoch if snapshot.epoch is not None else (progress.epoch if progress else 0)
        best = event.kind == BEST and self._is_best(snapshot)
        job = _Job(snapshot=snapshot, step=self._run.step_offset + step, epoch=epoch, best=best)
        with self._wake:
            if event.kind == LATEST:
                for old in [old for old in self._jobs if old.snapshot.kind == LATEST]:
                    self._jobs.remove(old)
                    old.snapshot.discard()
            self._jobs.append(job)
            self._wake.notify()

    def close(self) -> None:
        """Wait until everything is stored, or has been tried often enough."""
        with self._wake:
            self._closing = True
            pending = len(self._jobs)
            self._wake.notify()
        if self._thread is None:
            return
        if pending:
            self._say(f"storing {pending} checkpoint(s) before the end ...")
        self._thread.join(timeout=CLOSE_TIMEOUT_S)
        self._thread = None

    def results(self) -> Mapping[str, Any]:
        """How many checkpoints are stored, and the folders of those that could not be."""
        return {"stored": len(self.stored), "kept": tuple(self.kept)}

    def _is_best(self, snapshot: Snapshot) -> bool:
        """Whether a `best` beats the run's own best: after a resume PaddleOCR calls its first score best."""
        value = snapshot.metrics.get(self._run.main_metric, self._last_main)
        if value is None:
            return self._best is None
        if self._best is not None and value < self._best:
            return False
        self._best = value
        return True

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._jobs and not self._closing:
                    self._wake.wait()
                if not self._jobs:
                    return
                job = self._jobs.pop(0)
            self._store_with_retries(job)

    def _store_with_retries(self, job: _Job) -> None:
        pause_s = FIRST_PAUSE_S
        for left in reversed(range(UPLOAD_TRIES)):
            try:
                self._store_job(job)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the set is kept and the worker goes on
                if not left or not isinstance(exc, (OcrTrainError, OSError)):
                    self.kept.append(job.snapshot.folder)
                    self._say(
                        f"the checkpoint at step {job.step} could not be stored: {exc}. It is kept in {job.snapshot.folder}"
                    )
                    return
                time.sleep(pause_s)
                pause_s *= 3
            else:
                job.snapshot.discard()
                return

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal may be gone; the uploads go on
            self._report(text)

    def _store_job(self, job: _Job) -> None:
        manifest = self._store.put(job.snapshot, step=job.step, epoch=job.epoch)
        self.stored.add(job.step)
        if job.best:
            self._store.point(BEST, manifest)
            self.best_step = job.step
        if job.snapshot.kind != BEST and (self.latest_step is None or job.step >= self.latest_step):
            self._store.point(LATEST, manifest)
            self.latest_step = job.step
