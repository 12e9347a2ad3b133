"""What a person sees while training runs: one live line on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from callbacks.base import Callback
from ocr_train.config.epoch_steps import logged_steps
from ocr_train.events import (
    CheckpointSaved,
    EvalCompleted,
    LogLine,
    RunFinished,
    Tick,
    TrainProgress,
    WeightsLoaded,
)
from ocr_train.live_line import LiveLine
from ocr_train.run import Run

PLAIN_INTERVAL_S = 15.0


class ProgressCallback(Callback):
    """Epoch, step, loss, speed, ETA and the scores so far."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._line = LiveLine(stream, interval_s=PLAIN_INTERVAL_S, clock=clock)
        self._clock = clock
        self._text = ""
        self._score = ""
        self._best: float | None = None
        self._started = clock()
        self._seen_progress = False

    def open(self, run: Run) -> None:
        """Take note of the run's extent."""
        self._run = run
        self._best = run.best

    def on_log_line(self, event: LogLine) -> None:
        """Go by the trainer's count of steps from now on, and report where it is not the calculated one."""
        steps = logged_steps(event.text)
        if steps is not None and steps != self._run.steps_per_epoch:
            self._line.print(
                f"an epoch has {steps} steps, as PaddleOCR counts them, and not the calculated "
                f"{self._run.steps_per_epoch}: steps and time are shown by PaddleOCR's count"
            )
            self._run = replace(self._run, steps_per_epoch=steps)

    def on_weights_loaded(self, event: WeightsLoaded) -> None:
        """Print what training starts from."""
        start = {"scratch": "from scratch", "pretrained": f"from the weights {event.path}"}
        self._line.print(f"training starts {start.get(event.how, f'from the checkpoint {event.path}')}")

    def on_train_progress(self, event: TrainProgress) -> None:
        """Show the newest numbers."""
        self._seen_progress = True
        step = self._run.step_offset + event.step
        metrics = event.metrics
        parts = [
            f"epoch {event.epoch}/{event.epochs or self._run.epochs}",
            f"step {step}/{self._run.total_steps}",
        ]
        if "train/loss" in metrics:
            parts.append(f"loss {metrics['train/loss']:.4g}")
        if "train/acc" in metrics:
            parts.append(f"acc {metrics['train/acc']:.3f}")
        if "train/ips" in metrics:
            parts.append(f"{metrics['train/ips']:.1f} samples/s")
        if "train/eta_s" in metrics and metrics["train/eta_s"] >= 0:
            parts.append(f"ETA {datetime.timedelta(seconds=int(metrics['train/eta_s']))}")
        self._text = "  ".join(parts)
        self._line.show(self._newest())

    def on_eval_completed(self, event: EvalCompleted) -> None:
        """Show the score."""
        main = self._run.main_metric
        value = event.metrics.get(f"eval/{main}")
        if value is None:
            return
        self._best = value if self._best is None else max(self._best, value)
        self._score = f"{main} {value:.4f} (best {self._best:.4f})"
        if self._line.live:
            self._line.show(self._newest())
        else:
            self._line.print(f"evaluated: {self._score}")

    def on_checkpoint_saved(self, event: CheckpointSaved) -> None:
        """Print that a checkpoint is on its way to the artifact store."""
        if not self._line.live:
            self._line.print(f"checkpoint {event.name} saved; it goes to the artifact store")

    def on_tick(self, event: Tick) -> None:
        """Show that something is alive before the first numbers come."""
        if not self._seen_progress and self._line.live:
            self._line.write_over(f"starting the trainer ... {self._clock() - self._started:.0f} s")

    def on_run_finished(self, event: RunFinished) -> None:
        """End the live line."""
        if self._line.live and self._text:
            self._line.write_over(self._newest(), end="\n")
        elif self._text:
            self._line.print(self._newest())
        self._text = ""

    def _newest(self) -> str:
        return f"{self._text}  {self._score}".rstrip()
