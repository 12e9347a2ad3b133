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
from ocr_train.cli.options import add_trainer, client
from ocr_train.cli.output import Commands, print_json, require_apart
from ocr_train.data.files.image_files import IMAGE_SUFFIXES
from ocr_train.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ocr_train.analysis.predictions import Reading
    from ocr_train.models.source import ModelSource


def add_commands(commands: Commands) -> None:
    """Add `predict`."""
    parser = commands.add_parser(
        "predict",
        command=_predict,
        help="read images with a trained model: boxes and texts as JSON lines and drawn into pictures",
        description="Read images with a run's checkpoint or an exported model, as PaddleOCR's evaluation of that run "
        "would. One JSON line an image on stdout. Exit status: 0, 3 where an image could not be read.",
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="a run id (its best checkpoint; ID:latest, 'ID:step N'), models:/NAME@ALIAS, s3://..., the path of a "
        "checkpoint or of an exported model's folder",
    )
    add("images", nargs="+", type=Path, metavar="IMAGE", help="image files, or folders of them")
    add(
        "--rec",
        default="",
        metavar="MODEL",
        help="read the text in the boxes, too, with this recognition model",
    )
    add("--out", type=Path, metavar="DIR", help="write each image with what was read in it to this folder")
    add("--json", metavar="FILE", help="write the JSON lines to this file instead of stdout")
    add("--onnx", action="store_true", help="an exported model through its model.onnx")
    add("--gpu", action="store_true", help="use the first GPU (default: the CPU)")
    add_trainer(parser)
    add(
        "--timeout-s",
        type=float,
        default=3600,
        metavar="N",
        help="give up after so many seconds (default: 3600)",
    )


def _predict(arguments: argparse.Namespace) -> int:
    from ocr_train.models.inference import read_images
    from ocr_train.trainer.interpreter import interpreter

    images = _images(arguments.images)
    require_apart(images, [arguments.json])
    python = interpreter(arguments.trainer_python)
    root = _root(arguments.paddleocr)
    with tempfile.TemporaryDirectory(prefix="predict-") as work:
        model, rec = _models(arguments, Path(work))
        readings = read_images(
            model.model(python, root),
            images,
            rec=rec.model(python, root) if rec else None,
            use_gpu=arguments.gpu,
            timeout_s=arguments.timeout_s,
        )
    task = "lines" if rec else model.task
    pictures = _draw(readings, arguments.out) if arguments.out is not None else {}
    _give([_answer(task, reading, pictures.get(reading.image)) for reading in readings], arguments.json)
    failed = [reading for reading in readings if reading.error]
    if failed:
        listed = "\n".join(f"{reading.image}: {reading.error}" for reading in failed[:20])
        raise DataError(
            f"{len(failed)} of {len(readings)} image(s) could not be read:\n{listed}",
            hint="The others were read; their answers are complete.",
        )
    return 0


def _models(arguments: argparse.Namespace, work: Path) -> tuple[ModelSource, ModelSource | None]:
    """The model, and the recognition model beside it where lines of text are wanted; printed on stderr."""
    from ocr_train.models.source import find_source, find_sources

    found = list(find_sources(arguments.model, client, work / "model"))
    if arguments.rec:
        found.append(find_source(arguments.rec, client, work / "rec"))
    if arguments.onnx:
        found = [source.onnx() for source in found]
    for source in found:
        print(f"{source.task}: {source.description}", file=sys.stderr)
    tasks = [source.task for source in found]
    if len(found) > 1 and sorted(tasks) != ["det", "rec"]:
        raise ConfigError(
            f"{' and '.join(tasks)} models do not read pages together.",
            hint="Give a detection model and, with --rec, a recognition model.",
        )
    if len(found) == 1:
        return found[0], None
    found.sort(key=lambda source: source.task)
    return found[0], found[1]


def _root(checkout: str) -> Path:
    """The folder with PaddleOCR's `ppocr`; an empty path means the interpreter's own."""
    if not checkout:
        return Path()
    root = Path(checkout).expanduser().absolute()
    if not (root / "ppocr").is_dir():
        raise ConfigError(
            f"paddleocr {checkout!r} has no ppocr.",
            hint="Give the folder of a PaddleOCR checkout, or nothing.",
        )
    return root


def _images(given: Sequence[Path]) -> list[Path]:
    """The files given, and those in folders given, each once."""
    found: dict[Path, None] = {}
    for path in given:
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(
            one for one in path.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES and one.is_file()
        )
        if not inside:
            raise ConfigError(
                f"there are no images in the folder {str(path)!r}.",
                hint="Name image files, or another folder.",
            )
        found.update(dict.fromkeys(inside))
    return list(found)


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
