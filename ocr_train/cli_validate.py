"""The command `validate`, and the options about what labels must keep to, which `prepare` has, too."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli_answer import add_json, give_json, guarded, require_apart, say_for, whole_number
from ocr_train.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ocr_train.cli_answer import Commands
    from ocr_train.data.dictionary import Dictionary
    from ocr_train.data.validate import Report, Rules

TASKS = ("det", "rec", "cls")


def add_validate(commands: Commands) -> None:
    """Add `validate`."""
    parser = commands.add_parser(
        "validate",
        help="check label files and images",
        description="Check label files and the images that they name, and say every problem with file and line. "
        "Exit status: 0 clean, 3 problems.",
    )
    parser.add_argument("labels", nargs="+", type=Path, metavar="LABELS", help="PaddleOCR label files")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="the folder that image paths are relative to (default: that of LABELS, or the one above it)",
    )
    add_rules(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a readable summary with pictures")
    parser.add_argument(
        "--quarantine", type=Path, metavar="FILE", help="list the bad lines: place, kind, the line as it was"
    )
    add_json(parser)
    parser.set_defaults(command=guarded(_validate))


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add the task and what its labels must keep to."""
    add = parser.add_argument
    add(
        "--task",
        required=True,
        choices=TASKS,
        help="what the labels are for: detection, recognition, direction",
    )
    add("--dict", type=Path, metavar="FILE", help="recognition: the dictionary, one character a line")
    add("--use-space-char", action="store_true", help="recognition: the model knows the space")
    add(
        "--max-text-length",
        type=whole_number(1),
        metavar="N",
        help="recognition: PaddleOCR drops texts longer than this (25 in most configurations)",
    )
    add(
        "--ctc-steps",
        type=whole_number(1),
        metavar="N",
        help="recognition: output steps of the model; a text needs one a character and one between two equal "
        "ones (25 for CRNN with 100 px)",
    )
    add("--label-list", metavar="0,180", help="direction: the classes that the model knows")
    add("--decode", action="store_true", help="decode every image in full, not only its header")


def refuse_misplaced(arguments: argparse.Namespace) -> None:
    """Raise `ConfigError` for options that mean nothing for the task: they were meant to check something."""
    given = {
        "rec": {
            "--dict": arguments.dict,
            "--use-space-char": arguments.use_space_char,
            "--max-text-length": arguments.max_text_length,
            "--ctc-steps": arguments.ctc_steps,
        },
        "cls": {"--label-list": arguments.label_list},
    }
    for task, options in given.items():
        names = [name for name, value in options.items() if value]
        if names and arguments.task != task:
            raise ConfigError(
                f"{', '.join(names)}: only for --task {task}, and this is --task {arguments.task}.",
                hint="Leave it out, or correct the task.",
            )


def classes(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The classes of `--label-list`; none where any is right."""
    return tuple(name.strip() for name in (arguments.label_list or "").split(",") if name.strip())


def _validate(arguments: argparse.Namespace) -> int:
    from ocr_train.data.listing import LISTED
    from ocr_train.data.quarantine import write_quarantine
    from ocr_train.data.report import write_html
    from ocr_train.data.validate import validate

    refuse_misplaced(arguments)
    _require_files(arguments.labels)
    outputs = [arguments.json, arguments.html, arguments.quarantine]
    require_apart([*arguments.labels, *([arguments.dict] if arguments.dict else [])], outputs)
    rules, dictionary = _rules(arguments)
    images = arguments.images or _images(arguments.labels)
    report = validate(arguments.labels, images, rules, known=dictionary.problems if dictionary else ())
    say = say_for(arguments)
    say(report.summary(LISTED))
    if arguments.quarantine is not None:
        count = write_quarantine(arguments.labels, arguments.quarantine, report.bad_lines)
        say(f"{count} bad lines are listed in {arguments.quarantine}")
    if arguments.html is not None:
        write_html(report, images, arguments.html)
        say(f"readable summary: {arguments.html}")
    give_json(arguments, report.to_json())
    say(_next(report, images))
    return DataError.exit_code if report.errors else 0


def _require_files(labels: Sequence[Path]) -> None:
    """All problems with the paths at once."""
    from ocr_train.cli_answer import require_labels

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
    from ocr_train.data.dictionary import DEFAULT_CHARSET, read_dictionary
    from ocr_train.data.validate import Rules

    read = (
        read_dictionary(arguments.dict, use_space_char=arguments.use_space_char) if arguments.dict else None
    )
    charset = (read.charset if read else DEFAULT_CHARSET) if arguments.task == "rec" else None
    rules = Rules(
        task=arguments.task,
        charset=charset,
        use_space_char=arguments.use_space_char,
        max_text_length=arguments.max_text_length,
        ctc_steps=arguments.ctc_steps,
        lower=arguments.task == "rec" and read is None,
        label_list=classes(arguments),
        decode=arguments.decode,
    )
    return rules, read


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


def _next(report: Report, images: Path) -> str:
    if not report.errors:
        return f"no errors; images are relative to {images}"
    missing = report.counts.get("image_missing", 0)
    if missing and missing >= report.labels:
        return f"no image was found in {images}: name their folder with --images"
    return "mend the lines, or train on the rest with --on-bad-sample quarantine"
