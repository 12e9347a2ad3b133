"""The command `sagemaker entry`: what the container of a training job runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ocr_train.cli.output import Commands
from ocr_train.errors import OcrTrainError


def add_commands(commands: Commands) -> None:
    """Add `entry`."""
    parser = commands.add_parser(
        "entry",
        command=_entry,
        help="what the container of a training job runs",
        description="Train as the files below /opt/ml say: hyperparameters are parameters of `train`, the channel `train` "
        "is its data. The entry point of the image; SageMaker starts it.",
    )
    parser.add_argument("--root", default="/opt/ml", help="a folder laid out like /opt/ml (default: /opt/ml)")
    # SageMaker starts an image without an entry point of its own as `docker run IMAGE train`.
    parser.add_argument("command_word", nargs="?", choices=["train"], help=argparse.SUPPRESS)


def _entry(arguments: argparse.Namespace) -> int:
    from ocr_train.cli.train import echo
    from ocr_train.cluster.failure_file import write_failure
    from ocr_train.cluster.sagemaker.contract import Places
    from ocr_train.cluster.sagemaker.entry import Surroundings, run_job

    root = Path(arguments.root).absolute()
    try:
        return run_job(root, Surroundings(environ=dict(os.environ), echo=echo))
    except OcrTrainError as exc:
        if Places(root=root).config.is_dir():
            write_failure(Places(root=root).failure, f"{exc.problem}\n{exc.hint}")
        raise
