"""The command line: arguments in, composition of the parts, exit status out. The only `sys.exit` is here."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ocr_train import cli_data, cli_evaluate, cli_export, cli_models, cli_predict, cli_runs, cli_runs_sync
from ocr_train.cli_parser import Parser
from ocr_train.config import EXPERIMENTS, Launch, available_models, load_experiment
from ocr_train.errors import OcrTrainError
from ocr_train.probe import interpreter, probe
from ocr_train.secrets import Redactor
from ocr_train.stopping import StopFlag, StopRequested

if TYPE_CHECKING:
    from callbacks.base import Callback
    from ocr_train.config import Experiment
    from ocr_train.data.prepare import Dataset
    from ocr_train.pipeline import Summary
    from ocr_train.storage.backup import Backup
    from ocr_train.tracking import Tracker

DEFAULT_OUTPUT = "outputs"


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the status that DESIGN.md fixes."""
    for stream in (sys.stdout, sys.stderr):  # Thai on a terminal that knows only ASCII is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def run(argv: Sequence[str]) -> int:
    """Run one command; its exit status. Errors that a user can mend end as one paragraph on stderr."""
    arguments = make_parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except OcrTrainError as exc:
        redact = Redactor(os.environ)
        print(f"\nerror: {redact.text(exc.problem)}", file=sys.stderr)
        if exc.hint:
            print(redact.text(exc.hint), file=sys.stderr)
        return exc.exit_code
    except StopRequested as exc:
        print(f"\nstopped by {exc}", file=sys.stderr)
        return 128 + exc.number
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="python -m ocr_train",
        description="Train PaddleOCR from labelled images, tracked in MLflow, resumable from any checkpoint.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_train(commands)
    _add_server(commands)
    cli_data.add_commands(commands)
    cli_runs.add_commands(commands)
    cli_runs_sync.add_commands(commands)
    cli_evaluate.add_commands(commands)
    cli_export.add_commands(commands)
    cli_models.add_commands(commands)
    cli_predict.add_commands(commands)
    return parser


def _add_train(commands: argparse._SubParsersAction[Parser]) -> None:
    plain = Launch()
    parser = commands.add_parser(
        "train",
        help="train a model: what `mlflow run .` calls",
        description="Train a model, tracked in MLflow. Precedence: experiment file < options < overrides.",
    )
    add = parser.add_argument
    add(
        "--model",
        default=plain.model,
        help=f"one of {', '.join(available_models(EXPERIMENTS))}, or a path to a PaddleOCR configuration file",
    )
    add(
        "--data",
        default="",
        help="a folder or s3://bucket/prefix with label files and images; empty: the demo set",
    )
    add(
        "--resume",
        default="",
        help="a run id (its newest checkpoint; ID:best its best, 'ID:step N'), latest, best, auto (an interrupted run "
        "of the same training, else afresh), runs:/..., models:/..., s3://..., or a path",
    )
    add(
        "--weights-only",
        default="",
        help="true: take only the weights, and count steps and epochs from 0 (fine-tuning)",
    )
    add(
        "--resume-mode",
        default=plain.resume_mode,
        help="new: a run of its own that names the one before (default), or same: that run itself goes on",
    )
    add("--epochs", default="", help="epochs in all, counted from the very beginning")
    add("--batch-size", default="", help="training samples in one step on one device")
    add("--learning-rate", default="", help="the learning rate")
    add(
        "--overrides",
        default="",
        help='PaddleOCR settings: "Global.print_batch_step=5 Train.loader.num_workers=2"',
    )
    add("--gpus", default=plain.gpus, help="auto, cpu, or device numbers such as 0,1")
    add("--seed", default=plain.seed, help="seed of the split, the demo set and the trainer")
    add("--trainer-python", default="", help="the Python interpreter that trains; empty: this one")
    add("--paddleocr", default="", help="a PaddleOCR checkout; empty: the installed package")
    add(
        "--val",
        default=plain.val,
        help="share of the samples to validate on, where no label file is for validation",
    )
    add(
        "--on-bad-sample",
        default=plain.on_bad_sample,
        help="stop, or quarantine: train on the rest and log the list",
    )
    add(
        "--backup",
        default="",
        help="s3://bucket/prefix: copy the exact dataset there before training, once for its digest",
    )
    add(
        "--stall-timeout-s",
        default=plain.stall_timeout_s,
        help="end a training that shows no progress for so many seconds (three times as many before its first "
        "step); 0: never",
    )
    add(
        "--nan-windows",
        default=plain.nan_windows,
        help="end a training after so many progress lines in a row whose loss is NaN or infinite; 0: never",
    )
    add(
        "--offline",
        default=plain.offline,
        help="true: no server is asked; `sync` brings the run to one later",
    )
    add(
        "--keep-last",
        default="",
        help="keep this many checkpoints, and the best; empty: all",
    )
    add("--output", default="", help="folder for files of runs (default: $OCR_TRAIN_OUTPUT or ./outputs)")
    parser.set_defaults(command=_train)


