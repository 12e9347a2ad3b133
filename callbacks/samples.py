"""A fixed sample of validation images with the model's answers, at every evaluation, while the training continues."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from callbacks.base import Callback
from ocr_train.analysis import mlflow_images, tables
from ocr_train.analysis.sample_reader import SampleRequest, StartReading, read_sample
from ocr_train.analysis.sampling import ValidationSet, validation_set
from ocr_train.analysis.step_files import TABLE, StepFiles
from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.disk import free_bytes
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.events import CheckpointSaved, EvalCompleted, RunFinished, Tick, TrainProgress
from ocr_train.run import Results, Run
from ocr_train.trainer.files import files_of, weights_of

IMAGES = 8
CLOSE_TIMEOUT_S = 60.0
STOPPED_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 10.0
MAX_FAILURES = 3
MAX_ROWS = 2000
"""The newest rows that `samples.json` keeps: MLflow loads the whole table into the browser."""
ROOM_FOR_SETS = 4
"""The weights are only copied where so many whole checkpoints still fit on the disk: those come first."""


class SampleSink(Protocol):
    """Takes files, tags and metrics and returns at once; `ocr_train.tracking.tracker.Tracker` is one."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note `metrics` at `step`."""

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Note `tags`."""

    def log_file(self, local: Path, folder: str = "") -> None:
        """Have `local` stored as the artifact `folder`/<its name>."""

    def download(self, path: str, folder: Path) -> Path:
        """Fetch an artifact of the run; raises `TrackingError`."""


class SampleCallback(Callback):
    """After an evaluation, the next checkpoint is copied and read by a process of its own; never two at once.

    While one is read the newest checkpoint waits, in place of an older one that waits. What fails is reported once and
    tried again at the next evaluation; three failures in a row end it. With `images` 0 nothing happens at all.

    The step is that of the weights: the evaluation's where they are its own (a new best), else the step at which
    `latest` was saved.
    """

    def __init__(
        self,
        sink: SampleSink,
        start_reading: StartReading,
        report: Callable[[str], None],
        *,
        images: int = IMAGES,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
    ) -> None:
        self._sink = sink
        self._start = start_reading
        self._report = report
        self._images = images
        self._close_timeout_s = close_timeout_s
        self._run: Run | None = None
        self._chosen: ValidationSet | None = None
        self._due: EvalCompleted | None = None
        self._step = 0
        self._reading: Future[StepFiles | None] | None = None
        self._stop = threading.Event()
        self._waiting: SampleRequest | None = None
        self._rows: list[tables.Row] = []
        self._failures = 0
        self._reported = False
        self._samples_read = 0
        self._error = ""

    def open(self, run: Run) -> None:
        """Choose the images; where there are none, report that and stay off."""
        if self._images <= 0:
            return
        try:
            chosen = validation_set(run.config, run.task, limit=self._images)
        except DataError as exc:
            self._failed(exc)
            return
        # Of a process that was killed.
        shutil.rmtree(run.folder / "look" / "weights", ignore_errors=True)
        if chosen.samples and run.task in tables.COLUMNS:
            self._run, self._chosen = run, chosen
            self._rows = self._earlier_rows(run) if run.logged_until else []

    def on_train_progress(self, event: TrainProgress) -> None:
        """Remember where training is."""
        self._step = event.step

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """The next checkpoint is to be read with."""
        self._due = event

    def on_checkpoint_saved(self, event: CheckpointSaved) -> None:
        """Copy the weights, for the trainer writes over them, and begin, or wait for the one that is under way."""
        due, run = self._due, self._run
        if run is None or due is None or event.kind not in (BEST, LATEST) or self._failures >= MAX_FAILURES:
            return
        self._due = None
        step = due.step if event.kind == BEST and due.step is not None else self._step
        main_metric = "sample/hmean" if run.task == "det" else "sample/acc"
        if run.step_offset + step <= run.logged_until.get(main_metric, -1):
            # A run that is continued itself repeats steps whose samples it has read before.
            return
        try:
            request = _copy(run, Path(event.prefix), run.step_offset + step, due.time_ms)
        except (OSError, DataError) as exc:
            self._failed(exc)
            return
        if self._waiting is not None:
            self._waiting.discard()
        self._waiting = request
        self._advance()

    def on_tick(self, event: Tick) -> None:
        """Log what has been read, and begin with what waits."""
        self._advance()

    def on_run_finished(self, event: RunFinished) -> None:
        """Whoever stopped the training does not wait for pictures."""
        if event.status != "FINISHED":
            self._close_timeout_s = min(self._close_timeout_s, STOPPED_TIMEOUT_S)

    def close(self) -> None:
        """Wait for what is under way and for the newest that waits, for a while; end what takes longer."""
        deadline = time.monotonic() + self._close_timeout_s
        self._advance()
        while self._reading is not None and _is_done(self._reading, deadline - time.monotonic()):
            self._advance()
        if self._waiting is not None:
            self._waiting.discard()
            self._waiting = None
        if self._reading is not None:
            self._stop.set()
            _is_done(self._reading, STOP_TIMEOUT_S)
            self._advance()
        self._run = None

    def results(self, before: Results) -> Results:
        """How often the sample was read, and the last failure."""
        return replace(before, samples=self._samples_read, samples_error=self._error)

    def _advance(self) -> None:
        """Take the result of a reading that is done, then start the next."""
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            self._collect(reading)
        if self._reading is None and self._waiting is not None and self._run and self._chosen:
            request, self._waiting = self._waiting, None
            root = self._run.folder / "look"
            self._reading = read_sample(request, self._chosen, root, self._start, self._stop)

    def _collect(self, reading: Future[StepFiles | None]) -> None:
        try:
            files = reading.result()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the training continues
            self._failed(exc)
            return
        if files is not None:
            self._log(files)
            self._failures = 0

    def _log(self, files: StepFiles) -> None:
        if self._run is None:
            return
        for path, folder in files.files:
            self._sink.log_file(path, folder)
        # The newest on the page that opens.
        self._rows = [*files.rows, *self._rows][:MAX_ROWS]
        columns = tables.COLUMNS[self._run.task]
        self._sink.log_file(tables.write_table(self._run.folder / "look" / TABLE, columns, self._rows), "")
        self._sink.set_tags({**mlflow_images.TAG, **tables.table_tag([TABLE])})
        self._sink.log_metrics(files.metrics, step=files.step, time_ms=files.time_ms)
        self._samples_read += 1

    def _earlier_rows(self, run: Run) -> list[tables.Row]:
        """The table of a run that is continued: its rows are kept."""
        with tempfile.TemporaryDirectory() as scratch:
            try:
                path = self._sink.download(TABLE, Path(scratch))
            except (OcrTrainError, OSError):
                return []
            return tables.read_table(path, tables.COLUMNS[run.task])

    def _failed(self, exc: Exception) -> None:
        self._failures += 1
        self._error = str(exc) or type(exc).__name__
        if not self._reported:
            self._reported = True
            self._report(f"the validation sample could not be read, training continues: {self._error}")


def _is_done(reading: Future[StepFiles | None], timeout_s: float) -> bool:
    """Wait for the end; whether it came."""
    return bool(wait([reading], max(0.0, timeout_s)).done)


def _copy(run: Run, prefix: Path, step: int, time_ms: int) -> SampleRequest:
    """The weights with the run's configuration and dictionary in a folder of their own.

    Raises `DataError` where they are not at rest, or not there, or the disk has no room; `OSError`.
    """
    parent = run.folder / "look" / "weights"
    parent.mkdir(parents=True, exist_ok=True)
    weights = weights_of(prefix)
    size = sum(path.stat().st_size for path in files_of(prefix))
    if free_bytes(run.folder) < ROOM_FOR_SETS * size:
        raise DataError("the disk has room for checkpoints only.")
    folder = Path(tempfile.mkdtemp(prefix=f"step-{step}-", dir=parent))
    try:
        _copy_at_rest(weights, weights_of(folder / "model"))
        shutil.copyfile(run.config, folder / "config.yml")
        if run.dictionary is not None:
            shutil.copyfile(run.dictionary, folder / "dict.txt")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return SampleRequest(folder=folder, step=step, time_ms=time_ms or int(time.time() * 1000))


def _copy_at_rest(source: Path, target: Path) -> None:
    """Copy a file; raises `DataError` where it changes meanwhile."""
    before = source.stat()
    shutil.copyfile(source, target)
    after = source.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise DataError(f"{source} is being written.")
