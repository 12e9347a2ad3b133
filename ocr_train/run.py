"""What the parts of a run share: where it keeps its files, what it is, where its steps begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STEPS_METRIC = "data/steps_per_epoch"
"""What a run says of the length of its epochs: a param, and a metric where the trainer counts another one."""
Echo = Callable[[str], None]
"""Tells the user one line: where it is shown is decided by who passes it in."""


@dataclass(frozen=True)
class Retention:
    """How many of a run's checkpoints are to stay besides the best and those that something relies on; 0: all.

    The one value that the training, `sync` and `checkpoints --prune` decide by.
    """

    keep_last: int = 0

    def __bool__(self) -> bool:
        """Whether anything may be deleted."""
        return self.keep_last > 0

    def newest(self, steps: Iterable[int]) -> set[int]:
        """Those of `steps` that are new enough to stay."""
        return set(sorted(set(steps))[-self.keep_last :] if self else steps)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run, as callbacks see it.

    `folder` is the run's own, on this machine; `step_offset` is added to the trainer's own global step, which
    restarts at 0 on a resume, `epochs_done` are the epochs before it; `best` is the main metric to beat, None where
    there is none yet; `gpus` are the GPUs in use as the trainer's CUDA_VISIBLE_DEVICES names them: numbers of the
    host, UUIDs or MIG instances; `retention` says which checkpoints may be deleted;
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
    val_digest: str = ""
    gpus: tuple[str, ...] = ()
    retention: Retention = Retention()
    logged_until: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hours_before: float = 0.0

    @property
    def total_steps(self) -> int:
        """Steps of all epochs, from the very beginning; those before a resume as many as they were."""
        if self.epochs_done is None:
            return self.epochs * self.steps_per_epoch
        return self.step_offset + (self.epochs - self.epochs_done) * self.steps_per_epoch


@dataclass(frozen=True, kw_only=True)
class Results:
    """What is known at the end of a training, collected from callbacks, one after the other.

    `best` is the best main metric. `stored` counts checkpoints that are stored, `kept` are the folders of those that
    could not be, `lost` the names of those that are nowhere; `checkpoint_bytes` is the size of one. `latest_step` and
    `best_step` are steps of the run, `best_prefix` is the trainer's own set that beats all before it. `reader_share`
    (0 to 1) of the time was spent waiting for data. `rate_zero`, `starving`, `faster` (what would have been) and `not_better` (than what it started
    from) are sentences, empty where there is nothing to say; `trained_out` says that every step was trained, and
    `log_lines` how many lines of the trainer's log were understood.
    """

    best: float | None = None
    stored: int = 0
    kept: tuple[Path, ...] = ()
    lost: tuple[str, ...] = ()
    checkpoint_bytes: int = 0
    latest_step: int | None = None
    best_step: int | None = None
    best_prefix: Path | None = None
    reader_share: float | None = None
    rate_zero: str = ""
    samples: int = 0
    samples_error: str = ""
    starving: str = ""
    faster: str = ""
    not_better: str = ""
    trained_out: bool = False
    log_lines: str = ""
