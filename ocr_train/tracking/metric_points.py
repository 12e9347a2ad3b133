"""Which points the lines of a trainer's log are: metrics at a step of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ocr_train.events import BestUpdated, EvalCompleted, Event, TrainProgress


@dataclass(frozen=True, kw_only=True)
class Points:
    """`metrics` at `step`."""

    metrics: Mapping[str, float]
    step: int


@dataclass(kw_only=True)
class MetricPoints:
    """Makes points of one trainer's events, in their order: its own step plus `offset`, where the run continued from.

    After a resume PaddleOCR starts its best score at 0 again: a "best" that is worse than `best`, the run's own, is
    no point. `logged_until` is the last step of each metric that the run has already: a run that is continued itself comes
    by those steps again.
    """

    main_metric: str
    offset: int = 0
    best: float | None = None
    logged_until: Mapping[str, int] = field(default_factory=dict)
    _step: int | None = None
    _last_best: Mapping[str, float] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Where training is."""
        return self.offset if self._step is None else self._step

    def of(self, event: Event) -> Points | None:
        """The points of the event, None where it has no new ones."""
        if isinstance(event, TrainProgress):
            self._step = self.offset + event.step
            # How many samples a step has is in the configuration.
            metrics = {key: value for key, value in event.metrics.items() if key != "train/samples"}
            return self._fresh({**metrics, "train/epoch": float(event.epoch)}, self.step)
        if isinstance(event, EvalCompleted):
            return self._fresh(event.metrics, self._step_of(event.step))
        if isinstance(event, BestUpdated):
            return self._best(event)
        return None

    def now(self, metrics: Mapping[str, float]) -> Points | None:
        """`metrics` that are about all of it, where training is now; None where the run has them already."""
        return self._fresh(metrics, self.step)

    def _step_of(self, step: int | None) -> int:
        """Its own, or that of the last progress line."""
        return self.step if step is None else self.offset + step

    def _best(self, event: BestUpdated) -> Points | None:
        """The best main metric where it is news and no worse than what the run had; the others at that step are the
        evaluation's own."""
        main = f"best/{self.main_metric}"
        value = event.metrics.get(main)
        if event.metrics == self._last_best or (
            value is not None and self.best is not None and value < self.best
        ):
            return None
        if value is not None:
            self.best = value
        step = self._step_of(event.step)
        if step <= self.logged_until.get(main, -1):
            # PaddleOCR repeats the line: it is logged at the first step that is new.
            return None
        self._last_best = dict(event.metrics)
        return self._fresh(event.metrics if value is None else {main: value}, step)

    def _fresh(self, metrics: Mapping[str, float], step: int) -> Points | None:
        fresh = {key: value for key, value in metrics.items() if step > self.logged_until.get(key, -1)}
        return Points(metrics=fresh, step=step) if fresh else None
