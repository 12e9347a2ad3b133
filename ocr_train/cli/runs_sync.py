"""Commands about what runs have left behind: sync, checkpoints."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.cli.options import output_folder, whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, table
from ocr_train.errors import ConfigError, TrackingError
from ocr_train.run import Echo

if TYPE_CHECKING:
    from ocr_train.checkpoints.listing import ListedCheckpoint
    from ocr_train.runs.sync import Synced
    from ocr_train.tracking.artifacts import FolderArtifacts, RunArtifacts

COLUMNS = ("step", "epoch", "kind", "alias", "size", "whole", "metrics")
_RUN_ID = re.compile(r"(?:runs:/)?([0-9a-f]{32})/?")


def add_commands(commands: Commands) -> None:
    """Add `sync` and `checkpoints`."""
    _add_sync(commands)
    _add_checkpoints(commands)


def _add_sync(commands: Commands) -> None:
    parser = commands.add_parser(
        "sync",
        command=_sync,
        help="send MLflow what it missed: records, files, checkpoints, and complete runs made with offline=true",
        description="Send the MLflow server what it missed of a run, from the run's own folder. A second time "
        "changes nothing. The server is MLFLOW_TRACKING_URI, else the one that the run was started with. "
        "Exit status 8 while something is still pending.",
    )
    parser.add_argument(
        "run", nargs="?", default="", metavar="RUN_DIR", help="a run's folder or id; without it: every one"
    )
    parser.add_switch(
        "--new-run",
        help="create a run again that the server does not know any more, from what is on this machine; without RUN_DIR: "
        "every such run with something pending",
    )
    parser.add_argument(
        "--output", default="", help="folder with the runs (default: $OCR_TRAIN_OUTPUT or ./outputs)"
    )
    add_json(parser)


def _sync(arguments: argparse.Namespace) -> int:
    from ocr_train.runs.sync import runs_to_sync, sync_run
    from ocr_train.tracking.mlflow_client import connect

    echo = echo_for(arguments)
    output = output_folder(arguments.output)
    folders = [_run_folder(arguments.run, output)] if arguments.run else runs_to_sync(output)
    if not folders:
        echo(f"nothing is pending in {output}")
    done = []
    for folder in folders:
        echo(f"{folder}:")
        result = sync_run(folder, connect, echo, new_run=arguments.new_run)
        echo(f"  {_synced_in_words(result)}")
        if result.not_brought:
            echo(f"  only the lost run had, which cannot be sent: {', '.join(result.not_brought)}")
        done.append(result)
    pending = [result for result in done if not result.complete and not result.running]
    give_json(
        arguments,
        {
            "runs": [{**asdict(result), "complete": result.complete} for result in done],
            "pending": len(pending),
        },
    )
    return TrackingError.exit_code if pending else 0


def _run_folder(text: str, output: Path) -> Path:
    """The folder that `text` names: a path, or a run's id below `output`."""
    for folder in (Path(text).expanduser(), output / text):
        if (folder / "run.json").is_file():
            return folder
    raise ConfigError(
        f"{text!r} is not a run's folder, and there is no run of that name in {output}.",
        hint="A run's folder is outputs/<run id>, with a run.json in it.",
    )


def _synced_in_words(result: Synced) -> str:
    if result.running:
        return "this run is still running; it sends its records itself"
    refused = f"; MLflow refused {result.refused} value(s) for good" if result.refused else ""
    if result.complete:
        return f"all of it is in MLflow: run {result.server_run_id}, {result.status}{refused}"
    parts = [f"{result.pending_bytes} bytes of records"] * bool(result.pending_bytes)
    parts += [f"{result.pending_items} file(s) or checkpoint(s)"] * bool(result.pending_items)
    parts += ["the final status"] * (not result.status_set)
    parts = parts or ["whether the server still has the run"]
    return f"still pending: {', '.join(parts)}: {result.error or 'not sent'}{refused}"


