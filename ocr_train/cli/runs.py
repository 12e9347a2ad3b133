"""The command `runs`: what there is, and how to end what no process tracks any more."""

from __future__ import annotations

import argparse
import datetime
from dataclasses import asdict
from typing import TYPE_CHECKING

from ocr_train.cli.options import whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_train.runs.listing import RunInfo


def add_commands(commands: Commands) -> None:
    """Add `runs`."""
    parser = commands.add_parser(
        "runs",
        command=_runs,
        help="list the runs; --reap: end those that no process tracks any more",
        description="List this project's runs in the MLflow experiment, the newest first.",
    )
    parser.add_argument(
        "--reap",
        action="store_true",
        help="mark RUNNING runs without a heartbeat as KILLED (failure_reason tracker_lost)",
    )
    parser.add_argument(
        "--older-than",
        metavar="MINUTES",
        type=whole_number(1),
        help="how long a run must have been without a heartbeat to be reaped (default: 10; 60 for one that `mlflow "
        "run` has made and whose training never began)",
    )
    parser.add_argument(
        "--limit", metavar="N", type=whole_number(1), default=20, help="how many to list (default: 20)"
    )
    add_json(parser)


def _runs(arguments: argparse.Namespace) -> int:
    from ocr_train.runs import listing
    from ocr_train.tracking.mlflow_client import connect

    echo = echo_for(arguments)
    client = connect()
    reaped: list[str] = []
    if arguments.reap:
        older_than = 60.0 * arguments.older_than if arguments.older_than else None
        for info in listing.lost_runs(client, older_than_s=older_than):
            listing.reap(client, info)
            reaped.append(info.run_id)
            echo(
                f"{info.run_id}: no heartbeat since {_time(info.last_sign)}; marked as KILLED (tracker_lost)"
            )
        if not reaped:
            echo(f"no RUNNING run has been without a heartbeat for {arguments.older_than or 10} minute(s)")
    listed = listing.list_runs(client, limit=arguments.limit)
    if not arguments.reap:
        for line in _table(listed):
            echo(line)
    give_json(arguments, {"runs": [asdict(info) for info in listed], "reaped": reaped})
    return 0


def _table(listed: Sequence[RunInfo]) -> list[str]:
    """Lines for people: a header and one for each run."""
    if not listed:
        return ["no runs yet: `mlflow run . -P model=det` makes one"]
    rows = [("RUN", "NAME", "STATUS", "AGE", "STEP", "BEST", "REASON")]
    for info in listed:
        best = "-" if info.best is None else f"{info.main_metric} {info.best:.4f}"
        step = "-" if info.last_step is None else str(info.last_step)
        rows.append((info.run_id, info.name, info.status, _age(info.age_s), step, best, info.failure_reason))
    return table(rows)


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _time(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
