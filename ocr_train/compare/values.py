"""What is known of a run that is compared: plain values, read once, from which page, pictures and JSON are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ocr_train.checkpoints.manifest import CheckpointManifest

SHORT_ID = 8
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
    def finite(self) -> dict[int, float]:
        """The values by step, without those that are NaN or infinite."""
        known = zip(self.steps, self.values, strict=True)
        return {step: value for step, value in known if is_finite(value)}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One validation image as a run sees it: `image` is a JPEG, empty where it cannot be shown; `text` says that
    truth and prediction are texts, to be compared letter by letter, and not counts of boxes."""

    name: str
    image: bytes
    truth: str
    prediction: str
    scores: Mapping[str, float]
    text: bool = True


@dataclass(frozen=True, kw_only=True)
class RunSamples:
    """A run's newest fixed validation images; `problem` says why there is none."""

    step: int = 0
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
    nobody said what an hour costs. `place` and `label` distinguish it among the runs of a page (`labelled`).
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
    place: int = 0
    label: str = ""

    @property
    def digest(self) -> str:
        """The digest of the data it was trained and scored on; empty where it does not say."""
        return self.tags.get("dataset_digest", "")

    @property
    def val_digest(self) -> str:
        """The digest of the samples it was scored on; empty for runs of before."""
        return self.tags.get("val_digest", "")

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


def labelled(runs: Sequence[RunData]) -> list[RunData]:
    """The runs with place and label; of those with the same name the beginning of the id is part of the label."""
    names = [run.name for run in runs]
    return [
        replace(
            run,
            place=place,
            label=run.name if names.count(run.name) == 1 else f"{run.name} · {run.run_id[:SHORT_ID]}",
        )
        for place, run in enumerate(runs)
    ]


def label_of(runs: Sequence[RunData], run_id: str) -> str:
    """The label of that run, or the beginning of the id of a run that is not here."""
    return next((run.label for run in runs if run.run_id == run_id), run_id[:SHORT_ID])


def scored_on(runs: Sequence[RunData]) -> dict[str, str]:
    """The digest of what each run was scored on, by its id: the validation samples, where all runs name them, else all data."""
    by_samples = all(run.val_digest for run in runs)
    return {run.run_id: run.val_digest if by_samples else run.digest for run in runs}


def is_finite(value: float) -> bool:
    """Whether `value` is a number to draw: neither NaN nor an infinity as MLflow gives it back."""
    return -INFINITE < value < INFINITE


def better(metric: str) -> int:
    """1 where more of `metric` is better, -1 where less is, 0 where that is not known."""
    last = metric.rpartition("/")[2]
    if any(last == name or last.endswith(f"_{name}") for name in HIGHER_IS_BETTER):
        return 1
    return -1 if any(word in last for word in LOWER_IS_BETTER) else 0
