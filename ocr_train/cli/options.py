"""Options that several commands have, and what stands behind them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ocr_train.config.experiment import EXPERIMENTS, available_models
from ocr_train.config.parameters import HELP, PARAMETERS, Launch, option_name


def add_parameters(parser: argparse._ActionsContainer, names: Sequence[str] = PARAMETERS) -> None:
    """Add the parameters of a training as options of the same names."""
    plain, models = Launch(), ", ".join(available_models(EXPERIMENTS))
    for name in names:
        parser.add_argument(
            option_name(name), default=getattr(plain, name), help=HELP[name].replace("{models}", models)
        )


def launch_of(arguments: argparse.Namespace, names: Sequence[str] = PARAMETERS) -> Launch:
    """The parameters that were given as options."""
    return Launch(**{name: str(getattr(arguments, name)).strip() for name in names})


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


def output_folder(given: str = "") -> Path:
    """Where files of runs are: `given`, else as the environment says."""
    return Path(given or os.environ.get("OCR_TRAIN_OUTPUT") or "outputs").absolute()


@cache
def client() -> Any:
    """The MLflow client, made when something first needs it: a checkpoint on this machine needs none."""
    from ocr_train.tracking.mlflow_client import connect

    return connect()


def add_images_folder(parser: argparse.ArgumentParser) -> None:
    """Add where the images of label files are."""
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="the folder that image paths are relative to (default: that of LABELS, or the one above it)",
    )


def add_split_options(parser: argparse.ArgumentParser) -> None:
    """Add what a split follows from besides the shares."""
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another seed gives another split (default: 0)"
    )
    parser.add_argument(
        "--group-by",
        metavar="REGEX",
        help="keep images in one set whose paths have the same match of this expression, such as "
        r"'([^/]+)_\d+\.jpg$'",
    )


def whole_number(least: int) -> Callable[[str], int]:
    """For argparse: a whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is too small: give at least {least}")
        return value

    return read


def share(text: str) -> float:
    """For argparse: a share of the samples, from 0 to less than 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1, such as 0.2")
    return value
