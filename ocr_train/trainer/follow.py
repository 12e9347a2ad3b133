"""Follows the trainer to its end: lines to events to callbacks, and a stop when there is reason for one.

    follow(child, dispatcher, watch, ...) -> what went wrong on our side, if anything

Reasons to stop: we were asked to (a signal), a callback says so, `mlflow run` was ended and left us behind, or
the log showed a failure after which the trainer neither ends nor continues.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ocr_train.errors import OcrTrainError, TrainingStopped
from ocr_train.events import Event, LogLine, Tick, TrainProgress
from ocr_train.run import Echo
from ocr_train.trainer.dispatch import Dispatcher
from ocr_train.trainer.failures import Failure, find_failure
from ocr_train.trainer.files import OPTIMIZER, STATES
from ocr_train.trainer.log_parser import LogParser
from ocr_train.trainer.process import Child, Line
from ocr_train.trainer.stacks import dump_stacks
from ocr_train.trainer.stop_signals import StopFlag

LAST_LINES = 200
SAVE_PATIENCE_S = 30.0
FAILURE_PATIENCE_S = 20.0
"""After a fatal failure a trainer may still print its traceback and end; one that does neither is ended."""
GRACE_S = 10.0
STACKS_FILE = "stacks.txt"
_STUCK = ("stall", "endless_evaluation")


class LogWatch:
    """What the outcome needs to know of the log."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._searched: deque[str] = deque(maxlen=LAST_LINES)
        self._failure: Failure | None = None
        self._failed_at = self._progress_at = 0.0
        self._frozen = False
        self.progressed = False

    @property
    def last_lines(self) -> list[str]:
        """The last lines, up to `LAST_LINES`."""
        return list(self._lines)

    def take(self, text: str) -> None:
        """Keep the line among the last ones, and look for what it gives away."""
        self._lines.append(text)
        if self._frozen:
            return
        self._searched.append(text)
        found = find_failure(text)
        if self._failure is None and found is not None and found.fatal:
            # The first one is the cause, the others follow from it.
            self._failure = found
            self._failed_at = self._progress_at = self._clock()

    def see(self, event: Event) -> None:
        """A step, an evaluation, a checkpoint: the trainer continues, whatever it printed before."""
        if isinstance(event, LogLine | Tick):
            return
        self.progressed = self.progressed or isinstance(event, TrainProgress)
        self._progress_at = self._clock()
        if self._failure is not None and self._progress_at - self._failed_at > FAILURE_PATIENCE_S:
            # It was not fatal after all.
            self._failure = None
            self._searched.clear()

    def hangs(self) -> Failure | None:
        """The fatal failure after which the trainer does not go on, once that has lasted long enough."""
        silent_s = self._clock() - self._progress_at
        return self._failure if self._failure and silent_s > FAILURE_PATIENCE_S else None

    def freeze(self) -> None:
        """What is printed from now on is the trainer's answer to our stop: no cause of anything."""
        self._failure = self.verdict()
        self._frozen = True

    def verdict(self) -> Failure | None:
        """What the log gave away: a fatal line, else what its end says."""
        if self._failure is not None or self._frozen:
            return self._failure
        return find_failure("\n".join(self._searched))


def follow(
    child: Child,
    dispatcher: Dispatcher,
    watch: LogWatch,
    *,
    saves: Path,
    folder: Path,
    stop: StopFlag,
    echo: Echo,
    doubt: Callable[[], OcrTrainError | None] = lambda: None,
) -> OcrTrainError | None:
    """Send what the trainer prints to the callbacks until it is gone; what went wrong on our side, if anything.

    `saves` is where the trainer writes checkpoints; `folder` gets `stacks.txt` where the trainer hangs. `doubt` is asked
    again and again for a reason to stop that comes from elsewhere.
    """
    parser = LogParser()
    error: OcrTrainError | None = None
    stopping = False
    parent = os.getppid()
    for item in child.items():
        events: list[Event]
        if isinstance(item, Line):
            watch.take(item.text)
            events = parser.feed(item.text, time_ms=item.time_ms)
        else:
            events = [Tick(time_ms=item.time_ms, unfinished=item.unfinished)]
        for event in events:
            watch.see(event)
            try:
                dispatcher.send(event)
            except OcrTrainError as exc:
                error = error or exc
        if os.getppid() != parent and os.environ.get("MLFLOW_RUN_ID"):
            # `mlflow run` was ended and has left us behind: it would have been meant for us.
            stop.number = stop.number or signal.SIGTERM
        doubted = error is None and (error := doubt()) is not None
        reason = None if stopping else _reason(stop, error, watch)
        if reason is not None:
            stopping = True
            words, stuck = reason
            echo(f"stopping the trainer: {words} ...")
            watch.freeze()
            if stuck:
                (folder / STACKS_FILE).write_text(dump_stacks(child.pid), encoding="utf-8")
            else:
                let_save_finish(saves)
            # PaddleOCR that finds no good sample hears no signal, and has nothing to put in order before its first step.
            child.stop(grace_s=0.0 if doubted and not watch.progressed else GRACE_S)
    return error


def _reason(stop: StopFlag, error: OcrTrainError | None, watch: LogWatch) -> tuple[str, bool] | None:
    """Why to stop now, in words for the terminal, and whether the trainer hangs in something; None to continue."""
    if stop.number is not None:
        return signal.Signals(stop.number).name, False
    if error is not None:
        stuck = isinstance(error, TrainingStopped) and error.reason in _STUCK
        return error.problem, stuck
    failure = watch.hangs()
    if failure is not None:
        return f"it does not end after: {failure.explanation}", True
    return None


def let_save_finish(folder: Path, *, patience_s: float | None = None) -> None:
    """Wait for the checkpoint that is being written: PaddleOCR writes in place, a kill in between would tear it.

    Only for the one that was begun when we were asked: the next save may follow at once, forever.
    """
    deadline = time.monotonic() + (SAVE_PATIENCE_S if patience_s is None else patience_s)
    saving = _unfinished(folder)
    while time.monotonic() < deadline and saving & _unfinished(folder):
        time.sleep(0.02)
    if folder.is_dir():
        # `.states` is written last, and small.
        time.sleep(0.1)


def _unfinished(folder: Path) -> set[tuple[Path, int]]:
    """The sets whose `.states`, the file that is written last, is missing or older than the first, `.pdopt`.

    Each with the time its last save ended, so that a later save of the same name is another one.
    """
    found = set()
    for first in folder.rglob(f"*{OPTIMIZER}"):
        states = first.with_suffix(STATES)
        try:
            began = first.stat().st_mtime_ns
            done = states.stat().st_mtime_ns if states.exists() else 0
        except OSError:
            continue
        # Not torn long ago.
        if done < began and time.time() - began / 1e9 < SAVE_PATIENCE_S:
            found.add((first, done))
    return found