def _add_checkpoints(commands: Commands) -> None:
    parser = commands.add_parser(
        "checkpoints",
        command=_checkpoints,
        help="a run's checkpoints: list, verify, prune",
        description="List the checkpoints of a run. --verify reads every artifact back and compares the sums (exit "
        "status 3 where one is damaged). --prune deletes all but the newest N, the best, and what a registered "
        "model, a run that continued from this one or another checkpoint relies on; with --dry-run it only shows which.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's id, or its folder (offline=true)")
    parser.add_argument("--verify", action="store_true", help="read every artifact back and compare the sums")
    parser.add_argument("--prune", action="store_true", help="delete what --keep-last does not keep")
    parser.add_argument(
        "--keep-last", type=whole_number(1), metavar="N", help="how many stay besides the best"
    )
    parser.add_argument("--dry-run", action="store_true", help="with --prune: show it, delete nothing")
    add_json(parser)


def _checkpoints(arguments: argparse.Namespace) -> int:
    from ocr_train.checkpoints.listing import list_checkpoints
    from ocr_train.errors import DataError

    if arguments.prune != bool(arguments.keep_last) or (arguments.dry_run and not arguments.prune):
        raise ConfigError(
            "--prune, --keep-last N and --dry-run belong together.",
            hint="To see what would be deleted: --prune --keep-last N --dry-run.",
        )
    echo = echo_for(arguments)
    artifacts, client = _artifacts_of(arguments.run, output_folder())
    entries = list_checkpoints(artifacts, verify=arguments.verify)
    _print_table(entries, echo)
    pruned = _prune(arguments, artifacts, client, echo) if arguments.prune else {}
    give_json(
        arguments, {"run": arguments.run, "checkpoints": [entry.to_json() for entry in entries], **pruned}
    )
    damaged = [entry for entry in entries if entry.problems]
    for entry in damaged:
        echo(f"{entry.folder}: {'; '.join(entry.problems)}")
    return DataError.exit_code if damaged else 0


def _artifacts_of(text: str, output: Path) -> tuple[RunArtifacts | FolderArtifacts, Any]:
    """Where the run's checkpoints are, and the client (None for a run that is only on this machine)."""
    from ocr_train.tracking.artifacts import FolderArtifacts, RunArtifacts
    from ocr_train.tracking.mlflow_client import connect, get_run
    from ocr_train.tracking.run_folder import ARTIFACTS, read_facts

    match = _RUN_ID.fullmatch(text)
    run_id, uri = (match[1] if match else ""), ""
    for folder in (Path(text).expanduser(), output / run_id) if run_id or text else ():
        facts = read_facts(folder)
        if facts is not None:
            if not facts.server_run_id:
                return FolderArtifacts(folder / ARTIFACTS), None
            run_id, uri = facts.server_run_id, facts.tracking_uri
            break
    if not run_id:
        raise ConfigError(
            f"{text!r} is not a run id, and not a run's folder.", hint="Copy the run id from the MLflow page."
        )
    client = connect(uri)
    get_run(client, run_id)
    return RunArtifacts(client, run_id), client


def _print_table(entries: list[ListedCheckpoint], echo: Echo) -> None:
    if not entries:
        echo("this run has no checkpoint")
        return
    for line in table([COLUMNS, *(entry.row() for entry in entries)]):
        echo(line)


def _prune(
    arguments: argparse.Namespace, artifacts: RunArtifacts | FolderArtifacts, client: Any, echo: Echo
) -> dict[str, Any]:
    from ocr_train.run import Retention
    from ocr_train.runs.retention import Pinned, pinned_by_others, plan_for, prune
    from ocr_train.tracking.artifacts import RunArtifacts

    pinned = pinned_by_others(client, artifacts.run_id) if isinstance(artifacts, RunArtifacts) else Pinned()
    planned = plan_for(artifacts, pinned, Retention(arguments.keep_last))
    for step, reason in planned.keep.items():
        echo(f"step {step} is kept: {reason}")
    steps = [manifest.step for manifest in planned.prune]
    if not arguments.dry_run:
        prune(artifacts, planned.prune)
    for step in steps:
        echo(f"step {step} {'would be deleted' if arguments.dry_run else 'is deleted'}")
    return {
        "kept": {str(step): reason for step, reason in planned.keep.items()},
        "pruned": steps,
        "dry_run": arguments.dry_run,
    }
