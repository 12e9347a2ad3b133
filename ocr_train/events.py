"""What can happen during a training run, as frozen values named in the past tense.

    RunStarted -> WeightsLoaded -> (TrainProgress | EvalCompleted | BestUpdated
    | CheckpointSaved | LogLine | Tick)* -> RunFinished

`ocr_train.trainer.log_parser` makes the middle ones out of the trainer's log; the pipeline adds the rest.
`line` is the 1-based number of the log line an event came from, 0 where there is none.
`time_ms` is Unix time in milliseconds, 0 where it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events."""

    line: int = 0
    time_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """The trainer's process exists."""

    run_id: str = ""
    pid: int = 0


@dataclass(frozen=True, kw_only=True)
class WeightsLoaded(Event):
    """The log named the weights that training starts from.

    `how` is "resume", "pretrained" or "scratch"; `path` is empty for "scratch".
    """

    how: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainProgress(Event):
    """One progress line: `metrics` maps MLflow names ("train/loss") to values.

    `epoch` counts from 1 (0 in 1.x logs), `epochs` is None where the log does not say,
    `step` is the trainer's own global step, which restarts at 0 on a resume.
    """

    epoch: int
    epochs: int | None
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvalCompleted(Event):
    """An evaluation ended ("cur metric, ..."): names as in "eval/hmean".

    `step` and `epoch` are those of the last progress line before it, None where there was none.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    step: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, kw_only=True)
class BestUpdated(Event):
    """A "best metric, ..." line: names as in "best/hmean". It is repeated even when unchanged."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    best_epoch: int | None = None
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved(Event):
    """All files of a checkpoint are on disk.

    `name` is the last part of the prefix ("latest", "best_accuracy", "iter_epoch_3"), `prefix`
    the whole of it as logged, `kind` is "latest", "best" or "epoch".
    """

    name: str
    kind: str
    prefix: str = ""
    step: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, kw_only=True)
class LogLine(Event):
    """A line of no other kind; it is kept, never dropped."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Tick(Event):
    """About a second went by; `unfinished` is the end of a line that has no end yet, such as a bar's redraws."""

    unfinished: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The trainer's process is gone and its output is read to the end.

    `status` is FINISHED, FAILED or KILLED; `reason` is empty for FINISHED.
    """

    status: str
    reason: str = ""
