"""Tells who started this training as one of many how it goes, and ends it when that one says so."""

from __future__ import annotations

import math

from callbacks.base import Callback
from ocr_train.errors import TrainingStopped
from ocr_train.events import EvalCompleted, RunFinished, Tick
from ocr_train.run import Run
from ocr_train.trainer.supervision import Supervisor


class SupervisorCallback(Callback):
    """Sends the run, each evaluation and the end; raises `TrainingStopped`, once, with the reason that it was given.

    Nothing here waits: a supervisor that does not read, or is gone, is not missed.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._offset = 0
        self._stopped = False

    def open(self, run: Run) -> None:
        """Say which run it is."""
        self._offset = run.step_offset
        self._supervisor.link.send({"run": {"run_id": run.run_id, "epochs": run.epochs}})

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Send what was measured: epoch 0 is what training starts from."""
        values = {
            name.removeprefix("eval/"): value
            for name, value in event.metrics.items()
            if name.startswith("eval/") and math.isfinite(value)
        }
        step = self._offset + (event.step or 0)
        self._supervisor.link.send(
            {"evaluation": {"epoch": event.epoch or 0, "step": step, "metrics": values}}
        )

    def on_tick(self, event: Tick) -> None:
        """Look for the wish that the training ends."""
        order = self._supervisor.order()
        if order is not None and not self._stopped:
            self._stopped = True
            raise TrainingStopped(f"{order.reason}: {order.why}.", reason=order.reason)

    def on_run_finished(self, event: RunFinished) -> None:
        """Say how it ended."""
        self._supervisor.link.send({"ended": {"status": event.status, "reason": event.reason}})
