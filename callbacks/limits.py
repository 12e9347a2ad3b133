"""Ends a training that has had enough: not better for a while, or its hours or its money are spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from callbacks.base import Callback
from ocr_train.config.limits import TrainingLimits
from ocr_train.errors import TrainingStopped
from ocr_train.events import EvalCompleted, Tick
from ocr_train.run import Run
from ocr_train.trainer.failures import EARLY_STOP, HOURS_SPENT, MONEY_SPENT


class LimitsCallback(Callback):
    """Raises `TrainingStopped`, once, with the reason; the run then ends as FINISHED, with its best checkpoint.

    An evaluation counts as better where it beats the best one, that of the base at step 0 among them, by more than
    `min_delta`. Hours count from the monotonic second `started`, and from before where the run was resumed.
    """

    def __init__(
        self,
        limits: TrainingLimits,
        *,
        started: float,
        usd_an_hour: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._started = started
        self._usd_an_hour = usd_an_hour
        self._clock = clock
        self._best = -math.inf
        self._waited = 0
        self._stopped = False

    def open(self, run: Run) -> None:
        """Take note of what decides which checkpoint is best, what it has to beat, and of the hours before."""
        if run.best is not None:
            self._best = run.best
        self._metric = run.main_metric
        self._hours_before = run.hours_before

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Count evaluations that brought nothing."""
        value = event.metrics.get(f"eval/{self._metric}", math.nan)
        if value > self._best + self._limits.min_delta or self._best == -math.inf:
            self._best, self._waited = (value if math.isfinite(value) else self._best), 0
            return
        self._waited += 1
        patience = self._limits.patience
        if patience is not None and self._waited >= patience:
            self._stop(
                EARLY_STOP,
                f"{self._metric} has not become better than {self._best:.4f} in {self._waited} evaluations "
                f"(patience={patience}): there is nothing more to gain.",
            )

    def on_tick(self, event: Tick) -> None:
        """Look at the clock."""
        hours = self._hours_before + (self._clock() - self._started) / 3600
        most, usd = self._limits.max_hours, self._limits.max_usd
        if most is not None and hours >= most:
            self._stop(HOURS_SPENT, f"its {most:g} hours are used up (max_hours={most:g}).")
        if usd is not None and self._usd_an_hour is not None and hours * self._usd_an_hour >= usd:
            self._stop(MONEY_SPENT, f"its {usd:g} USD are spent (max_usd={usd:g}).")

    def _stop(self, reason: str, why: str) -> None:
        if not self._stopped:
            self._stopped = True
            raise TrainingStopped(why, reason=reason)
