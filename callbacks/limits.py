"""Ends a training that has had enough: not better for a while, or its hours or its money are spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from callbacks.base import Callback
from ocr_train.config.limits import TrainingLimits
from ocr_train.errors import TrainingStopped
from ocr_train.events import CheckpointSaved, EvalCompleted, Tick, TrainProgress
from ocr_train.run import Echo, Run
from ocr_train.trainer.failures import EARLY_STOP, HOURS_SPENT, MONEY_SPENT

_STEPS_TIMED = 5
"""After so many steps it can be said when the first checkpoint comes."""


class LimitsCallback(Callback):
    """Raises `TrainingStopped`, once, with the reason; the run then ends as FINISHED, with its best checkpoint.

    An evaluation counts as better where it beats the best one, that of the base at step 0 among them, by more than
    `min_delta`. Hours count from the monotonic second `started`, and from before where the run was resumed. A training
    whose first checkpoint would come after its hours or its money are spent is warned of as soon as that can be seen.
    """

    def __init__(
        self,
        limits: TrainingLimits,
        *,
        started: float,
        usd_an_hour: float | None,
        report: Echo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._started = started
        self._usd_an_hour = usd_an_hour
        self._report = report
        self._clock = clock
        self._timed_from: tuple[float, int] | None = None
        self._first_comes = False
        self._best = -math.inf
        self._waited = 0
        self._stopped = False

    def open(self, run: Run) -> None:
        """Take note of what decides which checkpoint is best, what it has to beat, and of the hours before."""
        if run.best is not None:
            self._best = run.best
        self._metric = run.main_metric
        self._hours_before = run.hours_before
        self._steps_per_epoch = run.steps_per_epoch

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

    def on_checkpoint_saved(self, event: CheckpointSaved) -> None:
        """There is one, other than that of the base: the budget has not been for nothing."""
        self._first_comes = self._first_comes or (event.step or 0) > 0

    def on_train_progress(self, event: TrainProgress) -> None:
        """See whether the first checkpoint, at the end of the epoch, comes in time."""
        limit = self._hours_limit()
        if self._first_comes or limit is None or self._steps_per_epoch < 1:
            return
        now = self._clock()
        if self._timed_from is None:
            self._timed_from = (now, event.step)
        second, step = self._timed_from
        if event.step - step < _STEPS_TIMED:
            return
        left = self._steps_per_epoch - event.step % self._steps_per_epoch
        end = self._hours(now + left * (now - second) / (event.step - step))
        self._first_comes = True
        if end > limit:
            self._report(
                f"WARNING: the first epoch, with the first checkpoint at its end, is over after about {end:.2g} h, and the "
                f"training is ended after {limit:.2g} h (max_hours, max_usd): nothing of it would be kept. Give it more, or "
                "save within the epoch: overrides='Global.eval_batch_step=[0,N]' evaluates each N steps and keeps the best"
            )

    def _hours(self, second: float) -> float:
        return self._hours_before + (second - self._started) / 3600

    def _hours_limit(self) -> float | None:
        """The hours after which the training is ended."""
        limits = [self._limits.max_hours]
        if self._limits.max_usd is not None and self._usd_an_hour:
            limits.append(self._limits.max_usd / self._usd_an_hour)
        return min((limit for limit in limits if limit is not None), default=None)

    def on_tick(self, event: Tick) -> None:
        """Look at the clock."""
        hours = self._hours(self._clock())
        most, usd = self._limits.max_hours, self._limits.max_usd
        if most is not None and hours >= most:
            self._stop(HOURS_SPENT, f"its {most:g} hours are used up (max_hours={most:g}).")
        if usd is not None and self._usd_an_hour is not None and hours * self._usd_an_hour >= usd:
            self._stop(MONEY_SPENT, f"its {usd:g} USD are spent (max_usd={usd:g}).")

    def _stop(self, reason: str, why: str) -> None:
        if not self._stopped:
            self._stopped = True
            raise TrainingStopped(why, reason=reason)
