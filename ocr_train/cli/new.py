"""The command `new`: a folder of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocr_train.cli.output import Commands, add_json, echo_for, give_json
from ocr_train.starter.folder import LANGUAGES, make_new_folder


def add_commands(commands: Commands) -> None:
    """Add `new`."""
    parser = commands.add_parser(
        "new",
        command=_new,
        help="a folder of your own: an experiment, a place for data, a notebook",
        description="Make a folder with an experiment of your own, a place for your images and labels with a page on "
        "their format, and a notebook. Its README has the commands that come next. A folder that has something in it "
        "is left as it is (exit status 2).",
    )
    parser.add_argument(
        "name", metavar="NAME", type=Path, help="the new folder; its last part names the runs"
    )
    parser.add_argument(
        "--task", default="det", choices=("det", "rec"), help="det finds text, rec reads it (default: det)"
    )
    parser.add_argument(
        "--language", default="en", choices=LANGUAGES, help="the language of the texts (default: en)"
    )
    add_json(parser)


def _new(arguments: argparse.Namespace) -> int:
    made = make_new_folder(arguments.name, task=arguments.task, language=arguments.language)
    echo = echo_for(arguments)
    echo(f"made {made.folder}: {', '.join(made.files)}")
    echo("")
    echo("try it on a demo set, which is drawn:")
    echo(f"  {made.try_it}")
    echo("or put your images and labels into data/ (data/README.md shows how), check them, and train:")
    echo(f"  {made.check}")
    echo(f"  {made.train}")
    echo(
        f"or open {made.folder / 'training.ipynb'} in Jupyter (`make notebook` in the project's folder starts one)"
    )
    give_json(arguments, vars(made))
    return 0
