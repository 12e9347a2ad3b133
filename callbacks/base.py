"""The class that every callback inherits from: one no-op method an event.

    open(run)
      on_run_started
      (on_weights_loaded | on_train_progress | on_eval_completed | on_best_updated
       | on_checkpoint_saved | on_log_line | on_tick)*
      on_run_finished
    close()

All of it happens on one thread, so a callback needs no locks for its own state.
"""

from __future__ import annotations

import re

from ocr_train import events
from ocr_train.events import Event
from ocr_train.run import Results, Run

_CAPITAL, _WORD = re.compile("([A-Z])"), r"_\1"


class Callback:
    """Override the methods you need; `critical` callbacks stop the training when they fail."""

    critical = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return type(self).__name__

    def open(self, run: Run) -> None:
        """Prepare; called once, before the trainer starts."""

    def close(self) -> None:
        """Finish what is under way; may be called more than once."""

    def results(self, before: Results) -> Results:
        """`before` with what the summary at the end should know of this one; asked for after `close`."""
        return before

    def handle(self, event: Event) -> None:
        """Hand `event` to its method: a `TrainProgress` to `on_train_progress`."""
        getattr(self, f"on{_CAPITAL.sub(_WORD, type(event).__name__)}".lower())(event)

    def on_run_started(self, event: events.RunStarted) -> None:
        """The trainer's process exists."""

    def on_weights_loaded(self, event: events.WeightsLoaded) -> None:
        """The log named the weights that training starts from."""

    def on_train_progress(self, event: events.TrainProgress) -> None:
        """A progress line."""

    def on_eval_completed(self, event: events.EvalCompleted) -> None:
        """An evaluation ended."""

    def on_best_updated(self, event: events.BestUpdated) -> None:
        """The trainer named its best metrics, new or not."""

    def on_checkpoint_saved(self, event: events.CheckpointSaved) -> None:
        """All files of a checkpoint are on disk."""

    def on_log_line(self, event: events.LogLine) -> None:
        """A line that is nothing else."""

    def on_tick(self, event: events.Tick) -> None:
        """About a second went by."""

    def on_run_finished(self, event: events.RunFinished) -> None:
        """The trainer is gone and its output read to the end."""
