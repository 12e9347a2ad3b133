"""A training set up for measurements and not for itself: no run, nothing that stays but the cache of data and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_train.config.experiment import Experiment
from ocr_train.ocr_engine.documents import read_json, read_yaml
from ocr_train.resume.start import StartedRun
from ocr_train.tracking.tracker import Tracker
from ocr_train.training.freezing import LATER
from ocr_train.training.services import Services, TrainingSetup
from ocr_train.training.setup import set_up
from ocr_train.tuning.trial import Bench


def set_up_bench(
    experiment: Experiment, output: Path, scratch: Path, services: Services
) -> tuple[Bench, TrainingSetup]:
    """What a training of `experiment` would be started with; what belongs to a run goes to `scratch`, the data's and the
    weights' cache is that of `output`. Raises `OcrTrainError` for what would keep it from starting."""
    tracker = Tracker.start(services.client, scratch, name="tune", offline=True)
    experiment = replace(experiment, offline=True, backup="")
    try:
        setup = set_up(experiment, output, StartedRun(tracker=tracker), services)
    finally:
        # There is no run: its files are closed before their folder is removed.
        tracker.finish("FINISHED", timeout_s=0)
    return bench_of(setup), setup


def bench_of(setup: TrainingSetup) -> Bench:
    """What short trainings of a training that is set up are started with: layers that stay as they are for its first steps
    train from the beginning."""
    launch = setup.launch
    return Bench(
        config=dict(read_yaml(setup.run.config)),
        labels=tuple(part.path for part in setup.dataset.train_parts),
        python=launch.python,
        paddleocr=launch.paddleocr,
        device=launch.device,
        env=launch.env,
        folder=setup.run.folder / "tuning",
        job=later_job(script_job_at(setup.script_job)),
    )


def script_job_at(path: Path | None) -> Mapping[str, Any]:
    """What the script around the trainer is to do."""
    return dict(read_json(path)) if path else {}


def later_job(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same when nothing stays as it is for a while only."""
    return {**job, "done": LATER} if "done" in job else job