def _train(arguments: argparse.Namespace) -> int:
    launch = Launch(
        **{name: str(getattr(arguments, name)).strip() for name in vars(Launch()) if hasattr(arguments, name)}
    )
    stop = StopFlag()
    with stop.installed():
        experiment = load_experiment(launch, EXPERIMENTS)
        # Looking into the trainer's interpreter and loading MLflow take seconds each: at the same time.
        looking = ThreadPoolExecutor(1, thread_name_prefix="probe").submit(
            probe, interpreter(experiment.trainer_python)
        )
        from ocr_train import tracking
        from ocr_train.offline import OfflineClient
        from ocr_train.pipeline import Parts, train

        output = Path(launch.output or os.environ.get("OCR_TRAIN_OUTPUT") or DEFAULT_OUTPUT).absolute()
        client = OfflineClient() if experiment.offline else tracking.connect()
        parts = Parts(
            client=client,
            probe=looking.result,
            callbacks=lambda tracker: _callbacks(tracker, experiment),
            fetch=cli_data.fetch_for_training,
            backup=_back_up,
            say=_say,
            stop=stop,
        )
        summary = train(experiment, output, parts)
        _print_summary(summary, launch)
    return summary.outcome.exit_code


def _back_up(dataset: Dataset, target: str) -> Backup:
    from ocr_train.storage.backup import backup
    from ocr_train.transfer_progress import TransferProgress

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


def _callbacks(tracker: Tracker, experiment: Experiment) -> Sequence[Callback]:
    """In the order in which they see events: checkpoints are copied before anything else happens."""
    from callbacks.checkpoints import CheckpointCallback
    from callbacks.metrics import MetricsCallback
    from callbacks.progress import ProgressCallback
    from callbacks.system import SystemMetricsCallback
    from callbacks.watchdog import WatchdogCallback
    from ocr_train.checkpoints import CheckpointStore
    from ocr_train.retention import Pinned, pinned_by_registry, plan_for, prune
    from ocr_train.run import Run

    def make_store(run: Run) -> CheckpointStore:
        # Their sums are those of what is stored: credentials leave before they are hashed.
        clean = run.folder / "clean"
        clean.mkdir(exist_ok=True)
        common = [Redactor(os.environ).file(run.config, clean)] + ([run.dictionary] if run.dictionary else [])
        return CheckpointStore(
            tracker,
            model=run.model,
            dataset_digest=run.dataset_digest,
            versions=run.versions,
            common=common,
        )

    def retain(run: Run, store: CheckpointStore) -> None:
        pinned = Pinned() if tracker.offline else pinned_by_registry(tracker.client, tracker.run_id)
        going = plan_for(tracker.artifacts, pinned, keep_last=run.keep_last or 1).prune
        for folder in prune(tracker.artifacts, going):
            store.forget(folder)

    return [
        CheckpointCallback(make_store, _say, retain=retain, patience_s=tracker.patience_s),
        MetricsCallback(tracker),
        SystemMetricsCallback(tracker),
        ProgressCallback(sys.stdout),
        WatchdogCallback(stall_timeout_s=experiment.stall_timeout_s, nan_windows=experiment.nan_windows),
    ]


def _print_summary(summary: Summary, launch: Launch) -> None:
    from ocr_train.summary import summary_lines

    if summary.outcome.status == "FAILED":
        print("\nthe trainer's last lines:", file=sys.stderr)
        for line in [line for line in summary.last_lines if line.strip()][-15:]:
            print(f"  | {Redactor(os.environ).text(line)}", file=sys.stderr)
    stream = sys.stdout if summary.outcome.status == "FINISHED" else sys.stderr
    for line in summary_lines(summary, launch):
        print(Redactor(os.environ).text(line), file=stream)


def _add_server(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "server",
        help="an S3 server and an MLflow server on this machine",
        description="Start an S3 server and an MLflow server on loopback, with that S3 as artifact store.",
    )
    parser.add_argument("--dir", default="server", help="the folder that keeps both (default: ./server)")
    parser.add_argument("--s3-port", type=int, default=0, help="port of the S3 server (default: a free one)")
    parser.add_argument(
        "--mlflow-port", type=int, default=5000, help="port of the MLflow server (default: 5000)"
    )
    parser.set_defaults(command=_server)


def _server(arguments: argparse.Namespace) -> int:
    from ocr_train.server import serve

    return serve(Path(arguments.dir), s3_port=arguments.s3_port, mlflow_port=arguments.mlflow_port, say=_say)


def _say(text: str) -> None:
    """Print a line; a terminal that was closed, or a reader that has gone, does not end a training."""
    try:
        print(Redactor(os.environ).text(text), flush=True)
    except OSError:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
