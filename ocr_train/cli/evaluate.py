"""The command `evaluate`: PaddleOCR's own evaluation of a checkpoint, logged to its run or to one linked to it."""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.options import add_source, add_trainer, client, output_folder
from ocr_train.cli.output import Commands, add_json, echo_for, give_json
from ocr_train.errors import ConfigError

if TYPE_CHECKING:
    from ocr_train.models.evaluate import EvaluationResult
    from ocr_train.models.source import ModelSource
    from ocr_train.models.validation_data import ValidationData
    from ocr_train.run import Echo


def add_commands(commands: Commands) -> None:
    """Add `evaluate`."""
    parser = commands.add_parser(
        "evaluate",
        command=_evaluate,
        help="a checkpoint's metrics on its own validation data, or on other data",
        description="Evaluate a checkpoint with PaddleOCR's eval.py. On the run's own data (the same digest) the metrics "
        "go to the run as evaluate/..., at the checkpoint's step; on other data to a new run that names it.",
    )
    add_source(parser)
    parser.add_argument(
        "--data",
        default="",
        help="a folder or s3://bucket/prefix with label files and images; of data without a validation set every "
        "sample counts (default: the run's own)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="read the images one by one, too, and write to this folder what a run has in evaluation/: tables and plots "
        "of what is read well and what is not; of texts also the character error rates",
    )
    parser.add_argument("--new-run", action="store_true", help="log to a run of its own in any case")
    parser.add_argument("--no-log", action="store_true", help="only print the metrics: nothing is logged")
    parser.add_argument("--gpus", default="auto", help="auto, cpu, or the number of one GPU (default: auto)")
    add_trainer(parser)
    add_json(parser)


def _evaluate(arguments: argparse.Namespace) -> int:
    from ocr_train.cli.transfer import fetch_for_training
    from ocr_train.models.evaluate import evaluate, with_analysis
    from ocr_train.models.source import find_source
    from ocr_train.models.validation_data import find_validation_data
    from ocr_train.trainer.tools import find_trainer

    echo = echo_for(arguments)
    gpus = _gpus(arguments.gpus)
    with tempfile.TemporaryDirectory(prefix="ocr-train-evaluate-") as folder:
        scratch = Path(folder)
        source = find_source(arguments.model, client, scratch / "model")
        echo(f"model: {source.description}")
        if source.kind != "checkpoint":
            raise ConfigError(
                f"{source.description}: PaddleOCR evaluates checkpoints, not exported models.",
                hint=f"Evaluate its run: {source.run_id}:step {source.step}" if source.run_id else "",
            )
        data = find_validation_data(
            source,
            client,
            scratch / "data",
            output_folder() / "cache",
            data=arguments.data,
            fetch=fetch_for_training,
            echo=echo,
        )
        trainer, device = find_trainer(arguments.trainer_python, arguments.paddleocr, gpus)
        done = evaluate(source, data, trainer=trainer, use_gpu=bool(device.gpus), work=scratch, echo=echo)
        if arguments.out is not None:
            done = with_analysis(done, source, trainer, arguments.out, use_gpu=bool(device.gpus), echo=echo)
        for name, value in done.metrics.items():
            echo(f"  {name:<16} {value:.4f}")
        logged = [] if arguments.no_log else _log(arguments, source, data, done, echo)
    give_json(arguments, _answer(source, data, done, logged))
    return 0


def _answer(
    source: ModelSource, data: ValidationData, done: EvaluationResult, logged: list[str]
) -> dict[str, object]:
    return {
        "run_id": source.run_id,
        "step": source.step,
        "checkpoint_sha256": source.sha256,
        "data": data.origin,
        "dataset_digest": data.digest,
        "own_data": data.own,
        "samples": done.samples,
        "main_metric": done.main_metric,
        "metrics": {
            name: value if math.isfinite(value) else str(value) for name, value in done.metrics.items()
        },
        "seconds": round(done.seconds, 1),
        "logged_to": logged,
    }


def _gpus(text: str) -> str | tuple[int, ...]:
    if text in ("auto", "cpu"):
        return text
    if text.isdecimal():
        return (int(text),)
    raise ConfigError(f"gpus: {text!r} is not one of auto, cpu, or the number of one GPU.")


def _log(
    arguments: argparse.Namespace,
    source: ModelSource,
    data: ValidationData,
    done: EvaluationResult,
    echo: Echo,
) -> list[str]:
    """Log the metrics where they belong; the runs that have them now.

    A run that `mlflow run` made for this is the new run, whatever the data are.
    """
    from ocr_train.tracking.mlflow_client import add_to_run

    metrics = {f"evaluate/{name}": value for name, value in done.metrics.items()}
    logged = []
    if data.own and source.run_id and not arguments.new_run:
        add_to_run(client(), source.run_id, metrics=metrics, step=source.step)
        echo(f"logged to the run {source.run_id} at step {source.step}")
        logged.append(source.run_id)
    if not logged or os.environ.get("MLFLOW_RUN_ID"):
        run_id = _new_run(source, data, done, metrics)
        echo(f"logged to the run {run_id}, which names the evaluated one")
        logged.append(run_id)
    return logged


def _new_run(
    source: ModelSource, data: ValidationData, done: EvaluationResult, metrics: dict[str, float]
) -> str:
    from ocr_train.redaction.dataset_names import data_name
    from ocr_train.tracking.experiments import experiment_name
    from ocr_train.tracking.tracker import Tracker

    name = f"evaluate-{source.name or source.task}-{time.strftime('%m%d-%H%M%S')}"
    tracker = Tracker.start(client(), output_folder(), name=name, experiment=experiment_name(source.task))
    tracker.set_tags(
        {
            "model": source.name,
            "task": source.task,
            "evaluated_run": source.run_id,
            "evaluated_step": source.step,
            "evaluated_sha256": source.sha256,
            "dataset_digest": data.digest,
            "primary_metric": f"evaluate/{done.main_metric}",
        }
    )
    tracker.log_dataset(
        name=data_name(data.origin),
        digest=data.digest,
        source=data.origin,
        profile=f'{{"samples": {data.samples}}}',
    )
    tracker.log_metrics(metrics, step=source.step, time_ms=int(time.time() * 1000))
    log = tracker.folder / done.log.name
    log.write_bytes(done.log.read_bytes())
    tracker.log_output(log)
    tracker.finish("FINISHED")
    return tracker.run_id
