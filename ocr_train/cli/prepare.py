"""The command `prepare`: from data wherever and however they are to a folder that training takes as it is."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.convert import add_label_format, format_options
from ocr_train.cli.label_options import add_label_choices, add_rules, label_options
from ocr_train.cli.options import add_split_options, share
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, require_apart, stream_for
from ocr_train.cli.transfer import fetch_exactly
from ocr_train.config.data_sources import require_one_source
from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.settings import TASKS
from ocr_train.run import Echo

if TYPE_CHECKING:
    from ocr_train.data.prepared_folder import PreparedFolder, PrepareOptions


def add_commands(commands: Commands) -> None:
    """Add `prepare`."""
    parser = commands.add_parser(
        "prepare",
        command=_prepare,
        help="fetch, convert, check and split data into a folder to train on",
        description="Bring data into a folder that `train --data DIR` takes as it is: fetched from S3, converted "
        "from another tool's labels, checked, split, with copies of the images and a manifest. The same data give "
        "the same digest on any machine and in any folder.",
    )
    add = parser.add_argument
    add(
        "--data",
        required=True,
        metavar="DIR|s3://...",
        help="the folder, archive or S3 address with labels and images",
    )
    add(
        "--out", required=True, type=Path, metavar="DIR", help="a new folder, or one that was prepared before"
    )
    add_rules(parser)
    add_label_format(parser)
    add_label_choices(parser)
    add(
        "--val",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="share to validate on, where the data do not say (default: 0.2; 0: none)",
    )
    add_split_options(parser)
    add(
        "--on-bad-sample",
        default="stop",
        choices=("stop", "quarantine"),
        help="stop at bad samples with the list of them, or continue without them (default: stop)",
    )
    add(
        "--link",
        action="store_true",
        help="hard-link images of a local folder: no space, but an edit of one then changes both",
    )
    add("--overwrite", action="store_true", help="replace an earlier prepared set with other content")
    add_json(parser)


def _prepare(arguments: argparse.Namespace) -> int:
    from ocr_train.data.prepared_folder import prepare_folder

    options = _options(arguments)
    if arguments.dict is not None:
        require_apart([arguments.dict], [arguments.out / "dict.txt", arguments.json])
    echo, stream = echo_for(arguments), stream_for(arguments)

    def fetch(uri: str, folder: Path, echo: Echo) -> Path:
        return fetch_exactly(uri, folder, echo, stream)

    done = prepare_folder(options, arguments.out, fetch=fetch, echo=echo)
    _print_prepared(echo, done, arguments)
    give_json(arguments, {"source": arguments.data, "task": arguments.task, **vars(done)})
    return 0


def _options(arguments: argparse.Namespace) -> PrepareOptions:
    from ocr_train.data.prepared_folder import PrepareOptions

    if not arguments.data.strip():
        raise ConfigError("--data is empty.", hint="Give a folder or s3://bucket/prefix.")
    require_one_source(
        arguments.data,
        "--data",
        "Prepare each into a folder of its own, and give `train` all of them: --data 'DIR1 1.0, DIR2 0.2'.",
    )
    asked = label_options(arguments)
    return PrepareOptions(
        data=arguments.data,
        task=arguments.task,
        source_format=arguments.source_format,
        format_options=format_options(arguments),
        choices=asked.choices,
        dictionary=asked.dictionary,
        model_dictionary=asked.model_dictionary,
        use_space_char=asked.use_space_char,
        rules=asked.rules,
        val=arguments.val,
        seed=arguments.seed,
        group_by=arguments.group_by,
        on_bad_sample=arguments.on_bad_sample,
        link=arguments.link,
        overwrite=arguments.overwrite,
    )


def _print_prepared(echo: Echo, done: PreparedFolder, arguments: argparse.Namespace) -> None:
    from ocr_train.data.checks.duplicates import KEEP

    for note in done.notes:
        echo(f"note: {note}")
    if done.quarantined:
        echo(f"quarantine: {done.quarantined} bad samples are left out: {done.folder / 'quarantine.tsv'}")
    echo(f"{done.train} samples to train on, {done.val} to validate on")
    echo(
        f"{done.images} images in {done.folder}: {done.written} written, {done.kept} already there, "
        f"{done.removed} removed"
    )
    echo(f"report: {done.folder / 'report.html'}")
    echo(f"digest: {done.digest}")
    # There is no experiment of this name for tables and KIE.
    model = arguments.model or (arguments.task if arguments.task in TASKS else "YOUR_CONFIG.yml")
    echo(
        f"next: python -m ocr_train train --model {shlex.quote(str(model))} --data {shlex.quote(str(done.folder))}"
        # Without it the training would stop at what was kept here.
        f"{' --leaks keep' if arguments.leaks == KEEP and done.counts.get('leak') else ''}"
    )
