"""The command line: arguments in, composition of the parts, exit status out. The only `sys.exit` is here."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from ocr_train.cli import (
    compare,
    convert,
    data,
    dictionary,
    doctor,
    draw,
    evaluate,
    export,
    kubernetes,
    label,
    models,
    new,
    predict,
    prepare,
    runs,
    runs_sync,
    sagemaker,
    select,
    sweep,
    train,
    transfer,
    tune,
    turn,
    validate,
)
from ocr_train.cli.options import client
from ocr_train.cli.parser import Parser, WrongUsage
from ocr_train.cli.train import echo
from ocr_train.cluster.failure_file import note_failure
from ocr_train.disk import refused
from ocr_train.errors import ConfigError, OcrTrainError
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.launched_run import end_mlflow_run
from ocr_train.tracking.mlflow_client import connect
from ocr_train.trainer.stop_signals import StopRequested

COMMANDS = (
    *(new, doctor, tune, prepare, validate, dictionary, turn, convert, transfer, data, draw),
    *(runs, runs_sync, evaluate, export, models, predict, label, select, compare),
    *(sweep, sagemaker, kubernetes),
)
"""Who adds commands, in the order of `--help`, after `train` and `server`."""


_TERMINAL = "_OCR_TRAIN_TERMINAL"
"""From a process to itself in UTF-8 mode: the encoding of its output."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the status that DESIGN.md fixes."""
    if argv is None:
        _require_utf8_names()
    terminal = os.environ.pop(_TERMINAL, None)
    # Thai on a terminal that knows only ASCII is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=terminal, errors="backslashreplace")
    sys.excepthook = _print_unforeseen
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def _require_utf8_names() -> None:
    """Start again in Python's UTF-8 mode where the locale has file names in another encoding: a Thai name could neither
    be written into a label file nor be handed to a server. The terminal keeps its own encoding."""
    if sys.getfilesystemencoding().lower().replace("-", "") == "utf8" or os.environ.get("PYTHONUTF8") == "1":
        return
    env = {**os.environ, "PYTHONUTF8": "1", _TERMINAL: sys.stdout.encoding if sys.stdout else "ascii"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)  # noqa: S606 - our own words, no shell


def run(argv: Sequence[str]) -> int:
    """Run one command; its exit status. Errors that a user can fix end as one paragraph on stderr."""
    client.cache_clear()
    try:
        arguments = make_parser().parse_args(argv)
    except WrongUsage as exc:
        if argv[:1] == ["train"]:
            end_mlflow_run(connect, ConfigError(exc.problem))
        raise
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except OcrTrainError as exc:
        return _report(exc)
    except StopRequested as exc:
        echo(f"\nstopped by {exc}", sys.stderr)
        return 128 + exc.number
    except KeyboardInterrupt:
        echo("\nstopped", sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `... | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as exc:
        # The parts report what they expect to go wrong; this is the rest, such as a folder where a file is to be.
        return _report(refused(exc))


def _report(error: OcrTrainError) -> int:
    note_failure(error.problem, error.hint)
    echo(f"\nerror: {error.problem}", sys.stderr)
    if error.hint:
        echo(error.hint, sys.stderr)
    return error.exit_code


def _print_unforeseen(kind: type[BaseException], exc: BaseException, trace: TracebackType | None) -> None:
    """Python's own traceback, without credentials: other libraries' errors quote addresses and settings."""
    note_failure(f"{kind.__name__}: {exc}", "This is an error of ocr_train: the log has its traceback.")
    print(redactor().log("".join(traceback.format_exception(kind, exc, trace))), file=sys.stderr, end="")


def make_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="python -m ocr_train",
        description="Train PaddleOCR from labelled images, tracked in MLflow, resumable from any checkpoint.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    train.add_commands(commands)
    _add_server(commands)
    for part in COMMANDS:
        part.add_commands(commands)
    return parser


def _add_server(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "server",
        command=_server,
        help="an S3 server and an MLflow server on this machine",
        description="Start an S3 server and an MLflow server on loopback, with that S3 as artifact store.",
    )
    parser.add_argument("--dir", default="server", help="the folder that keeps both (default: ./server)")
    parser.add_argument("--s3-port", type=int, default=0, help="port of the S3 server (default: a free one)")
    parser.add_argument(
        "--mlflow-port", type=int, default=5000, help="port of the MLflow server (default: 5000)"
    )


def _server(arguments: argparse.Namespace) -> int:
    from ocr_train.server.serve import serve

    folder = Path(arguments.dir)
    return serve(folder, s3_port=arguments.s3_port, mlflow_port=arguments.mlflow_port, echo=echo)
