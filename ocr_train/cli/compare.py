"""The command `compare`: runs side by side on one page."""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path

from ocr_train.cli.options import whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json
from ocr_train.errors import ConfigError
from ocr_train.redaction.redactor import redactor

MOST = 50


def add_commands(commands: Commands) -> None:
    """Add `compare`."""
    parser = commands.add_parser(
        "compare",
        command=_compare,
        help="runs side by side: one HTML page and PNGs",
        description="Compare runs: learning curves on step, epoch, wall time and cost, best and last scores, what "
        "differs, validation images, checkpoints and how to continue from each. One run alone gives a report on it.",
    )
    add = parser.add_argument
    add(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a run's id, the first 6 or more characters of it, or its name; one argument may hold several",
    )
    add(
        "--filter",
        default="",
        metavar="EXPR",
        help='also the runs that match MLflow\'s search syntax: "metrics.`best/hmean` > 0.5"',
    )
    add(
        "--experiment",
        action="append",
        default=[],
        metavar="NAME",
        help="look only in this experiment, by name or id; may be repeated (default: all)",
    )
    add(
        "--limit",
        type=whole_number(1),
        default=20,
        metavar="N",
        help=f"at most N runs (default: 20, up to {MOST})",
    )
    add("--out", default="compare", metavar="DIR", help="where the page and pictures go (default: ./compare)")
    parser.add_switch("--log", help="log the page to MLflow, as a run of its own")
    add_json(parser)


def _compare(arguments: argparse.Namespace) -> int:
    from ocr_train.compare.log import log_comparison, own_run
    from ocr_train.compare.page import images_each
    from ocr_train.compare.plots import load_plotting
    from ocr_train.compare.read import read_runs
    from ocr_train.compare.report import write_report
    from ocr_train.compare.select import select_runs
    from ocr_train.redaction.addresses import without_password
    from ocr_train.tracking.mlflow_client import connect

    echo = echo_for(arguments)
    if arguments.limit > MOST:
        raise ConfigError(
            f"--limit {arguments.limit}: more than {MOST} runs cannot be distinguished on one page.",
            hint="Narrow the --filter, or compare in several pages.",
        )
    client = connect()
    # It takes a second, in which the server is asked already.
    threading.Thread(target=load_plotting, daemon=True).start()
    own = own_run(client, os.environ.get("MLFLOW_RUN_ID", ""))
    chosen = select_runs(
        client,
        arguments.runs,
        filter_string=arguments.filter,
        experiments=arguments.experiment,
        limit=arguments.limit,
        without=own,
    )
    notes = [redactor().text(note) for note in chosen.notes]
    for note in notes:
        echo(note)
    runs = read_runs(
        client, chosen.runs, chosen.experiments, pictures=images_each(len(chosen.runs)), echo=echo
    )
    source = without_password(str(client.tracking_uri))
    report = write_report(runs, Path(arguments.out), notes=notes, source=source, now=time.time())
    for line in report.lines:
        echo(line)
    logged = ""
    if arguments.log:
        logged = log_comparison(
            client,
            runs,
            [report.page, *report.pictures],
            summary="\n".join(report.lines),
            experiment_ids=[run.info.experiment_id for run in chosen.runs],
            run_id=own,
        )
        echo(f"logged to run {logged}, artifact compare/index.html")
    echo(f"the page: {report.page}")
    give_json(
        arguments, {"page": report.page, "pictures": report.pictures, "logged": logged, **report.answer}
    )
    return 0
