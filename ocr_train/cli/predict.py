"""The command `predict`: a trained model reads images."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.atomic_files import write_bytes
from ocr_train.cli.output import Commands, print_json, require_apart
from ocr_train.cli.reading import (
    MODEL_HELP,
    add_model_options,
    find_models,
    list_images,
    paddleocr_root,
    require_all_read,
)
from ocr_train.cli.suspects import add_suspect_options, predict_suspects, require_one_of

if TYPE_CHECKING:
    from ocr_train.analysis.predictions import Reading


def add_commands(commands: Commands) -> None:
    """Add `predict`."""
    parser = commands.add_parser(
        "predict",
        command=_predict,
        help="read images with a trained model: boxes and texts as JSON lines and drawn into pictures",
        description="Read images with a run's checkpoint or an exported model, as PaddleOCR's evaluation of that run "
        "would. One JSON line an image on stdout. With --labels: which labels look wrong, as CSV. Exit status: 0, 3 where "
        "an image could not be read.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=MODEL_HELP)
    images = add(
        "images", nargs="+", default=[], type=Path, metavar="IMAGE", help="image files, or folders of them"
    )
    # With --labels there are none; as `*` they would have to stand right behind MODEL, before any option.
    images.required = False
    add("--out", type=Path, metavar="DIR", help="write each image with what was read in it to this folder")
    add("--json", metavar="FILE", help="write the JSON lines to this file instead of stdout")
    add_suspect_options(parser)
    add_model_options(parser)
    add(
        "--timeout-s",
        type=float,
        default=3600,
        metavar="N",
        help="give up after so many seconds, with --labels where none is read for so long (default: 3600)",
    )


def _predict(arguments: argparse.Namespace) -> int:
    from ocr_train.models.inference import read_images
    from ocr_train.trainer.interpreter import interpreter

    require_one_of(arguments)
    if arguments.labels is not None:
        return predict_suspects(arguments)
    images = list_images(arguments.images)
    require_apart(images, [arguments.json])
    python = interpreter(arguments.trainer_python)
    root = paddleocr_root(arguments.paddleocr)
    with tempfile.TemporaryDirectory(prefix="predict-") as work:
        models = find_models(arguments, Path(work), arguments.model)
        readings = read_images(
            models.model.model(python, root),
            images,
            rec=models.rec.model(python, root) if models.rec else None,
            use_gpu=arguments.gpu,
            timeout_s=arguments.timeout_s,
        )
    pictures = _draw(readings, arguments.out) if arguments.out is not None else {}
    _give(
        [_answer(models.task, reading, pictures.get(reading.image)) for reading in readings], arguments.json
    )
    failed = [(reading.image, reading.error) for reading in readings if reading.error]
    require_all_read(failed, len(readings), "The others were read; their answers are complete.")
    return 0


def _draw(readings: Sequence[Reading], folder: Path) -> dict[Path, Path]:
    """The pictures by image; an image that could not be read has none."""
    from ocr_train.models.annotated import draw_reading

    names = _names([reading.image for reading in readings])
    drawn, notes = {}, dict[str, None]()
    for reading, name in zip(readings, names, strict=True):
        if not reading.error:
            if note := draw_reading(reading, folder / name):
                notes[note] = None
            drawn[reading.image] = folder / name
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return drawn


def _names(images: Sequence[Path]) -> Iterator[str]:
    """A name for the picture of each image: its own, with a number where two are called alike."""
    taken: set[str] = set()
    for image in images:
        name, number = f"{image.stem}.png", 1
        # Some file systems know no case.
        while name.lower() in taken:
            number += 1
            name = f"{image.stem}_{number}.png"
        taken.add(name.lower())
        yield name


def _answer(task: str, reading: Reading, picture: Path | None) -> dict[str, Any]:
    """What was read, as JSON has it: only what the task has."""
    names = {
        "det": ("boxes", "scores"),
        "lines": ("lines",),
        "rec": ("text", "score"),
        "cls": ("label", "score"),
    }
    found = asdict(reading)
    for line in found["lines"]:
        if not line["error"]:
            del line["error"]
    answer = {"image": str(reading.image)}
    answer |= {name: found[name] for name in (("error",) if reading.error else names[task])}
    return answer if picture is None else {**answer, "picture": str(picture)}


def _give(answers: Sequence[dict[str, Any]], file: str | None) -> None:
    lines = [json.dumps(answer, ensure_ascii=False) for answer in answers]
    if file is None or file == "-":
        for line in lines:
            print_json(line)
        return
    write_bytes(Path(file), "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
