"""The command `validate`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.label_options import add_label_choices, add_rules, label_options
from ocr_train.cli.options import add_images_folder
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, require_apart, require_labels
from ocr_train.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ocr_train.data.checks.validate import Rules, ValidationReport
    from ocr_train.data.dictionary import Dictionary


def add_commands(commands: Commands) -> None:
    """Add `validate`."""
    parser = commands.add_parser(
        "validate",
        command=_validate,
        help="check label files and images",
        description="Check label files and the images that they name, and list every problem with file and line. "
        "Exit status: 0 clean, 3 problems.",
    )
    parser.add_argument("labels", nargs="+", type=Path, metavar="LABELS", help="PaddleOCR label files")
    add_images_folder(parser)
    add_rules(parser)
    add_label_choices(parser, without=("images", "text_from"))
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a readable summary with pictures")
    parser.add_argument(
        "--quarantine", type=Path, metavar="FILE", help="list the bad lines: place, kind, the line as it was"
    )
    add_json(parser)


def _validate(arguments: argparse.Namespace) -> int:
    from ocr_train.data.checks.policy import LISTED, write_quarantine
    from ocr_train.data.checks.report import write_html
    from ocr_train.data.checks.validate import validate
    from ocr_train.data.layout import validation_files

    rules, dictionary = _rules(arguments)
    _require_files(arguments.labels)
    outputs = [arguments.json, arguments.html, arguments.quarantine]
    require_apart([*arguments.labels, *([arguments.dict] if arguments.dict else [])], outputs)
    images = arguments.images or _images(arguments.labels)
    report = validate(
        arguments.labels,
        images,
        rules,
        held=validation_files(arguments.labels),
        known=dictionary.problems if dictionary else (),
    )
    echo = echo_for(arguments)
    echo(report.summary(LISTED))
    if arguments.quarantine is not None:
        count = write_quarantine(arguments.labels, arguments.quarantine, report.bad_lines)
        echo(f"{count} bad lines are listed in {arguments.quarantine}")
    if arguments.html is not None:
        write_html(report, images, arguments.html)
        echo(f"readable summary: {arguments.html}")
    give_json(arguments, report.to_json())
    echo(_next(report, images))
    return DataError.exit_code if report.errors else 0


def _require_files(labels: Sequence[Path]) -> None:
    """All problems with the paths at once."""
    problems, hints = [], []
    for path in labels:
        try:
            require_labels(path)
        except DataError as exc:
            problems.append(exc.problem)
            hints.append(exc.hint)
    if problems:
        raise DataError("\n".join(problems), hint="\n".join(dict.fromkeys(hints)))


def _rules(arguments: argparse.Namespace) -> tuple[Rules, Dictionary | None]:
    """The rules and the dictionary; a recognition model without one reads 0-9a-z in lower case."""
    from ocr_train.data.dictionary import DEFAULT_CHARSET, read_dictionary

    asked = label_options(arguments)
    path = asked.dictionary or asked.model_dictionary
    if arguments.task == "rec" and path is None:
        return replace(asked.rules(None), charset=DEFAULT_CHARSET, lower=True), None
    read = (
        read_dictionary(path, use_space_char=asked.use_space_char)
        if path and arguments.task == "rec"
        else None
    )
    return asked.rules(read), read


def _images(labels: Sequence[Path]) -> Path:
    """The folder that the paths of all label files are relative to."""
    from ocr_train.data.labels import LabelLine, read_labels
    from ocr_train.data.samples import image_root

    roots: dict[Path, Path] = {}
    for path in labels:
        names = (line.image for line in read_labels(path) if isinstance(line, LabelLine))
        roots.setdefault(image_root(path, names).absolute(), path)
    if len(roots) > 1:
        found = ", ".join(str(root) for root in roots)
        raise ConfigError(
            f"the label files have their images in different folders: {found}.",
            hint="Check them one by one, or name one folder for all with --images.",
        )
    return next(iter(roots))


def _next(report: ValidationReport, images: Path) -> str:
    if not report.errors:
        return f"no errors; images are relative to {images}"
    missing = report.counts.get("image_missing", 0)
    if missing and missing >= report.labels:
        return f"no image was found in {images}: name their folder with --images"
    return "fix the lines, or train on the rest with --on-bad-sample quarantine"
