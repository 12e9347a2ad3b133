"""Commands that make label files of other label files: convert, crop, split."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.label_options import LABEL_CHOICES, add_label_choices, label_choices
from ocr_train.cli.options import add_images_folder, add_split_options, share, whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, require_apart, require_labels
from ocr_train.data.formats.table import FORMATS, PADDLEOCR, all_options, known_format, options_for
from ocr_train.errors import DataError
from ocr_train.run import Echo

if TYPE_CHECKING:
    from ocr_train.data.checks.problems import Problem
    from ocr_train.data.formats.conversion import Conversion


def add_commands(commands: Commands) -> None:
    """Add `convert`, `crop` and `split`."""
    _add_convert(commands)
    _add_crop(commands)
    _add_split(commands)


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files in OUT that have another content"
    )


def add_label_format(parser: argparse.ArgumentParser) -> None:
    """Add which tool made the labels of a folder, and the options of its format that are none of a training."""
    parser.add_argument(
        "--from",
        dest="source_format",
        default="auto",
        choices=("auto", PADDLEOCR, *FORMATS),
        help="the tool that made the labels (default: auto, found from the files)",
    )
    _add_format_options(parser, without=LABEL_CHOICES)


def _add_format_options(parser: argparse.ArgumentParser, without: Sequence[str] = ()) -> None:
    """Add the options of all annotation formats, but for those of these names."""
    for option in all_options():
        if option.name in without:
            continue
        names = ", ".join(name for name, one in FORMATS.items() if option in one.options)
        text = f"{names}: {option.help}"
        if option.choices:
            parser.add_argument(
                option.flag, choices=option.choices, metavar="|".join(option.choices), help=text
            )
        elif option.metavar:
            parser.add_argument(option.flag, metavar=option.metavar, help=text)
        else:
            parser.add_argument(option.flag, action="store_true", help=text)


def format_options(arguments: argparse.Namespace) -> dict[str, object]:
    """What was given for them, by name; `options_for` leaves out what says nothing."""
    return {option.name: getattr(arguments, option.name, None) for option in all_options()}


def _add_convert(commands: Commands) -> None:
    parser = commands.add_parser(
        "convert",
        command=_convert,
        help="another tool's labels to PaddleOCR labels",
        description="Make PaddleOCR labels, with copies of the images, of a folder of another tool: OUT/Label.txt, or "
        "OUT/rec_gt.txt where the tool has texts without boxes. PPOCRLabel: OUT/det/Label.txt and, where rec_gt.txt was "
        "exported, OUT/rec/rec_gt.txt. What cannot be used is listed, and the exit status is then 3.",
    )
    parser.add_argument(
        "format",
        choices=("auto", *FORMATS),
        metavar="FORMAT",
        help=f"the tool: {', '.join(FORMATS)}; auto: found from the files",
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="the folder that the tool worked in")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder for the result")
    parser.add_argument(
        "--skip-unknown",
        action="store_true",
        help="exit status 0, too, where boxes or images cannot be used and are left out",
    )
    _add_format_options(parser)
    _add_overwrite(parser)
    add_json(parser)


def _convert(arguments: argparse.Namespace) -> int:
    echo = echo_for(arguments)
    name = arguments.format
    if name == "auto":
        name = known_format(arguments.source)
        echo(f"format: {FORMATS[name].title}")
    given = options_for(name, format_options(arguments), arguments.source)
    done = FORMATS[name].convert(arguments.source, arguments.out, overwrite=arguments.overwrite, **given)
    _print_problems(echo, done.skipped, done.problems)
    if done.labels != done.rec_labels:
        echo(f"{done.images} images with {done.boxes} boxes: {done.labels}")
    if done.states:
        echo(done.states)
    if done.rec_labels is not None:
        echo(f"{done.crops} crops with text: {done.rec_labels}")
    give_json(arguments, vars(done))
    if not done.images + done.crops:
        raise DataError(
            f"{arguments.source} has no usable sample.", hint="The lines above say what was skipped, and why."
        )
    echo(f"next: {_after_convert(done)}")
    if done.lost and not arguments.skip_unknown:
        raise DataError(
            f"{done.lost} boxes or images of {arguments.source} are not in the result: the lines above say why.",
            hint="Fix them in the tool and convert again, or leave them out: --skip-unknown",
        )
    return 0


def _after_convert(done: Conversion) -> str:
    task, labels = ("det", done.labels) if done.images else ("rec", done.rec_labels)
    return f"python -m ocr_train validate --task {task} {shlex.quote(str(labels))}"


def _print_problems(echo: Echo, skipped: Mapping[str, int], problems: Sequence[Problem]) -> None:
    from ocr_train.data.checks.listing import list_problems
    from ocr_train.data.checks.policy import counts_text

    if skipped:
        echo(f"skipped: {counts_text(skipped)}")
    for line in list_problems(problems):
        echo(f"  {line}")


def _add_crop(commands: Commands) -> None:
    parser = commands.add_parser(
        "crop",
        command=_crop,
        help="detection labels to recognition crops and labels",
        description="Cut every labelled box out as a recognition sample, as PaddleOCR cuts it before it reads: "
        "OUT/crop_img/ and OUT/rec_gt.txt. Ignored boxes (### and *) and boxes without text are left out.",
    )
    parser.add_argument("labels", type=Path, metavar="LABELS", help="a detection label file")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder for the result")
    add_images_folder(parser)
    add_label_choices(parser, ["difficult", "strip"])
    parser.add_argument(
        "--workers", type=whole_number(1), metavar="N", help="threads (default: one for each CPU core)"
    )
    _add_overwrite(parser)
    add_json(parser)


def _crop(arguments: argparse.Namespace) -> int:
    from ocr_train.data.formats.crops import crop

    require_labels(arguments.labels)
    require_apart([arguments.labels], [arguments.out / "rec_gt.txt"])
    if arguments.images is not None and not arguments.images.is_dir():
        raise DataError(f"--images {str(arguments.images)!r} is not a folder.", hint="Check the path.")
    done = crop(
        arguments.labels,
        arguments.out,
        images=arguments.images,
        difficult=label_choices(arguments).difficult,
        strip=arguments.strip,
        workers=arguments.workers or os.cpu_count() or 1,
        overwrite=arguments.overwrite,
    )
    echo = echo_for(arguments)
    _print_problems(echo, done.skipped, done.problems)
    echo(f"{done.crops} crops of {done.pages} pages, {done.turned} of them turned upright: {done.labels}")
    give_json(arguments, vars(done))
    if not done.crops:
        raise DataError(
            f"{arguments.labels} has no usable crop.", hint="The lines above say what was skipped, and why."
        )
    echo(
        f"next: python -m ocr_train split {shlex.quote(str(done.labels))} {shlex.quote(str(arguments.out))} --val 0.2"
    )
    return 0


def _add_split(commands: Commands) -> None:
    parser = commands.add_parser(
        "split",
        command=_split,
        help="one label file to train.txt, val.txt and test.txt",
        description="Split a label file, the same way every time: OUT/train.txt, OUT/val.txt and, with --test, "
        "OUT/test.txt. A page and its crops stay together, and samples that are added later do not move older ones. "
        "Images stay where they are.",
    )
    add = parser.add_argument
    add("labels", type=Path, metavar="LABELS", help="a label file, detection or recognition")
    add("out", type=Path, metavar="OUT", help="the folder for the result")
    add("--val", type=share, required=True, metavar="SHARE", help="share to validate on, such as 0.2")
    add("--test", type=share, default=0.0, metavar="SHARE", help="share to keep for a last test (default: 0)")
    add_images_folder(parser)
    add_label_choices(parser, ["strip"])
    add_split_options(parser)
    add(
        "--earlier",
        type=Path,
        metavar="DIR",
        help="a folder with an earlier split, whose samples stay in their set",
    )
    _add_overwrite(parser)
    add_json(parser)


def _split(arguments: argparse.Namespace) -> int:
    from ocr_train.data.splits.plan import SETS
    from ocr_train.data.splits.split import split_file

    require_labels(arguments.labels)
    require_apart([arguments.labels], [arguments.out / f"{name}.txt" for name in SETS])
    done = split_file(
        arguments.labels,
        arguments.out,
        val=arguments.val,
        test=arguments.test,
        seed=arguments.seed,
        group_by=arguments.group_by,
        earlier=arguments.earlier,
        images=arguments.images,
        strip=arguments.strip,
        overwrite=arguments.overwrite,
    )
    echo = echo_for(arguments)
    for note in done.notes:
        echo(f"note: {note}")
    for name, count in done.samples.items():
        if count or name != "test":
            echo(f"{name:<5} {count} samples: {arguments.out / name}.txt")
    give_json(arguments, {"out": arguments.out, "samples": done.samples, "notes": done.notes})
    echo(_after_split(arguments.labels, arguments.out, outside=done.outside))
    return 0


def _after_split(labels: Path, out: Path, *, outside: bool) -> str:
    """Training needs all images below its folder, which a split into another folder does not give."""
    if not outside:
        return f"next: python -m ocr_train train --model {_model_for(labels)} --data {shlex.quote(str(out))}"
    return (
        f"next: training needs the images below its folder, and these are outside {out}: split into "
        f"{labels.parent}, or use `prepare`, which copies them"
    )


def _model_for(labels: Path) -> str:
    """The model that such labels are for, by the first of them."""
    from ocr_train.data.labels import LabelLine, TableLine, read_labels
    from ocr_train.data.splits.characters import is_detection

    first = [line for line in islice(read_labels(labels), 20) if isinstance(line, LabelLine)]
    if any(isinstance(line, TableLine) for line in first):
        return "YOUR_CONFIG.yml"
    if is_detection(first):
        return "det"
    return "cls" if {line.label.strip() for line in first} <= {"0", "180"} else "rec"
