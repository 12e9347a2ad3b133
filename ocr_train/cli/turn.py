"""The command `turn`: recognition crops that are to be read upside down, too."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocr_train.cli.options import share
from ocr_train.cli.output import Commands, add_json, echo_for, give_json


def add_commands(commands: Commands) -> None:
    """Add `turn`."""
    parser = commands.add_parser(
        "turn",
        command=_turn,
        help="recognition data with copies of crops turned by 180 degrees",
        description="Write a folder with the recognition data of DATA and with copies of some training crops turned by "
        "180 degrees, for photographs in which some texts hang upside down. Validation crops stay as they are.",
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="a folder with train.txt, val.txt and images")
    add("out", type=Path, metavar="OUT", help="a new folder, for `train --data OUT`")
    add(
        "--share",
        type=share,
        default=0.4,
        metavar="SHARE",
        help="of so many training crops a copy is turned (default: 0.4)",
    )
    add("--seed", type=int, default=0, metavar="N", help="another seed takes other crops (default: 0)")
    add_json(parser)


def _turn(arguments: argparse.Namespace) -> int:
    from ocr_train.data.turned import turn_folder

    done = turn_folder(arguments.data, arguments.out, share=arguments.share, seed=arguments.seed)
    echo_for(arguments)(
        f"{done.folder}: {done.train} samples to train on and {done.turned} turned copies, {done.val} to validate on"
    )
    give_json(arguments, vars(done))
    return 0
