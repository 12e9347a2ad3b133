"""Metrics from the trainer's log to MLflow, with the run's own step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from callbacks.base import Callback
from ocr_train.events import BestUpdated, EvalCompleted, Event, LogLine, RunFinished, TrainProgress
from ocr_train.run import Run


class MetricSink(Protocol):
    """Takes metrics and returns at once."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note `metrics` at `step`."""


class MetricsCallback(Callback):
    """Logs `train/...`, `eval/...` and `best/...` with the trainer's global step plus the run's offset.

    After a resume PaddleOCR starts its best score at 0 again: a "best" that is worse than the run's own best
    is not logged. A run that goes on itself comes by steps that it has logged before: those are not logged twice.
    """

    def __init__(self, sink: MetricSink) -> None:
        self._sink = sink
        self._offset = 0
        self._step = 0
        self._best: float | None = None
        self._main = ""
        self._logged_until: Mapping[str, int] = {}
        self._last_best: Mapping[str, float] = {}
        self._matched = 0
        self._lines = 0

    def open(self, run: Run) -> None:
        """Take over step offset and best score of the checkpoint that the run starts from."""
        self._offset = self._step = run.step_offset
        self._best = run.best
        self._logged_until = run.logged_until
        self._main = f"best/{run.main_metric}"

    def handle(self, event: Event) -> None:
        """Count the lines on the way."""
        if event.line:
            self._lines += isinstance(event, LogLine)
            self._matched += not isinstance(event, LogLine)
        super().handle(event)

    def results(self) -> Mapping[str, Any]:
        """The best main metric."""
        return {"best": self._best}

    def on_train_progress(self, event: TrainProgress) -> None:
        """Log the line's numbers and its epoch."""
        self._step = self._offset + event.step
        metrics = {**event.metrics, "train/epoch": float(event.epoch)}
        self._log(metrics, step=self._step, time_ms=event.time_ms)

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Log the evaluation at the step of the last progress line, or at its own."""
        step = self._step if event.step is None else self._offset + event.step
        self._log(event.metrics, step=step, time_ms=event.time_ms)

    def on_best_updated(self, event: BestUpdated) -> None:
        """Log the best metrics when they are news and no worse than what the run had."""
        value = event.metrics.get(self._main)
        if event.metrics == self._last_best or (
            value is not None and self._best is not None and value < self._best
        ):
            return
        if value is not None:
            self._best = value
        step = self._step if event.step is None else self._offset + event.step
        if step <= self._logged_until.get(self._main, -1):
            return  # PaddleOCR repeats the line: it is logged at the first step that is new
        self._last_best = dict(event.metrics)
        self._log(event.metrics, step=step, time_ms=event.time_ms)

    def on_run_finished(self, event: RunFinished) -> None:
        """Log how many lines were understood: a changed log format shows here."""
        metrics = {"log/events": float(self._matched), "log/other_lines": float(self._lines)}
        self._log(metrics, step=self._step, time_ms=event.time_ms)

    def _log(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        fresh = {key: value for key, value in metrics.items() if step > self._logged_until.get(key, -1)}
        if fresh:
            self._sink.log_metrics(fresh, step=step, time_ms=time_ms)
