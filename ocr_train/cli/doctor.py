"""The command `doctor`: everything that can be checked before a training costs anything."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ocr_train.cli.options import add_parameters, launch_of
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, stream_for
from ocr_train.cli.parser import Parser
from ocr_train.cli.train import open_tracking, remember_secrets
from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.started import this_start
from ocr_train.errors import ConfigError
from ocr_train.live_line import LiveLine
from ocr_train.redaction.redactor import redactor

DEFAULT_STORE = "sqlite:///mlflow.db"
"""Where MLflow keeps runs that nobody named a server for."""


def add_commands(commands: Commands) -> None:
    """Add `doctor`: it takes what `train` takes."""
    parser: Parser = commands.add_parser(
        "doctor",
        command=_doctor,
        help="check everything that a training needs, before it costs anything",
        description="Check what a training with these options needs: interpreter, GPUs, memory, disk, S3, MLflow, data, "
        "weights. All problems at once, each with what to do; nothing is trained, and no run is made. Put it in the place of "
        "`train`: it takes the same options.",
    )
    parser.add_switch(
        "--trial",
        help="true: train a few steps, and say what a step, an epoch and all of it take (and cost, with --hourly-usd)",
    )
    add_json(parser)
    add_parameters(parser)


def _doctor(arguments: argparse.Namespace) -> int:
    from ocr_train.doctor.checkup import Checkup, own_rows
    from ocr_train.doctor.rows import CheckRow, exit_code, problem
    from ocr_train.doctor.table import as_json, row_lines, verdict

    launch = launch_of(arguments)
    stream, echo = stream_for(arguments), echo_for(arguments)
    line = LiveLine(stream, interval_s=30.0, wait_s=30.0)
    width = shutil.get_terminal_size().columns - 1 if stream.isatty() else None
    found: list[CheckRow] = []

    def show(rows: Iterable[CheckRow]) -> None:
        for row in rows:
            found.append(row)
            line.clear()
            for text in row_lines(row, width):
                echo(text)

    uri = this_start().tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if uri:
        os.environ["MLFLOW_TRACKING_URI"] = uri
    remember_secrets(vars(launch))
    checkup = None
    try:
        experiment = load_experiment(launch, EXPERIMENTS)
    except ConfigError as exc:
        show([problem("configuration", exc), *own_rows()])
    else:
        remember_secrets(experiment.trainer)
        checkup = Checkup(
            experiment=experiment,
            output=Path(this_start().output(launch.output or os.environ.get("OCR_TRAIN_OUTPUT", ""))),
            uri=uri or DEFAULT_STORE,
            connect=lambda: open_tracking(launch),
            say=lambda what: line.show(redactor().text(f"looking at {what} ...")),
        )
        show(checkup.rows(trial=arguments.trial))
    line.clear()
    echo(verdict(found))
    give_json(arguments, redactor().mapping(as_json(found, checkup.estimate if checkup else None)))
    return exit_code(found)
