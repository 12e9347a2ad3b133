"""The command `train`: parameters in, the parts put together, the summary out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ocr_train.cli import data as cli_data
from ocr_train.cli.output import guarded
from ocr_train.cli.terminal import detached_output
from ocr_train.config.experiment import EXPERIMENTS, available_models, load_experiment
from ocr_train.config.overrides import parse_overrides
from ocr_train.config.parameters import HELP, PARAMETERS, Launch
from ocr_train.config.started import this_start
from ocr_train.redaction.redactor import OVERRIDES, redactor, remember, secrets_of
from ocr_train.tracking.launched_run import told_to_mlflow_run
from ocr_train.tracking.run_folder import CLEAN_CONFIG
from ocr_train.trainer.interpreter import interpreter, probe
from ocr_train.trainer.stop_signals import StopFlag

if TYPE_CHECKING:
    from callbacks.base import Callback
    from ocr_train.analysis.sample_reader import StartReading
    from ocr_train.cli.output import Commands
    from ocr_train.config.experiment import Experiment
    from ocr_train.data.backup import Backup
    from ocr_train.data.for_training import Dataset
    from ocr_train.tracking.tracker import Tracker
    from ocr_train.training.pipeline import Summary
    from ocr_train.training.setup import TrainingSetup


def add_commands(commands: Commands) -> None:
    """Add `train`."""
    plain = Launch()
    parser = commands.add_parser(
        "train",
        help="train a model: what `mlflow run .` calls",
        description="Train a model, tracked in MLflow. Precedence: experiment file < options < overrides.",
    )
    models = ", ".join(available_models(EXPERIMENTS))
    for name in PARAMETERS:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            default=getattr(plain, name),
            help=HELP[name].replace("{models}", models),
        )
    parser.set_defaults(command=guarded(_train))


def _train(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    launch = Launch(**{name: str(getattr(arguments, name)).strip() for name in PARAMETERS})
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        os.environ["MLFLOW_TRACKING_URI"] = this_start().tracking_uri(uri)
    stop = StopFlag()
    with stop.installed(), told_to_mlflow_run(lambda: _connect(launch)):
        _remember_secrets(vars(launch))
        experiment = load_experiment(launch, EXPERIMENTS)
        _remember_secrets(experiment.trainer)
        # Looking into the trainer's interpreter and loading MLflow take seconds each: at the same time.
        looking = ThreadPoolExecutor(1, thread_name_prefix="probe").submit(
            probe, interpreter(experiment.trainer_python)
        )
        from ocr_train.training.pipeline import train
        from ocr_train.training.setup import Services

        output = this_start().output(launch.output or os.environ.get("OCR_TRAIN_OUTPUT", ""))
        client = _connect(launch)
        parts = Services(
            client=client,
            probe=looking.result,
            callbacks=lambda tracker, ready: _callbacks(tracker, ready, experiment, started),
            fetch=cli_data.fetch_for_training,
            backup=_back_up,
            echo=echo,
            stop=stop,
            started=started,
        )
        with detached_output():
            summary = train(experiment, output, parts)
        _print_summary(summary, launch)
    return summary.outcome.exit_code


def _connect(launch: Launch) -> Any:
    """MLflow's client, or what stands in for it where no server is asked."""
    if launch.offline.lower() == "true":
        from ocr_train.runs.offline import OfflineClient

        return OfflineClient()
    from ocr_train.tracking import tracker

    return tracker.connect()


def _remember_secrets(settings: Mapping[str, object]) -> None:
    """Whatever prints them later, in whatever way: they are secret in this process from now on."""
    values, _ = parse_overrides(str(settings.get(OVERRIDES) or ""))
    remember(secrets_of("", {**settings, OVERRIDES: values}))


def _back_up(dataset: Dataset, target: str) -> Backup:
    from ocr_train.cli.transfer_progress import TransferProgress
    from ocr_train.data.backup import backup

    shown = TransferProgress("backup", sys.stdout)
    try:
        return backup(
            dataset.manifest,
            images=dataset.images,
            labels={"train": dataset.train, "val": dataset.val},
            source_uri=dataset.source,
            target=target,
            on_progress=shown,
        )
    finally:
        shown.done()


def _callbacks(
    tracker: Tracker, ready: TrainingSetup, experiment: Experiment, started: float
) -> Sequence[Callback]:
    """In the order in which they see events: checkpoints are copied before anything else happens."""
    from callbacks.checkpoints import CheckpointCallback
    from callbacks.learning_rate import LearningRateCallback
    from callbacks.metrics import MetricsCallback
    from callbacks.progress import ProgressCallback
    from callbacks.samples import SampleCallback
    from callbacks.system import SystemMetricsCallback
    from callbacks.time_use import TimeUseCallback
    from callbacks.watchdog import WatchdogCallback
    from ocr_train.checkpoints.store import CheckpointStore
    from ocr_train.run import Run
    from ocr_train.runs.retention import Pinned, pinned_by_others, plan_for, prune

    def make_store(run: Run) -> CheckpointStore:
        common = [run.folder / CLEAN_CONFIG] + ([run.dictionary] if run.dictionary else [])
        return CheckpointStore(
            tracker,
            model=run.model,
            dataset_digest=run.dataset_digest,
            versions=run.versions,
            common=common,
        )

    def retain(run: Run, store: CheckpointStore) -> None:
        pinned = Pinned() if tracker.offline else pinned_by_others(tracker.client, tracker.run_id)
        going = plan_for(tracker.artifacts, pinned, keep_last=run.keep_last or 1).prune
        for folder in prune(tracker.artifacts, going):
            store.forget(folder)

    return [
        CheckpointCallback(make_store, echo, retain=retain, patience_s=tracker.patience_s),
        MetricsCallback(tracker),
        SystemMetricsCallback(tracker),
        TimeUseCallback(tracker, started=started, hourly_usd=experiment.hourly_usd),
        LearningRateCallback(),
        ProgressCallback(sys.stdout),
        SampleCallback(
            tracker,
            _reading_with(ready),
            echo,
            images=experiment.sample_images if (ready.paddleocr.root / "ppocr").is_dir() else 0,
        ),
        WatchdogCallback(stall_timeout_s=experiment.stall_timeout_s, nan_windows=experiment.nan_windows),
    ]


def _reading_with(ready: TrainingSetup) -> StartReading:
    """How samples are read beside the training: on the CPU, on one thread, whenever nobody else wants it."""
    from ocr_train.models.inference import CHECKPOINT, Model, ReadingProcess

    env = {**ready.env, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}

    def start(prefix: Path, config: Path, images: Sequence[Path]) -> ReadingProcess:
        model = Model(
            kind=CHECKPOINT,
            path=prefix,
            config=config,
            python=ready.python,
            root=ready.paddleocr.root,
            env=env,
        )
        return ReadingProcess.start(model, images, nice=19)

    return start


def _print_summary(summary: Summary, launch: Launch) -> None:
    from ocr_train.training.summary import summary_lines

    if summary.outcome.status == "FAILED":
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
