"""The command `validate`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.label_options import add_label_choices, add_rules, label_options
from ocr_train.cli.options import add_images_folder
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, require_apart, require_labels
from ocr_train.errors import DataError
from ocr_train.run import Echo

if TYPE_CHECKING:
    from ocr_train.data.checks.validate import Rules
    from ocr_train.data.checks.validation_report import ValidationReport
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
    add_label_choices(parser, ["normalize", "difficult", "placeholders", "leaks", "empty_pages", "strip"])
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a readable summary with pictures")
    parser.add_argument(
        "--quarantine", type=Path, metavar="FILE", help="list the bad lines: place, kind, the line as it was"
    )
    add_json(parser)


def _validate(arguments: argparse.Namespace) -> int:
    from ocr_train.data.checks.listing import LISTED
    from ocr_train.data.checks.policy import write_quarantine
    from ocr_train.data.checks.report import write_html
    from ocr_train.data.checks.validate import validate
    from ocr_train.data.files.image_paths import paths_of
    from ocr_train.data.layout import validation_files
    from ocr_train.data.table_files import table_images

    echo = echo_for(arguments)
    _require_files(arguments.labels)
    rules, dictionary = _rules(arguments, echo)
    outputs = [arguments.json, arguments.html, arguments.quarantine]
    require_apart([*arguments.labels, *([arguments.dict] if arguments.dict else [])], outputs)
    images = arguments.images or (table_images(arguments.labels) if arguments.task == "table" else None)
    paths = paths_of(arguments.labels, images, rules.choices.strip)
    if paths.strip and not rules.choices.strip:
        echo(f"image paths begin with {paths.strip!r}, which is left out")
    report = validate(
        arguments.labels,
        paths,
        rules,
        held=validation_files(arguments.labels),
        known=dictionary.problems if dictionary else (),
    )
    echo(report.summary(LISTED))
    if arguments.quarantine is not None:
        count = write_quarantine(arguments.labels, arguments.quarantine, report.bad_lines)
        echo(f"{count} bad lines are listed in {arguments.quarantine}")
    if arguments.html is not None:
        write_html(report, paths.root, arguments.html)
        echo(f"readable summary: {arguments.html}")
    give_json(arguments, report.to_json())
    echo(_next(report, paths.root))
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


def _rules(arguments: argparse.Namespace, echo: Echo) -> tuple[Rules, Dictionary | None]:
    """The rules and the dictionary, found as `prepare` and a training find it."""
    from ocr_train.data.dictionary import first_dictionary, read_dictionary, say_dictionary
    from ocr_train.data.layout import find_dictionary

    asked = label_options(arguments)
    if arguments.task != "rec":
        return asked.rules(None), None
    folder = arguments.labels[0].absolute().parent
    path = first_dictionary(
        named=asked.dictionary, beside=find_dictionary(folder, folder.parent), model=asked.model_dictionary
    )
    read = read_dictionary(path, use_space_char=asked.use_space_char) if path else None
    rules = asked.rules(read)
    echo(say_dictionary(path, rules.charset))
    return rules, read


def _next(report: ValidationReport, images: Path) -> str:
    from ocr_train.data.checks.policy import common_trouble

    if not report.errors:
        return f"no errors; images are relative to {images}"
    missing = report.counts.get("image_missing", 0)
    if missing and missing >= report.labels:
        return f"no image was found in {images}: name their folder with --images"
    if common := common_trouble(report):
        return common
    if not report.bad_lines:
        return "fix these first: they are no single lines"
    return "fix the lines, or train on the rest with --on-bad-sample quarantine"
