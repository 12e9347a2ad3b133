"""What a checkpoint that was just saved is: its step and epoch in the run, and whether it is the best one so far."""

from __future__ import annotations

from ocr_train.checkpoints.snapshots import Snapshot
from ocr_train.events import EvalCompleted, TrainProgress
from ocr_train.run import Run


class SavedSets:
    """Follows a training, for sets that do not record by themselves where they were saved."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._best = run.best
        self._base_is_best = False
        self._step = self._epoch = 0
        self._score: float | None = None

    def progressed(self, event: TrainProgress) -> None:
        """Remember where training is."""
        self._step, self._epoch = event.step, event.epoch

    def evaluated(self, event: EvalCompleted) -> None:
        """Remember the score."""
        self._score = event.metrics.get(f"eval/{self._run.main_metric}")

    def place(self, snapshot: Snapshot | None) -> tuple[int, int]:
        """Step of the run and epoch of a set; of the newest progress line where it does not say."""
        step = self._step if snapshot is None or snapshot.step is None else snapshot.step
        epoch = self._epoch if snapshot is None or snapshot.epoch is None else snapshot.epoch
        return self._run.step_offset + step, epoch

    def is_best(self, snapshot: Snapshot | None) -> bool:
        """Whether a set beats the run's own best, which it then is: after a resume PaddleOCR calls its first score best.

        Of equals the later one is, as for PaddleOCR; but the weights that training started from (step 0) give way to a better
        score only: an equal one has cost what else they could read.
        """
        metrics = snapshot.metrics if snapshot else {}
        value = metrics.get(self._run.main_metric, self._score)
        if value is None:
            return self._best is None
        if self._best is not None and (value < self._best or (value == self._best and self._base_is_best)):
            return False
        self._best, self._base_is_best = value, self.place(snapshot)[0] == 0
        return True
