"""Which layers of this run stay as they are: from the experiment, the weights and the model to the trainer's command."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ocr_train.atomic_files import write_text
from ocr_train.config.experiment import Experiment
from ocr_train.config.overrides import get_key
from ocr_train.config.trainer_settings import RATE
from ocr_train.errors import OcrTrainError
from ocr_train.ocr_engine.documents import read_json
from ocr_train.resume.resolve import ResumePoint
from ocr_train.resume.start import WEIGHTS_FILE
from ocr_train.run import Echo
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.tracker import Tracker
from ocr_train.trainer.device import Device
from ocr_train.trainer.freeze import WARM_UP_STEPS, FreezePlan, plan_freeze
from ocr_train.training.services import Rendered
from ocr_train.weights.compatibility import ModelToTrain
from ocr_train.weights.start import Settled

LATER = 1_000_000_000
"""A step at which all that stays as it is for a while has begun to train."""


def plan_freezing(
    experiment: Experiment,
    rendered: Rendered,
    model: ModelToTrain,
    settled: Settled,
    point: ResumePoint | None,
    tracker: Tracker,
) -> FreezePlan:
    """Which layers stay as they are; a model is only built to know their names."""
    new = settled.new or _still_warming(point, tracker)
    wanted = experiment.freeze or (experiment.freeze is None and new)
    return plan_freeze(
        experiment.freeze,
        model.shapes if wanted else (),
        new=new,
        freeze_bn=experiment.freeze_bn,
        total_steps=rendered.steps_per_epoch * experiment.epochs,
        rate=get_key(rendered.config, RATE, None),
    )


def _still_warming(point: ResumePoint | None, tracker: Tracker) -> Sequence[str]:
    """The new layers of a run that was interrupted before they had warmed up."""
    if point is None or point.weights_only or not point.run_id or point.step >= WARM_UP_STEPS:
        return ()
    with contextlib.suppress(OcrTrainError, OSError, ValueError), tempfile.TemporaryDirectory() as folder:
        artifacts = RunArtifacts(tracker.client, point.run_id)
        document = read_json(artifacts.download(f"config/{WEIGHTS_FILE}", Path(folder)))
        found = [name for entry in document["start"] for name in entry["from_nothing"]]
        return [str(name) for name in found]
    return ()


def script_job(
    freeze: FreezePlan, device: Device, point: ResumePoint | None, tracker: Tracker, echo: Echo
) -> Path | None:
    """What the script around the trainer is to do: keep layers as they are, let processes wait for each other. None where
    it is not needed."""
    if freeze:
        echo(f"freeze: {freeze}")
        tracker.set_tags({"freeze": str(freeze)})
    job = job_of(freeze, device, done=point.step if point else 0)
    if not job:
        return None
    path = tracker.folder / "train_script.json"
    write_text(path, json.dumps(job))
    return path


def job_of(freeze: FreezePlan, device: Device, *, done: int) -> dict[str, object]:
    """What the script around the trainer reads, nothing where it is not needed; `done` are the run's steps so far."""
    meet = {"meet": True} if device.processes > 1 and not device.gpus else {}
    return freeze.job(done=done) | meet
