"""The exported model, and what it reads in validation images."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.analysis.sampling import Sample, ValidationSet, validation_set
from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.errors import DataError
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import run_command
from ocr_train.notebook.configuration import launch_with
from ocr_train.notebook.display import TONES, as_html, figures_html, show_html
from ocr_train.notebook.label_pictures import label_picture
from ocr_train.notebook.training import TrainedRun
from ocr_train.ocr_engine.documents import parse_json

_FIGURE_PX = {"det": 380}


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """An inference model in a folder of its own, and the run that it is of."""

    folder: Path
    run: TrainedRun


def export_model(choices: Choices, run: TrainedRun) -> ExportedModel:
    """Export the run's best checkpoint, checked to give the checkpoint's answers; raises `CellStopped`."""
    folder = choices.work / "model"
    # The folder is the notebook's own, and `export` wants a new one.
    shutil.rmtree(folder, ignore_errors=True)
    run_command(choices, "export", run.run_id, "--out", folder, "--images", 8)
    return ExportedModel(folder=folder, run=run)


def predict(choices: Choices, model: ExportedModel, count: int = 6) -> None:
    """Read `count` validation images with the model and show what it read beside what is right; raises `CellStopped`."""
    task = load_experiment(launch_with(model.run.parameters), EXPERIMENTS).task
    found = validation_set(model.run.folder / "config.yml", task, limit=count)
    out = choices.work / "predictions"
    answers = out / "predictions.jsonl"
    run_command(choices, "predict", model.folder, *found.paths, "--out", out, "--json", answers, fine=(0, 3))
    read = [parse_json(line) for line in answers.read_bytes().splitlines()]
    if len(read) != len(found.samples):
        raise DataError(f"{answers} has {len(read)} answers for {len(found.samples)} images.")
    figures = list(_figures(found, read))
    show_html(figures_html(figures, width_px=_FIGURE_PX.get(task, 200)), f"{len(figures)} pictures in {out}")


def _figures(found: ValidationSet, answers: list[Any]) -> Iterator[tuple[bytes, str]]:
    """What was read: pages as `predict` has drawn them, crops with the text below, green where it is right."""
    for sample, answer in zip(found.samples, answers, strict=True):
        if found.task == "det":
            picture = Path(str(answer.get("picture", "")))
            if picture.is_file():
                yield picture.read_bytes(), _counted(sample, answer)
        elif (crop := label_picture(sample.path)) is not None:
            yield crop, _compared(sample, answer)


def _counted(sample: Sample, answer: Mapping[str, Any]) -> str:
    return f"{len(answer.get('boxes', []))} boxes found, {len(sample.boxes)} labelled"


def _compared(sample: Sample, answer: Mapping[str, Any]) -> str:
    said = str(answer.get("text", answer.get("label", "")))
    tone = TONES["ok" if said == sample.text else "problem"]
    read = f'<b style="color:{tone}">{as_html(said) or "(nothing)"}</b> {float(answer.get("score", 0)):.2f}'
    return read if said == sample.text else f"{read}<br>label: {as_html(sample.text)}"
