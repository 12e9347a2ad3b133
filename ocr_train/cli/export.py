"""The command `export`: an inference model that is known to give the checkpoint's answers."""

from __future__ import annotations

import argparse
import re
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.options import add_source, add_trainer, client, output_folder, whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json
from ocr_train.errors import ConfigError, DataError, OcrTrainError

if TYPE_CHECKING:
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
        command=_export,
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


def _export(arguments: argparse.Namespace) -> int:
    from ocr_train.models.source import find_source

    echo = echo_for(arguments)
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
    from ocr_train.models.export.run import ExportOptions, Onnx, export
    from ocr_train.trainer.tools import find_trainer

    target = Path(arguments.out).expanduser().absolute() if arguments.out else default_folder(source)
    images: list[Path] = []
    if not arguments.no_check:
        hint = "--no-check exports without checking."
        images = images_to_check_on(
            source, scratch / "data", arguments.data, arguments.images, echo, hint=hint
        )
    trainer, _ = find_trainer(arguments.trainer_python, arguments.paddleocr)
    for name, before in source.versions.items():
        if name != "python" and trainer.versions.get(name, before) != before:
            echo(f"note: trained with {name} {before}, exported with {trainer.versions[name]}")
    options = ExportOptions(
        images=images,
        seed=SEED,
        onnx=Onnx.REQUIRED if arguments.onnx else Onnx.NO,
        carry=bool(arguments.paddleocr),
    )
    return export(source, target, trainer=trainer, options=options, echo=echo)


def images_to_check_on(
    source: ModelSource, work: Path, data: str, count: int, echo: Echo, *, hint: str = ""
) -> list[Path]:
    """At most `count` images for the check of an exported model: those of `data`, else of the run. Raises `DataError`
    where there is none."""
    from ocr_train.cli.transfer import fetch_for_training
    from ocr_train.models.export.check import choose_images
    from ocr_train.models.validation_data import check_validation_images

    try:
        found = check_validation_images(
            source, client, work, output_folder() / "cache", data=data, fetch=fetch_for_training, echo=echo
        )
    except OcrTrainError as exc:
        problem = f"no images to check the exported model on: {exc.problem}"
        raise type(exc)(problem, hint=f"{exc.hint} {hint}".strip()) from exc
    if not found:
        raise DataError(
            f"there is no image to check {source.description} on.",
            hint=f"--data FOLDER gives some. {hint}".strip(),
        )
    return choose_images(found, count, SEED)


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
    from ocr_train.tracking.mlflow_client import add_to_run

    add_to_run(client(), run_id, tags={TAG: value})
