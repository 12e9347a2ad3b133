"""What is known of a run that is compared: plain values, read once, from which page, pictures and JSON are made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ocr_train.checkpoints.store import CheckpointManifest

INFINITE = 1e308
"""MLflow's SQL stores keep an infinity as the largest float."""
LOWER_IS_BETTER = ("loss", "edit_distance", "hours", "usd", "cost")
HIGHER_IS_BETTER = (
    *("hmean", "acc", "precision", "recall", "norm_edit_dis", "fps", "ips", "images_per_s", "samples_per_s"),
)


@dataclass(frozen=True, kw_only=True)
class Series:
    """A metric's history by step, one value a step: `times` in Unix seconds; values may be NaN or infinite."""

    steps: Sequence[int] = ()
    times: Sequence[float] = ()
    values: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def non_finite(self) -> int:
        """How many values are NaN or infinite."""
        return sum(not is_finite(value) for value in self.values)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One validation image as a run sees it: `image` is a JPEG, empty where it cannot be shown; `text` says that
    truth and prediction are texts, to be compared letter by letter, and not counts of boxes."""

    name: str
    mime: str
    image: bytes
    truth: str
    prediction: str
    scores: Mapping[str, float]
    text: bool = True


@dataclass(frozen=True, kw_only=True)
class RunSamples:
    """A run's newest opens fixed validation images; `problem` says why there is none."""

    step: int = 0
    task: str = ""
    pictures: Sequence[Picture] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """A run's whole checkpoints by step; `aliases` name folders, `best_elsewhere` the run that has the best one."""

    manifests: Sequence[CheckpointManifest] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    best_elsewhere: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class RunData:
    """One run. `started` and `ended` in Unix seconds, `ended` the newest sign of a run that is still running.

    `params` have MLflow's quotes removed; `main_metric` is a bare name such as hmean; `hourly_usd` None where
    nobody said what an hour costs.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: float
    ended: float
    model: str
    task: str
    main_metric: str
    hourly_usd: float | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    last: Mapping[str, float]
    series: Mapping[str, Series]
    datasets: Sequence[str] = ()
    checkpoints: Checkpoints = Checkpoints()
    samples: RunSamples = RunSamples()

    @property
    def digest(self) -> str:
        """The digest of the data it was trained and scored on; empty where it does not say."""
        return self.tags.get("dataset_digest", "")

    @property
    def parent(self) -> str:
        """The run it continued from; empty where there is none."""
        return self.tags.get("resumed_from", "")

    @property
    def parent_step(self) -> int:
        """The step it continued from."""
        text = self.tags.get("resumed_from_step", "")
        return int(text) if text.isdecimal() else 0

    @property
    def hours(self) -> float:
        """How long it took, or has taken so far."""
        logged = self.last.get("time/hours")
        return (
            logged if logged is not None and is_finite(logged) else max(0.0, self.ended - self.started) / 3600
        )

    @property
    def cost_usd(self) -> float | None:
        """What it cost: as logged, else hours times the price of an hour; None where neither is known."""
        logged = self.last.get("cost/usd")
        if logged is not None and is_finite(logged):
            return logged
        return None if self.hourly_usd is None else self.hours * self.hourly_usd


def is_finite(value: float) -> bool:
    """Whether `value` is a number to draw: neither NaN nor an infinity as MLflow gives it back."""
    return math.isfinite(value) and abs(value) < INFINITE


def better(metric: str) -> int:
    """1 where more of `metric` is better, -1 where less is, 0 where that is not known."""
    last = metric.rpartition("/")[2]
    if any(last == name or last.endswith(f"_{name}") for name in HIGHER_IS_BETTER):
        return 1
    return -1 if any(word in last for word in LOWER_IS_BETTER) else 0
