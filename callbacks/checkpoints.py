"""Every finished checkpoint becomes an artifact while the training continues."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from callbacks.base import Callback
from callbacks.saved_sets import SavedSets
from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.snapshots import Snapshot, take_snapshot
from ocr_train.checkpoints.store import CheckpointStore
from ocr_train.disk import free_bytes, human, is_full
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.events import CheckpointSaved, EvalCompleted, Tick, TrainProgress
from ocr_train.run import Results, Run
from ocr_train.tracking.outbox import Checkpoint, Outbox
from ocr_train.tracking.run_folder import PENDING
from ocr_train.tracking.sender import Sender
from ocr_train.trainer.files import files_of

RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
CLOSE_TIMEOUT_S = 600.0
PATIENCE_S = 60.0
ECHO_EVERY_S = 15.0
RESERVE_BYTES = 1 << 20
EPOCH = "epoch"

Retain = Callable[[Run, CheckpointStore], None]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A copied set that is to be stored, as the outbox lists it under `key`."""

    snapshot: Snapshot
    item: Checkpoint
    key: str


@dataclass(frozen=True, kw_only=True)
class _Uncopied:
    """A set that the disk has no room to copy: it is where the trainer wrote it, for as long as it stays."""

    event: CheckpointSaved
    mark: tuple[tuple[int, int], ...]
    item: Checkpoint
    key: str


class _NotStoredError(Exception):
    """The worker is to pause before it tries again."""


