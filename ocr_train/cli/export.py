"""The command `export`: an inference model that is known to give the checkpoint's answers."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.cli.output import add_json, give_json, guarded, say_for, whole_number
from ocr_train.errors import ConfigError, DataError, OcrTrainError

if TYPE_CHECKING:
    from ocr_train.cli.output import Commands
    from ocr_train.models.export.run import Exported
    from ocr_train.models.source import ModelSource
    from ocr_train.run import Echo

IMAGES = 32
SEED = 0
TAG = "exported"


def add_commands(commands: Commands) -> None:
    """Add `export`."""
    parser = commands.add_parser(
        "export",
        help="an inference model of a checkpoint, checked to give the same answers",
        description="Export a checkpoint with PaddleOCR's export_model.py, and check on validation images that the "
        "exported model gives the checkpoint's answers: boxes within a pixel, texts equal. Where it does not, "
        "there is no model: exit code 6, and the folder is left as NAME.failed.",
    )
    add_source(parser)
    parser.add_argument(
        "--out", metavar="DIR", help="a new folder for the model (default: below outputs/exported)"
    )
    parser.add_switch("--onnx", help="model.onnx too, checked the same way")
    parser.add_argument(
        "--data",
        default="",
        help="images to check on, with or without labels: a folder, one image, s3://bucket/prefix (default: the run's "
        "validation images)",
    )
    parser.add_argument(
        "--images",
        metavar="N",
        type=whole_number(1),
        default=IMAGES,
        help=f"how many images to check on (default: {IMAGES})",
    )
    parser.add_argument("--no-check", action="store_true", help="do not check; model.json records that")
    parser.add_argument("--log", action="store_true", help="store the folder as the run's artifact export/")
    add_trainer(parser)
    add_json(parser)
    parser.set_defaults(command=guarded(_export))


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add what is to be worked on."""
    parser.add_argument(
        "model",
        metavar="RUN|CHECKPOINT",
        help="a run id (its best checkpoint; ID:latest, 'ID:step N'), runs:/..., s3://..., or a checkpoint's path",
    )


def add_trainer(parser: argparse.ArgumentParser) -> None:
    """Add which PaddleOCR does it, in which interpreter."""
    parser.add_argument(
        "--trainer-python", default="", help="the Python interpreter with PaddleOCR; empty: this one"
    )
    parser.add_argument("--paddleocr", default="", help="a PaddleOCR checkout; empty: the installed package")


def output_folder() -> Path:
    """Where files of runs go."""
    return Path(os.environ.get("OCR_TRAIN_OUTPUT") or "outputs").absolute()


@cache
def client() -> Any:
    """The MLflow client, made when something first needs it: a checkpoint on this machine needs none."""
    from ocr_train.tracking.mlflow_client import connect

    return connect()


def _export(arguments: argparse.Namespace) -> int:
    from ocr_train.models.source import find_source

    echo = say_for(arguments)
    client.cache_clear()
    with tempfile.TemporaryDirectory(prefix="ocr-train-export-") as scratch:
        source = find_source(arguments.model, client, Path(scratch) / "model")
        echo(f"model: {source.description}")
        if arguments.log and not source.run_id:
            raise ConfigError(f"{source.description} does not belong to a run: --log has no run to log to.")
        try:
            exported = _make(arguments, source, Path(scratch), echo)
        except OcrTrainError as exc:
            if arguments.log:
                _tag(source.run_id, f"failed: {exc.problem}")
            raise
    echo(f"exported to {exported.folder}")
    if arguments.log:
        _log(exported, source.run_id, echo)
    echo(
        f"use it: python -m ocr_train predict {shlex.quote(str(exported.folder))} IMAGE.jpg   (README.md there says more)"
    )
    give_json(arguments, {"folder": exported.folder, **exported.model})
    return 0


def _make(arguments: argparse.Namespace, source: ModelSource, scratch: Path, echo: Echo) -> Exported:
    from ocr_train.models.export.check import choose_images
    from ocr_train.models.export.run import ExportOptions, export
    from ocr_train.trainer.tools import find_trainer

    target = Path(arguments.out).expanduser().absolute() if arguments.out else default_folder(source)
    images: list[Path] = []
    if not arguments.no_check:
        images = choose_images(_images(arguments, source, scratch, echo), arguments.images, SEED)
    trainer, _ = find_trainer(arguments.trainer_python, arguments.paddleocr)
    for name, before in source.versions.items():
        if name != "python" and trainer.versions.get(name, before) != before:
            echo(f"note: trained with {name} {before}, exported with {trainer.versions[name]}")
    options = ExportOptions(images=images, seed=SEED, onnx=arguments.onnx, carry=bool(arguments.paddleocr))
    return export(source, target, trainer=trainer, options=options, echo=echo)


def _images(arguments: argparse.Namespace, source: ModelSource, scratch: Path, echo: Echo) -> list[Path]:
    from ocr_train.cli.transfer import fetch_for_training
    from ocr_train.models.validation_data import check_validation_images

    work, store = scratch / "data", output_folder() / "cache"
    try:
        found = check_validation_images(
            source, client, work, store, data=arguments.data, fetch=fetch_for_training, echo=echo
        )
    except OcrTrainError as exc:
        hint = f"{exc.hint} --no-check exports without checking.".strip()
        raise type(exc)(f"no images to check the exported model on: {exc.problem}", hint=hint) from exc
    if not found:
        raise DataError(
            "there is no image to check on.", hint="--data FOLDER gives some, --no-check skips it."
        )
    return found


def default_folder(source: ModelSource) -> Path:
    """outputs/exported/<model>-<run>-step_N: another checkpoint has another name."""
    name = re.sub(r"[^\w.-]+", "_", source.name or source.task or "model")
    return (
        output_folder() / "exported" / f"{name}-{(source.run_id or source.sha256)[:8]}-step_{source.step:08d}"
    )


def _log(exported: Exported, run_id: str, echo: Echo) -> None:
    """Store the folder as artifact export/ of the run, each file read back and compared."""
    from ocr_train.tracking.artifacts import RunArtifacts, upload_verified

    artifacts = RunArtifacts(client(), run_id)
    for path in sorted(path for path in exported.folder.rglob("*") if path.is_file()):
        inside = path.relative_to(exported.folder).parent.as_posix()
        upload_verified(artifacts, path, "export" if inside == "." else f"export/{inside}")
    _tag(run_id, "agrees" if exported.checked else "not checked")
    echo(f"stored as runs:/{run_id}/export")


def _tag(run_id: str, value: str) -> None:
    from ocr_train.tracking.run_additions import add_to_run

    add_to_run(client(), run_id, tags={TAG: value})
