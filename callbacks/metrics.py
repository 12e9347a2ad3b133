"""Metrics from the trainer's log to MLflow, with the run's own step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from callbacks.base import Callback
from ocr_train.config.epoch_steps import logged_steps
from ocr_train.events import BestUpdated, EvalCompleted, Event, LogLine, TrainProgress
from ocr_train.run import STEPS_METRIC, Results, Run
from ocr_train.tracking.metric_points import MetricPoints, Points


class MetricSink(Protocol):
    """Takes metrics and returns at once."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note `metrics` at `step`."""


class MetricsCallback(Callback):
    """Logs `train/...`, `eval/...` and `best/...`: which of them at which step is `MetricPoints`' to say."""

    def __init__(self, sink: MetricSink) -> None:
        self._sink = sink
        self._points = MetricPoints(main_metric="")
        self._matched = 0
        self._lines = 0

    def open(self, run: Run) -> None:
        """Take over step offset and best score of the checkpoint that the run starts from."""
        self._points = MetricPoints(
            main_metric=run.main_metric,
            offset=run.step_offset,
            best=run.best,
            logged_until=run.logged_until,
        )
        self._steps = run.steps_per_epoch

    def handle(self, event: Event) -> None:
        """Count the lines on the way."""
        if event.line:
            self._lines += isinstance(event, LogLine)
            self._matched += not isinstance(event, LogLine)
        super().handle(event)

    def results(self, before: Results) -> Results:
        """The best main metric, and how many lines were understood."""
        lines = f"{self._matched} of {self._matched + self._lines}"
        return replace(before, best=self._points.best, log_lines=lines)

    def on_log_line(self, event: LogLine) -> None:
        """Log the trainer's own count of an epoch's steps where it is another than the one that was worked out."""
        steps = logged_steps(event.text)
        if steps is not None and steps != self._steps:
            self._log(self._points.now({STEPS_METRIC: float(steps)}), event)

    def on_train_progress(self, event: TrainProgress) -> None:
        """Log the line's numbers and its epoch."""
        self._log(self._points.of(event), event)

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Log the evaluation."""
        self._log(self._points.of(event), event)

    def on_best_updated(self, event: BestUpdated) -> None:
        """Log the best metrics where they are news."""
        self._log(self._points.of(event), event)

    def _log(self, points: Points | None, event: Event) -> None:
        if points is not None:
            self._sink.log_metrics(points.metrics, step=points.step, time_ms=event.time_ms)
