"""Validation sets, answers and PaddleOCR's own metrics, for the tests of a look at a model."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from ocr_train.analysis.predictions import Reading
from ocr_train.data.labels import Box, format_boxes, format_line
from ocr_train.ocr_engine.paddleocr import find_ppocr

SQUARE = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))


def answer(**values: Any) -> Reading:
    """An answer to some image, which the model is rather sure of."""
    return Reading(image=Path("image.png"), **{"score": 0.9, **values})


def box_at(x: float, y: float, text: str = "a", size: float = 10.0) -> Box:
    """A square with its top left at (x, y)."""
    return Box(transcription=text, points=((x, y), (x + size, y), (x + size, y + size), (x, y + size)))


def write_images(folder: Path, names: Sequence[str], size: tuple[int, int] = (80, 40)) -> None:
    """Pictures of one colour each."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (40 + 20 * (number % 10), 90, 120)).save(path)


def write_validation(
    folder: Path, truths: dict[str, Any], *, metric: dict[str, Any] | None = None, pictures: bool = True
) -> Path:
    """A config.yml that evaluates on `truths` (image name: text, or list of boxes), with its images; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    if pictures:
        write_images(folder / "images", list(truths))
    lines = [
        format_line(name, truth if isinstance(truth, str) else format_boxes(truth))
        for name, truth in truths.items()
    ]
    (folder / "val.txt").write_text("".join(lines), encoding="utf-8")
    document = {
        "Metric": metric or {"name": "RecMetric"},
        "Eval": {
            "dataset": {
                "data_dir": str(folder / "images"),
                "label_file_list": [str(folder / "val.txt")],
            }
        },
    }
    (folder / "config.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder / "config.yml"


def paddleocr_metric(module: str) -> Any:
    """A module of PaddleOCR's `ppocr.metrics`, without the network code that the package imports."""
    folder = find_ppocr("") / "metrics"
    package = types.ModuleType("paddleocr_metrics")
    package.__path__ = [str(folder)]
    sys.modules.setdefault("paddleocr_metrics", package)
    return importlib.import_module(f"paddleocr_metrics.{module}")
