"""A few samples through PaddleOCR's own transforms, while what comes after is under way.

The check loads PaddleOCR in a process of its own, which takes as long as the trainer takes to be loaded. So both are done
at the same time, and the trainer is ended where the check finds that it has nothing to train on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from ocr_train.errors import OcrTrainError
from ocr_train.run import Echo
from ocr_train.tracking.tracker import Tracker
from ocr_train.trainer.pipeline_check import PipelineCheck, check_pipeline, require_working
from ocr_train.weights.compatibility import ModelToTrain

TIMEOUT_S = 240.0
"""The trainer and its loader want processors at the same time. A check that is only slow must not be taken for one that
hangs, so it has the trainer's own priority, too."""


class SampleCheck:
    """The check, begun at once in a thread of its own. What it found is said once, by whoever asks first."""

    def __init__(self, check: Callable[[], PipelineCheck], tracker: Tracker, echo: Echo) -> None:
        self._tracker = tracker
        self._echo = echo
        self._future: Future[PipelineCheck] = Future()
        self._error: OcrTrainError | None = None
        self._told = False
        # A daemon: nobody waits for it where the run is stopped; a guard ends its process.
        threading.Thread(target=self._run, args=(check,), name="sample-check", daemon=True).start()

    def settle(self) -> None:
        """Wait for it; raises `DataError` where there is nothing to train on, `SetupError` where PaddleOCR's data code
        does not work at all."""
        if not self._told:
            self._told = True
            try:
                self._tell(self._future.result())
            except OcrTrainError as exc:
                self._error = exc
        if self._error is not None:
            raise self._error

    def problem(self) -> OcrTrainError | None:
        """The same without waiting: None where it is not done, or found nothing to stop for."""
        if not self._told and not self._future.done():
            return None
        try:
            self.settle()
        except OcrTrainError as exc:
            return exc
        return None

    def _run(self, check: Callable[[], PipelineCheck]) -> None:
        try:
            found = check()
        except BaseException as exc:  # noqa: BLE001 - handed over by the future, whatever it is
            self._future.set_exception(exc)
        else:
            self._future.set_result(found)

    def _tell(self, check: PipelineCheck) -> None:
        for note in check.notes:
            self._echo(f"data: {note}")
        if warning := require_working(check):
            self._echo(f"data: {warning}")
            self._tracker.set_tags({"data_check": warning})


def try_samples(model: ModelToTrain, tracker: Tracker, echo: Echo) -> SampleCheck:
    """Begin to run PaddleOCR's own data pipeline on a few samples: where all fail, its training would hang forever."""
    check = partial(
        check_pipeline, model.python, model.paddleocr, model.config, env=model.env, timeout_s=TIMEOUT_S
    )
    return SampleCheck(check, tracker, echo)
