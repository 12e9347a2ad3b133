"""Commands to try things with: parse-log, demo-data."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from ocr_train.cli.options import whole_number
from ocr_train.cli.output import Commands, print_json
from ocr_train.errors import DataError
from ocr_train.ocr_engine.settings import TASKS

EVENTS = ("WeightsLoaded", "TrainProgress", "EvalCompleted", "BestUpdated", "CheckpointSaved", "LogLine")


def add_commands(commands: Commands) -> None:
    """Add `parse-log` and `demo-data`."""
    _add_parse_log(commands)
    _add_demo_data(commands)


def _add_parse_log(commands: Commands) -> None:
    parser = commands.add_parser(
        "parse-log",
        command=_parse_log,
        help="a trainer's log as one JSON event a line",
        description="Read a log of PaddleOCR's training, of any version, and print one JSON event a line. A line "
        "of no known kind is a LogLine.",
    )
    parser.add_argument("file", metavar="FILE", help="the log ('-': from stdin)")
    parser.add_argument(
        "--only",
        action="append",
        choices=EVENTS,
        metavar="EVENT",
        help=f"print only these events; may be given several times: {', '.join(EVENTS)}",
    )


def _parse_log(arguments: argparse.Namespace) -> int:
    from ocr_train.trainer.log_parser import parse_lines, to_json

    wanted = set(arguments.only or EVENTS)
    for event in parse_lines(_lines(arguments.file)):
        if type(event).__name__ in wanted:
            print_json(to_json(event))
    return 0


def _lines(name: str) -> Iterator[str]:
    """The log's lines. Carriage returns are kept, since they tell a progress bar's redraws from lines, and bytes
    that are not UTF-8 stop nothing."""
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            yield from (line.decode("utf-8", "replace").rstrip("\n") for line in file)
    except OSError as exc:
        raise DataError(
            f"the log {name!r} cannot be read: {exc.strerror}.",
            hint="Give the file that holds the trainer's output.",
        ) from exc


def _add_demo_data(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo-data",
        command=_demo_data,
        help="draw a small labelled data set",
        description="Draw images with text and their labels, to try everything without your own data. The same "
        "options draw the same images.",
    )
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="a new folder, or one with an earlier demo set"
    )
    parser.add_argument("--task", default="det", choices=TASKS, help="what the labels are for (default: det)")
    parser.add_argument(
        "--language", default="en", choices=("en", "th"), help="the language of the texts (default: en)"
    )
    parser.add_argument(
        "--count",
        type=whole_number(2),
        default=60,
        metavar="N",
        help="images in all, a fifth of them to validate on (default: 60)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed draws other images")


def _demo_data(arguments: argparse.Namespace) -> int:
    from ocr_train.data.demo.demo_set import DemoSpec, make_demo

    val = max(1, arguments.count // 5)
    spec = DemoSpec(
        task=arguments.task,
        language=arguments.language,
        train=arguments.count - val,
        val=val,
        seed=arguments.seed,
    )
    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    make_demo(arguments.folder, spec)
    model = "rec_th" if (arguments.task, arguments.language) == ("rec", "th") else arguments.task
    print(f"drew {spec.train} training and {spec.val} validation images in {arguments.folder}")
    print(f"next: python -m ocr_train train --model {model} --data {shlex.quote(str(arguments.folder))}")
    return 0
