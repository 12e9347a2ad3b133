"""Ends a training that has stopped to be one: NaN, a dead loss scale, no progress, an evaluation without end."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

from callbacks.base import Callback
from ocr_train.errors import TrainingStopped
from ocr_train.events import Event, LogLine, RunStarted, Tick, TrainProgress
from ocr_train.run import Run

STALL_TIMEOUT_S = 1800.0
NAN_WINDOWS = 5
START_PATIENCE = 3.0
"""Before the first step weights are fetched, kernels compiled, images listed: so many timeouts are granted."""
SLOW_PATIENCE = 3.0
"""A trainer that prints rarely is granted so many of its own longest intervals."""
LONGEST_TICK_S = 5.0
LOWEST_SCALE = 1.0
"""Paddle's scaler goes no lower (its update_loss_scaling kernel)."""
# amp/grad_scaler.py
_SCALE = re.compile(r"Found inf or nan, current scale is: ([\d.eE+-]+), decrease to: ")
_BAR = re.compile(r"\| *(\d{1,9})/(\d{1,9})\b", re.ASCII)
# The label of PaddleOCR's bar.
_EVALUATION = "eval model"


class WatchdogCallback(Callback):
    """Raises `TrainingStopped`, once, with the reason.

    - `nan_windows` progress lines in a row show a loss that is no finite number; 0: never mind.
    - AMP found infinities that often although its loss scale is already as low as it goes.
    - Nothing came forward for `stall_timeout_s`; 0: never mind. Forward is a step, an evaluation, a checkpoint,
      and a bar of an evaluation that counts on towards its total. Seconds in which this process itself was held
      up do not count.
    """

    def __init__(
        self,
        *,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        nan_windows: int = NAN_WINDOWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_s = stall_timeout_s
        self._nan_windows = nan_windows
        self._clock = clock
        self._offset = 0
        self._stopped = False
        self._nans = 0
        self._low_scales = 0
        self._last: TrainProgress | None = None
        self._idle_s = 0.0
        self._since_step_s = 0.0
        self._longest_s = 0.0
        self._ticked = clock()
        self._bar = (0, 0)
        self._evaluating = False
        self._seen = ""

    def open(self, run: Run) -> None:
        """Take note of where steps begin."""
        self._offset = run.step_offset

    def handle(self, event: Event) -> None:
        """All events but lines and ticks show that the trainer is alive."""
        if not isinstance(event, LogLine | Tick | RunStarted):
            self._alive()
            self._evaluating, self._bar = False, (0, 0)
        super().handle(event)

    def on_train_progress(self, event: TrainProgress) -> None:
        """Count losses that are none; learn how long this trainer takes from line to line."""
        if self._last is not None:
            self._longest_s = max(self._longest_s, self._since_step_s)
        self._last, self._since_step_s = event, 0.0
        losses = {name: value for name, value in event.metrics.items() if "loss" in name}
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        self._nans = self._nans + 1 if broken else 0
        if self._nan_windows and self._nans >= self._nan_windows:
            self._stop(
                "nan_loss",
                f"the loss is not a finite number any more: {', '.join(broken)} in {self._nans} progress lines in a "
                f"row, the last at {self._where()}. Such a model does not recover.",
                "Lower learning_rate, give it a warm-up (Optimizer.lr.warmup_epoch), or clip gradients "
                "(Optimizer.clip_norm); with AMP try Global.use_amp=False. Then resume from the last checkpoint "
                "whose loss was finite. `nan_windows` sets how many such lines are allowed (0: any number).",
            )

    def on_log_line(self, event: LogLine) -> None:
        """Look for AMP's complaints; before the first step any line is a sign of life."""
        if self._last is None:
            self._alive()
        found = _SCALE.search(event.text)
        if not found:
            return
        self._low_scales = self._low_scales + 1 if _number(found[1]) <= LOWEST_SCALE else 0
        if self._nan_windows and self._low_scales >= self._nan_windows:
            self._stop(
                "amp_scale",
                f"mixed precision has broken down: gradients are infinite or NaN although the loss scale is "
                f"{found[1]} already, {self._low_scales} times in a row, the last at {self._where()}. Steps with "
                "such gradients are skipped, so that nothing is learned.",
                "Train without AMP (Global.use_amp=False), or with a lower learning_rate; if the loss itself is "
                "NaN, AMP is not the cause.",
            )

    def on_tick(self, event: Tick) -> None:
        """Count the seconds without progress."""
        now = self._clock()
        passed, self._ticked = min(now - self._ticked, LONGEST_TICK_S), now
        self._idle_s += passed
        self._since_step_s += passed
        if event.unfinished != self._seen:
            self._seen = event.unfinished
            self._look_at_bar(event.unfinished)
        if self._timeout_s and not self._stopped and self._idle_s > self._limit_s():
            self._stall()

    def _look_at_bar(self, text: str) -> None:
        """An evaluation's bar that counts on is progress, redraws of it are none; another bar comes before steps."""
        self._evaluating = self._evaluating or _EVALUATION in text
        if not self._evaluating:
            if self._last is None:
                self._alive()
            return
        bars = _BAR.findall(text)
        bar = (int(bars[-1][0]), int(bars[-1][1])) if bars else self._bar
        if bar != self._bar and bar[0] <= bar[1]:
            self._alive()
        self._bar = bar

    def _limit_s(self) -> float:
        if self._last is None:
            return self._timeout_s * START_PATIENCE
        return max(self._timeout_s, self._longest_s * SLOW_PATIENCE)

    def _stall(self) -> None:
        limit = f"for {self._idle_s:.0f} s (stall_timeout_s={self._timeout_s:g})"
        stack = "logs/stacks.txt shows where the trainer is. "
        longer = "If it was only slow, give a larger stall_timeout_s (0: no limit)."
        if self._evaluating:
            self._stop(
                "endless_evaluation",
                f"the evaluation after {self._where()} made no progress {limit}; its progress bar is at "
                f"{self._bar[0]}/{self._bar[1]}.",
                f"{stack}A sample that cannot be read is the usual cause: `validate` finds it; "
                f"Eval.loader.num_workers=0 shows its error. {longer}",
            )
        self._stop(
            "stall",
            f"the trainer printed no progress {limit}; the last was {self._where()}.",
            f"{stack}Usual causes: data loading processes that wait for each other (Train.loader.num_workers=0 "
            f"shows it), slow or lost network storage, a GPU that hangs. {longer}",
        )

    def _where(self) -> str:
        if self._last is None:
            return "nothing: no step was ever printed"
        return f"step {self._offset + self._last.step} in epoch {self._last.epoch}"

    def _alive(self) -> None:
        self._idle_s = 0.0

    def _stop(self, reason: str, problem: str, hint: str) -> None:
        if not self._stopped:
            self._stopped = True
            raise TrainingStopped(problem, hint=hint, reason=reason)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
