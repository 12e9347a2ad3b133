"""LabelMe's folders: converted to PaddleOCR labels and split."""

from __future__ import annotations

import json
from pathlib import Path

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.data.boxes import read_boxes
from ocr_train.data.checks.validate import Rules
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import run_command
from ocr_train.notebook.configuration import launch_with, parameters
from ocr_train.notebook.data import LabelSet

PAGES = 5


def from_labelme(choices: Choices) -> LabelSet:
    """PaddleOCR labels of the folder LABELME, or of a small one that is drawn; raises `CellStopped`."""
    folder = (
        Path(choices.labelme).expanduser()
        if choices.labelme
        else draw_labelme(choices, choices.work / "labelme")
    )
    out = choices.work / "from_labelme"
    run_command(choices, "convert", "labelme", folder, out, "--overwrite")
    return LabelSet(
        task="det",
        folder=out,
        origin=str(folder),
        files=(out / "Label.txt",),
        images=out,
        rules=Rules(task="det"),
    )


def split_labels(choices: Choices, labels: LabelSet, val: float = 0.2) -> None:
    """Split its label file into train.txt and val.txt beside it, the same way every time; raises `CellStopped`."""
    run_command(choices, "split", labels.files[0], labels.folder, "--val", val, "--overwrite")
    print(f'To train on them: MODEL="det", DATA="{labels.folder}" in the first cell.')


def draw_labelme(choices: Choices, folder: Path) -> Path:
    """A few pages as LabelMe saves them: a JSON file beside each image."""
    demo = load_experiment(launch_with(parameters(choices)), EXPERIMENTS).demo
    pages = choices.work / "labelme_pages"
    make_demo(pages, DemoSpec(task="det", language=demo.language if demo else "en", train=PAGES, val=1))
    folder.mkdir(parents=True, exist_ok=True)
    for line in read_labels(pages / "train.txt"):
        if isinstance(line, LabelLine):
            _write_page(pages / line.image, line.label, folder)
    return folder


def _write_page(image: Path, label: str, folder: Path) -> None:
    from PIL import Image

    with Image.open(image) as picture:
        width, height = picture.size
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {
                "label": box.transcription,
                "points": [list(point) for point in box.points],
                "group_id": None,
                "shape_type": "polygon",
                "flags": {},
            }
            for box in read_boxes(label).boxes
        ],
        "imagePath": image.name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    (folder / image.name).write_bytes(image.read_bytes())
    (folder / f"{image.stem}.json").write_text(
        json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8"
    )
