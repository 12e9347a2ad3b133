"""A learning rate of 0: nothing is learned, and PaddleOCR ends such a training as well as any other."""

from __future__ import annotations

from dataclasses import replace

from callbacks.base import Callback
from ocr_train.events import TrainProgress
from ocr_train.run import Results, Run

SHARE = 0.25
"""An annealing comes to 0 at its end; from this share of the steps on it has come there too early."""
_READS = "PaddleOCR prints six decimals: it was below 0.0000005"


class LearningRateCallback(Callback):
    """Notes since when the progress lines say a learning rate of 0."""

    def __init__(self) -> None:
        self._lines = 0
        self._last = self._first = 0
        self._zero_from: int | None = None

    def open(self, run: Run) -> None:
        """Steps are the run's."""
        self._offset = run.step_offset

    def on_train_progress(self, event: TrainProgress) -> None:
        """Look at the rate."""
        rate = event.metrics.get("train/lr")
        if rate is None:
            return
        self._last = event.step
        self._first = self._first or event.step
        self._lines += 1
        if rate != 0:
            self._zero_from = None
        elif self._zero_from is None:
            self._zero_from = event.step

    def results(self, before: Results) -> Results:
        """`rate_zero`: one line where the rate read 0 all the time, or from some point to the end."""
        if self._zero_from is None or self._last < 2:
            return before
        if self._zero_from == self._first:
            text = f"the learning rate was printed as 0 in all {self._lines} progress lines ({_READS}): the model learned nothing, or almost nothing"
        elif self._last - self._zero_from >= SHARE * self._last:
            text = (
                f"the learning rate was printed as 0 from step {self._offset + self._zero_from} to the end, step {self._offset + self._last} "
                f"({_READS}): the model learned nothing, or almost nothing in that time"
            )
        else:
            return before
        return replace(before, rate_zero=f"{text}. Check Optimizer.lr")
