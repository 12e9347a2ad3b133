"""The models that a benchmark reads with: made once by `benchmarks.finishing`, in the folder that OCR_BENCH_MODELS names.

`FOLDER/rec/model` is an exported folder with model.onnx and `FOLDER/rec/images` holds what it reads; det the same. A model of
one's own can be put there.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "OCR_BENCH_MODELS"


@dataclass(frozen=True, kw_only=True)
class KeptModel:
    """An exported folder, and images for it."""

    folder: Path
    images: Path


def keep_model(task: str, exported: Path, images: Path) -> None:
    """Keep what a training made, where anybody wants it."""
    place = os.environ.get(VARIABLE, "")
    if place and not (Path(place) / task).exists():
        shutil.copytree(exported, Path(place) / task / "model")
        shutil.copytree(images, Path(place) / task / "images")


def kept_model(task: str, scratch: Path) -> KeptModel:
    """The model of that task; a training makes it where there is none."""
    place = Path(os.environ.get(VARIABLE) or scratch / "models")
    if not (place / task).is_dir():
        from benchmarks.finishing import train_once

        os.environ[VARIABLE] = str(place)
        (scratch / "training").mkdir(exist_ok=True)
        train_once(task, scratch / "training" / task, 1)
    return KeptModel(folder=place / task / "model", images=place / task / "images")
