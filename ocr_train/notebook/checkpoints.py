"""A run's checkpoints."""

from __future__ import annotations

from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import run_command
from ocr_train.notebook.training import TrainedRun


def show_checkpoints(choices: Choices, run: TrainedRun) -> None:
    """List them, each read back and compared with its sums; raises `CellStopped` where one is damaged."""
    run_command(choices, "checkpoints", run.run_id, "--verify")
