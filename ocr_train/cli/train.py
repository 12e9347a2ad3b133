"""The command `train`: parameters in, the parts put together, the summary out."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ocr_train.cli.options import add_parameters, launch_of
from ocr_train.cli.output import Commands
from ocr_train.cli.terminal import detached_output
from ocr_train.cli.transfer import fetch_for_training, shown
from ocr_train.cluster.failure_file import note_failure
from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.overrides import parse_overrides
from ocr_train.config.parameter_values import truth
from ocr_train.config.parameters import Launch
from ocr_train.config.started import this_start
from ocr_train.errors import OcrTrainError
from ocr_train.redaction.redactor import OVERRIDES, redactor, remember, secrets_of
from ocr_train.tracking.launched_run import mlflow_run_ended_by_failure
from ocr_train.trainer.interpreter import interpreter, probe
from ocr_train.trainer.stop_signals import StopFlag
from ocr_train.trainer.supervision import supervisor_of

if TYPE_CHECKING:
    from ocr_train.cluster.leader import Leader
    from ocr_train.config.experiment import Experiment
    from ocr_train.config.nodes import Nodes
    from ocr_train.data.backup import Backup
    from ocr_train.data.for_training import Dataset
    from ocr_train.training.pipeline import Summary
    from ocr_train.training.services import Services


_M_ARENA_MAX = -8
"""Of glibc's <malloc.h>."""
COPIES = "OCR_TRAIN_CHECKPOINT_COPIES"
"""A second folder that the newest checkpoints are copied to, such as /opt/ml/checkpoints."""


def add_commands(commands: Commands) -> None:
    """Add `train`."""
    parser = commands.add_parser(
        "train",
        command=_train,
        help="train a model: what `mlflow run .` calls",
        description="Train a model, tracked in MLflow. Precedence: experiment file < options < overrides.",
    )
    add_parameters(parser)


def _train(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    use_few_arenas()
    launch = launch_of(arguments)
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        os.environ["MLFLOW_TRACKING_URI"] = this_start().tracking_uri(uri)
    stop = StopFlag()
    with stop.installed(), mlflow_run_ended_by_failure(lambda: open_tracking(launch)):
        remember_secrets(vars(launch))
        experiment = load_experiment(launch, EXPERIMENTS)
        remember_secrets(experiment.trainer)
        # Looking into the trainer's interpreter and loading MLflow take seconds each: at the same time.
        probing = ThreadPoolExecutor(1, thread_name_prefix="probe").submit(
            probe, interpreter(experiment.trainer_python)
        )
        from ocr_train.training.nodes import find_place
        from ocr_train.training.pipeline import train
        from ocr_train.training.services import Services

        output = this_start().output(launch.output or os.environ.get("OCR_TRAIN_OUTPUT", ""))
        addresses, rank = find_place(experiment.nodes) if experiment.nodes else ((), 0)
        services = Services(
            client=open_tracking(launch) if rank == 0 else None,
            probe=probing.result,
            fetch=fetch_for_training,
            backup=_back_up,
            echo=echo,
            stop=stop,
            started=started,
            checkpoint_copies=Path(copies) if (copies := os.environ.get(COPIES, "")) else None,
            supervisor=supervisor_of(os.environ),
            address=addresses[rank] if addresses else "",
        )
        with detached_output():
            if experiment.nodes and rank:
                return _follow(experiment, experiment.nodes, addresses, rank, output, services)
            with _leading(experiment.nodes, addresses) as leader:
                summary = train(experiment, output, replace(services, leader=leader))
        _print_summary(summary, launch)
    return summary.outcome.exit_code


@contextlib.contextmanager
def _leading(nodes: Nodes | None, addresses: Sequence[str]) -> Iterator[Leader | None]:
    """The way to the other machines, which hear of the end whatever it is."""
    if nodes is None:
        yield None
        return
    from ocr_train.cluster.leader import Leader

    leader = Leader(nodes, addresses)
    try:
        yield leader
    except BaseException as exc:
        leader.close("FAILED", exc.problem if isinstance(exc, OcrTrainError) else "it was stopped")
        raise
    finally:
        leader.close("FINISHED", "")


def _follow(
    experiment: Experiment,
    nodes: Nodes,
    addresses: Sequence[str],
    rank: int,
    output: Path,
    services: Services,
) -> int:
    """Take part in a training that another machine leads."""
    from ocr_train.cluster.follower import Follower
    from ocr_train.training.follower import follow_training, node_folder

    folder = node_folder(output, rank)
    echo(f"node {rank} ({addresses[rank]}): looking for node 0 ({addresses[0]}) ...")
    follower = Follower(nodes, addresses, rank, folder / "sent")
    try:
        follow_training(experiment, output, folder, services, follower)
    finally:
        follower.close()
    return 0


def use_few_arenas() -> None:
    """Have glibc keep the memory of all threads in two places, where there is a glibc: each of the many short threads that
    upload would get one of its own, and 15 MB of 250 were only that. Children are as they are without us."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def open_tracking(launch: Launch) -> Any:
    """MLflow's client, or what stands in for it where no server is asked."""
    if truth(launch.offline, "offline", []):
        from ocr_train.runs.offline import OfflineClient

        return OfflineClient()
    from ocr_train.tracking.mlflow_client import connect

    return connect()


def remember_secrets(settings: Mapping[str, object]) -> None:
    """Whatever prints them later, in whatever way: they are secret in this process from now on."""
    values, _ = parse_overrides(str(settings.get(OVERRIDES) or ""))
    remember(secrets_of("", {**settings, OVERRIDES: values}))


def _back_up(dataset: Dataset, target: str) -> Backup:
    from ocr_train.data.backup import backup

    return shown(
        "backup",
        sys.stdout,
        lambda on_progress: backup(
            dataset.manifest,
            images=dataset.images,
            labels=dataset.label_files,
            # What people are told of several sources is no address.
            source_uri="" if dataset.sources else dataset.source,
            target=target,
            parts={one.link: (one.images, one.origin) for one in dataset.sources},
            on_progress=on_progress,
        ),
    )


def _print_summary(summary: Summary, launch: Launch) -> None:
    from ocr_train.training.summary import summary_lines

    if summary.outcome.status == "FAILED":
        note_failure(summary.outcome.explanation, summary.outcome.hint)
        echo("\nthe trainer's last lines:", sys.stderr)
        last = redactor().log("\n".join(summary.last_lines)).splitlines()
        for line in [line for line in last if line.strip()][-15:]:
            echo(f"  | {line}", sys.stderr)
    stream = sys.stdout if summary.outcome.status == "FINISHED" else sys.stderr
    for line in summary_lines(summary, launch, this_start()):
        echo(line, stream)


def echo(text: str, to: TextIO | None = None) -> None:
    """Print a line; a terminal that was closed, or a reader that has gone, ends no training and changes no exit code."""
    try:
        print(redactor().text(text), file=to, flush=True)
    except OSError:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
