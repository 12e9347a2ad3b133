"""A sweep in this process whose trainings are stand-ins: what each of them scores is decided by the test."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from ocr_train.config.parameters import Launch
from ocr_train.sweep import trial as trial_module
from ocr_train.sweep.dimensions import NumberRange
from ocr_train.sweep.plan import SweepPlan
from ocr_train.sweep.rows import Budget, TrialRow
from ocr_train.sweep.settings import PrunerSettings, SamplerSettings
from ocr_train.sweep.study import SweepStudy, open_study
from ocr_train.sweep.work import SweepEnd, SweepJob, work
from ocr_train.trainer.stop_signals import StopFlag

SCRIPT = Path(__file__).with_name("fake_training.py")


class NoParent:
    """In place of the parent run: what was shown, and nothing else."""

    run_id, experiment_id = "parent", "0"

    def __init__(self) -> None:
        self.shown: list[list[TrialRow]] = []

    def show(self, rows: Sequence[TrialRow], *_: object, **__: object) -> None:
        """Keep them."""
        self.shown.append(list(rows))


class NoRuns:
    """In place of MLflow: it knows no run."""

    def get_run(self, run_id: str) -> Any:
        """There is none."""
        from mlflow.exceptions import MlflowException

        raise MlflowException(f"no run {run_id}")


def make_plan(**changes: Any) -> SweepPlan:
    """A plan of one dimension, `learning_rate` from 0 to 1, that prunes from the first epoch on."""
    plan = SweepPlan(
        fixed=Launch(model="rec"),
        dimensions=(NumberRange(name="learning_rate", low=0.0, high=1.0),),
        metric="acc",
        epochs=3,
        task="rec",
        sampler=SamplerSettings(name="random"),
        pruner=PrunerSettings(startup=1, warmup=0),
        name="test",
    )
    return replace(plan, **changes)


@dataclass
class Scene:
    """A folder with a study; `learn` says what the trial with that number does, as `fake_training` reads it."""

    folder: Path
    plan: SweepPlan = field(default_factory=make_plan)
    url: str = ""
    budget: Budget = field(default_factory=lambda: Budget(trials=3))
    learn: Callable[[int], Mapping[str, Any]] = lambda number: {"scores": [0.1 * (number + 1)] * 3}
    stop: StopFlag = field(default_factory=StopFlag)
    client: Any = field(default_factory=NoRuns)
    parent: NoParent = field(default_factory=NoParent)
    said: list[str] = field(default_factory=list)
    launches: list[Launch] = field(default_factory=list)

    def open(self) -> SweepStudy:
        """The study, as a worker that begins opens it."""
        study = open_study(self.url or f"sqlite:///{self.folder / 'study.db'}", "test", self.plan)
        if not study.noted("parent_run"):
            study.note(parent_run="parent")
        return study

    def run(self, study: SweepStudy | None = None) -> SweepEnd:
        """What a worker does, to its end."""
        job = SweepJob(
            plan=self.plan,
            study=study or self.open(),
            parent=self.parent,  # type: ignore[arg-type]
            budget=self.budget,
            client=self.client,
            folder=self.folder,
            output=self.folder / "outputs",
            text="a test",
            echo=self.said.append,
            live=lambda _: None,
            stop=self.stop,
            sleep=lambda seconds: time.sleep(min(seconds, 0.05)),
        )
        with mock.patch.object(trial_module, "training_argv", self._argv), self.stop.deferred():
            end = work(job)
        job.study.close()
        return end

    def rows(self) -> list[TrialRow]:
        """What the study knows now."""
        study = self.open()
        found = study.rows()
        study.close()
        return found

    @property
    def log(self) -> list[dict[str, Any]]:
        """What the trainings were told, one after the other."""
        path = self.folder / "trainings.jsonl"
        return (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if path.exists()
            else []
        )

    def _argv(self, launch: Launch) -> list[str]:
        number = len(self.launches)
        self.launches.append(launch)
        told = {
            "run_id": launch.resume or f"run{number}",
            "log": str(self.folder / "trainings.jsonl"),
            **self.learn(number),
        }
        return [sys.executable, "-I", "-S", str(SCRIPT), json.dumps(told)]


def when(seen: Callable[[], bool], then: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Do `then` once `seen()`; for a thread beside a sweep."""
    deadline = time.monotonic() + within_s
    while not seen() and time.monotonic() < deadline:
        time.sleep(0.02)
    then()


def postgres_programs() -> Path | None:
    """The folder with initdb and pg_ctl, which distributions keep off PATH; None where there is none."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    return next((folder for folder in folders if (folder / "initdb").is_file()), None)
