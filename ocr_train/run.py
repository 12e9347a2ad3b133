"""What the parts of a run share: where it keeps its files, what it is, where its steps begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STEPS_METRIC = "data/steps_per_epoch"
"""What a run logs of the length of its epochs."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run, as callbacks see it.

    `folder` is the run's own, on this machine; `step_offset` is added to the trainer's own global step, which
    restarts at 0 on a resume, `epochs_done` are the epochs before it; `best` is the main metric to beat, None where
    there is none yet; `gpus` are the GPUs in use as the trainer's CUDA_VISIBLE_DEVICES names them: numbers of the
    host, UUIDs or MIG instances; `keep_last` is how many checkpoints are to stay besides the best, None for all;
    `logged_until` is the last step of each metric that the run has already, `hours_before` what it took so far.
    """

    run_id: str
    folder: Path
    model: str
    task: str
    main_metric: str
    epochs: int
    steps_per_epoch: int
    config: Path
    dictionary: Path | None = None
    step_offset: int = 0
    epochs_done: int | None = None
    best: float | None = None
    dataset_digest: str = ""
    gpus: tuple[str, ...] = ()
    keep_last: int | None = None
    logged_until: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hours_before: float = 0.0

    @property
    def total_steps(self) -> int:
        """Steps of all epochs, from the very beginning; those before a resume as many as they were."""
        if self.epochs_done is None:
            return self.epochs * self.steps_per_epoch
        return self.step_offset + (self.epochs - self.epochs_done) * self.steps_per_epoch