class CheckpointCallback(Callback):
    """Copies a set the moment it is finished; a worker thread hashes, stores and verifies it.

    What waits is on disk and in the run's outbox, so that `sync` finds it whatever ends this process. A pending
    `latest` gives way to a newer one; `best` and `iter_epoch_N` never do. While the store is away uploads are
    tried again for as long as training lasts, with pauses of up to a minute.
    """

    critical = True

    def __init__(
        self,
        store: Callable[[Run], CheckpointStore],
        report: Callable[[str], None],
        *,
        retain: Retain | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._make_store = store
        self._report = report
        self._retain = retain
        self._patience_s = patience_s
        self._jobs: list[_Job] = []
        self._now: _Job | None = None
        self._uncopied: list[_Uncopied] = []
        self._lock = threading.RLock()
        self._sender: Sender | None = None
        self._failures = 0
        self._last_error = ""
        self._bytes = 0
        self.kept: list[Path] = []
        self.lost: list[str] = []
        self.stored: set[int] = set()
        self.best_step: int | None = None
        self._best_set: tuple[Path, int] | None = None
        self.latest_step: int | None = None

    def open(self, run: Run) -> None:
        """Start the worker."""
        self._run = run
        self._sets = SavedSets(run)
        self._outbox = Outbox(run.folder / PENDING)
        self._store = self._make_store(run)
        self._sender = Sender("checkpoint-upload", self._store_next, retry_s=RETRY_S)
        self._sender.start()

    def on_train_progress(self, event: TrainProgress) -> None:
        """Remember where training is, for sets that do not record it themselves."""
        self._sets.progressed(event)

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Remember the score, which decides whether a `best` really is the best."""
        self._sets.evaluated(event)

    def on_checkpoint_saved(self, event: CheckpointSaved) -> None:
        """Copy the set and queue it; where the disk has no room for that, leave it where it is for now."""
        self._note_overwritten()
        try:
            snapshot = self._copy_making_room(event)
        except OSError as exc:
            if not is_full(exc):
                raise
            self._leave(event, exc)
            return
        if event.kind == LATEST:
            self._drop_pending_latest()
        self._queue(event, snapshot, None)

    def _copy_making_room(self, event: CheckpointSaved) -> Snapshot:
        """Copy the set; a newer `latest` without room replaces a pending one. `iter_epoch_N` needs no copy."""
        prefix = Path(event.prefix)
        try:
            return self._copy(prefix, event.kind)
        except OSError as exc:
            if not is_full(exc):
                raise
            if event.kind == EPOCH:
                return self._link(prefix, event.kind)
            if event.kind != LATEST:
                raise
        self._drop_pending_latest()
        return self._copy(prefix, event.kind)

    def on_tick(self, event: Tick) -> None:
        """Copy what had no room before."""
        self._retry_uncopied()

    def close(self) -> None:
        """Wait until everything is stored, or has been tried long enough; what is left stays in the outbox."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        self._retry_uncopied(over=True)
        self._wait_for(sender)
        left = self._unstored()
        # One that hangs in the store has been waited for.
        sender.close(wait_s=0.0 if left else 30.0)
        self.kept += [job.snapshot.folder for job in left]
        self.kept += [Path(waiting.event.prefix) for waiting in self._uncopied]
        if left:
            steps = ", ".join(str(job.item.step) for job in left)
            self._echo(
                f"the checkpoint(s) at step {steps} could not be stored: {self._last_error}. They are kept in "
                f"{self._run.folder / 'snapshots'}"
            )

    def results(self, before: Results) -> Results:
        """Where checkpoints are: stored, kept here, lost; and the trainer's own set that beats all before it."""
        best_prefix, best_step = self._best_set or (None, None)
        return replace(
            before,
            stored=len(self.stored),
            kept=tuple(self.kept),
            lost=tuple(self.lost),
            checkpoint_bytes=self._bytes,
            latest_step=self.latest_step,
            best_prefix=best_prefix,
            best_step=best_step,
        )

    def _copy(self, prefix: Path, kind: str) -> Snapshot:
        """Copy the set, if that leaves the trainer room for its next one; raises `OSError` ENOSPC where not."""
        size = sum(path.stat().st_size for path in files_of(prefix))
        self._bytes = size or self._bytes
        free = free_bytes(self._run.folder)
        if free < 2 * size + RESERVE_BYTES:
            raise OSError(28, f"{human(free)} are free and a checkpoint takes {human(size)}")
        return take_snapshot(prefix, kind, self._run.folder / "snapshots")

    def _link(self, prefix: Path, kind: str) -> Snapshot:
        return take_snapshot(prefix, kind, self._run.folder / "snapshots", link=True)

    def _list(
        self, event: CheckpointSaved, snapshot: Snapshot | None, best: bool | None
    ) -> tuple[Checkpoint, str]:
        """Note the set in the outbox; it and its key there. `best` is None where that is not decided yet."""
        step, epoch = self._sets.place(snapshot)
        item = Checkpoint(
            path=str(snapshot.folder.relative_to(self._run.folder)) if snapshot else event.prefix,
            name=event.name,
            kind=event.kind,
            step=step,
            epoch=epoch,
            best=event.kind == BEST and self._sets.is_best(snapshot) if best is None else best,
            keep_last=self._run.retention.keep_last,
        )
        return item, self._outbox.add(item)

    def _queue(self, event: CheckpointSaved, snapshot: Snapshot, best: bool | None) -> None:
        item, key = self._list(event, snapshot, best)
        if item.best:
            self._best_set = (Path(event.prefix), item.step)
        with self._lock:
            self._jobs.append(_Job(snapshot=snapshot, item=item, key=key))
        if self._sender is not None:
            self._sender.wake()
        self._drop_what_retention_would()

    def _drop_pending_latest(self) -> None:
        self._drop(lambda job: job.snapshot.kind == LATEST)

    def _drop_what_retention_would(self) -> None:
        """With `keep_last`, what waits and would be pruned once it is stored need not go out at all."""
        if not self._run.retention:
            return
        with self._lock:
            waiting = [*self._jobs, *([self._now] if self._now else [])]
            stay = self._run.retention.newest({*self.stored, *(job.item.step for job in waiting)})
            # What the aliases will name.
            aliased = ([j for j in waiting if j.item.best], [j for j in waiting if j.snapshot.kind != BEST])
            stay |= {max(job.item.step for job in chosen) for chosen in aliased if chosen}
        self._drop(lambda job: job.item.step not in stay)

    def _drop(self, unwanted: Callable[[_Job], bool]) -> None:
        """Forget waiting jobs and their copies."""
        with self._lock:
            dropped = [job for job in self._jobs if unwanted(job)]
            self._jobs = [job for job in self._jobs if job not in dropped]
        for job in dropped:
            self._outbox.done(job.key)
            job.snapshot.discard()

    def _leave(self, event: CheckpointSaved, exc: OSError) -> None:
        """The disk is full: the trainer's own files are the only ones, until there is room again."""
        self._echo(
            f"the disk is full ({exc.strerror}): the checkpoint {event.name} stays in {event.prefix} for now"
        )
        item, key = self._list(event, None, None)
        mark = _mark(Path(event.prefix))
        self._uncopied.append(_Uncopied(event=event, mark=mark, item=item, key=key))

    def _note_overwritten(self) -> None:
        """What the trainer has overwritten before there was room is lost, unless a newer `latest` stands for it or
        the same step came to us under another name."""
        gone = [waiting for waiting in self._uncopied if _mark(Path(waiting.event.prefix)) != waiting.mark]
        for waiting in gone:
            self._uncopied.remove(waiting)
            self._outbox.done(waiting.key)
            if waiting.event.kind != LATEST and not self._have(waiting.item.step):
                self.lost.append(waiting.event.name)
                self._echo(
                    f"the checkpoint {waiting.event.name} is lost: the disk had no room to keep a copy"
                )

    def _have(self, step: int) -> bool:
        with self._lock:
            return step in self.stored or step in {
                job.item.step for job in (*self._jobs, self._now) if job is not None
            }

    def _retry_uncopied(self, *, over: bool = False) -> None:
        """Copy what had no room; once training is `over` nothing overwrites it, and it needs none."""
        self._note_overwritten()
        take = self._link if over else self._copy
        for waiting in list(self._uncopied):
            try:
                snapshot = take(Path(waiting.event.prefix), waiting.event.kind)
            except (OSError, DataError):
                return
            self._uncopied.remove(waiting)
            self._queue(waiting.event, snapshot, waiting.item.best)
            self._outbox.done(waiting.key)

    def _store_next(self) -> bool:
        """Try one; where it is not stored, it goes to the end: one that can never go must not hold up the others."""
        with self._lock:
            if not self._jobs:
                return False
            job = self._now = self._jobs.pop(0)
        stored = self._try_to_store(job)
        with self._lock:
            self._now = None
            if not stored:
                self._jobs.append(job)
        if not stored:
            self._drop_superseded(job)
            raise _NotStoredError
        return True

    def _unstored(self) -> list[_Job]:
        with self._lock:
            return [*([self._now] if self._now else []), *self._jobs]

    def _drop_superseded(self, job: _Job) -> None:
        """A newer `latest`, or `keep_last`, may have overtaken `job` while it was tried."""
        with self._lock:
            overtaken = any(other.snapshot.kind == LATEST for other in self._jobs if other is not job)
        if job.snapshot.kind == LATEST and overtaken:
            self._drop(lambda other: other is job)
        self._drop_what_retention_would()

    def _try_to_store(self, job: _Job) -> bool:
        """Whether there is nothing more to do about `job`."""
        try:
            self._store_job(job)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the set is kept and the worker continues
            self._failures += 1
            self._last_error = str(exc)
            if not isinstance(exc, (OcrTrainError, OSError)):
                self.kept.append(job.snapshot.folder)
                self._echo(
                    f"the checkpoint at step {job.item.step} could not be stored: {exc}. It is kept in {job.snapshot.folder}"
                )
                return True
            if self._failures == 2:
                self._echo(f"checkpoints wait for the artifact store, training continues: {exc}")
            return False
        if self._failures > 1:
            self._echo(f"the artifact store is back: the checkpoint at step {job.item.step} is stored")
        self._failures = 0
        self._outbox.done(job.key)
        job.snapshot.discard()
        return True

    def _store_job(self, job: _Job) -> None:
        manifest = self._store.put(job.snapshot, step=job.item.step, epoch=job.item.epoch)
        self.stored.add(job.item.step)
        # After an outage an older set may come after a newer one: the aliases never go back.
        if job.item.best and (self.best_step is None or job.item.step >= self.best_step):
            self._store.point(BEST, manifest)
            self.best_step = job.item.step
        if job.snapshot.kind != BEST and (self.latest_step is None or job.item.step >= self.latest_step):
            self._store.point(LATEST, manifest)
            self.latest_step = job.item.step
        if self._retain is not None and self._run.retention:
            try:
                self._retain(self._run, self._store)
            except (OcrTrainError, OSError) as exc:
                self._echo(f"older checkpoints could not be removed: {exc}")

    def _wait_for(self, sender: Sender) -> None:
        """Give the worker time: much while it stores, `patience_s` with short pauses while the store is away."""
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        away_since: float | None = None
        next_echo = time.monotonic()
        while (left := len(self._unstored())) and (now := time.monotonic()) < deadline:
            away_since = (away_since or now) if self._failures else None
            if now >= next_echo:
                next_echo = now + ECHO_EVERY_S
                self._echo(f"storing {left} checkpoint(s) before the end ...")
            if away_since is not None and now - away_since > self._patience_s:
                return
            sender.wake()
            sender.wait_for(lambda: not self._unstored(), 0.5)

    def _echo(self, text: str) -> None:
        # The terminal may be gone; the uploads continue.
        with contextlib.suppress(OSError, ValueError):
            self._report(text)


def _mark(prefix: Path) -> tuple[tuple[int, int], ...]:
    """What changes when the trainer writes the set again."""
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in files_of(prefix)))
