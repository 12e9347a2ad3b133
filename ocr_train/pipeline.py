"""The stages of a training run, in order: device -> data -> resume -> configuration -> trainer -> outcome.

    cli -> train(experiment, parts) -> Summary

Whatever stage ends the run, its status in MLflow says so, with the reason as a tag.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ocr_train import disk, paddle
from ocr_train.compat import Model
from ocr_train.config import Experiment
from ocr_train.data.manifest import write_manifest
from ocr_train.data.prepare import Dataset, Fetch, prepare
from ocr_train.data_check import check_pipeline, require_working
from ocr_train.dispatch import Callback, Dispatcher
from ocr_train.errors import CheckpointLost, OcrTrainError
from ocr_train.events import RunFinished, RunStarted
from ocr_train.follow import STACKS_FILE, LogWatch, follow
from ocr_train.guard import Guard
from ocr_train.heartbeat import Heartbeat
from ocr_train.oom import MemoryWitness
from ocr_train.outcome import FAILED, Outcome, decide, reason_of
from ocr_train.overrides import flatten
from ocr_train.paddle import Device, PaddleOcr
from ocr_train.probe import Facts, interpreter
from ocr_train.process import Child
from ocr_train.resume import ResumePoint
from ocr_train.resume_start import Begun, apply_point, begin, check_fit, find_point, record
from ocr_train.run import Run
from ocr_train.stopping import StopFlag, StopRequested
from ocr_train.storage.backup import Backup
from ocr_train.tracking import CHECKPOINT_BYTES_TAG, PENDING_TAG, Delivered, Tracker

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the pipeline is given: the MLflow client, the trainer's interpreter looked into, who makes
    callbacks, how to fetch, where to speak, and whether to stop."""

    client: Any
    probe: Callable[[], Facts]
    callbacks: Callable[[Tracker], Sequence[Callback]]
    fetch: Fetch
    backup: Callable[[Dataset, str], Backup]
    say: Say
    stop: StopFlag


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the last lines on the terminal are made of."""

    run_id: str
    folder: Path
    outcome: Outcome
    delivered: Delivered
    seconds: float
    last_lines: Sequence[str]
    log: Path
    experiment_id: str
    main_metric: str
    epochs: int
    results: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """Everything that must be known before the trainer starts."""

    run: Run
    argv: Sequence[str]
    env: Mapping[str, str]


def train(experiment: Experiment, output: Path, parts: Parts) -> Summary:
    """Run the whole way; raises `OcrTrainError` for what keeps the trainer from starting."""
    started = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    begun = begin(
        experiment,
        output,
        parts.client,
        parts.say,
        name=run_name(experiment),
        look_at_data=lambda work: _look_at_data(experiment, work, output, parts),
    )
    tracker = begun.tracker
    parts.say(f"run {tracker.run_id} in {tracker.folder}")
    try:
        with Heartbeat(tracker.set_tags) as heart:
            tracker.set_tags(_first_tags(experiment))
            ready = _make_ready(experiment, output, begun, parts)
            with parts.stop.deferred():
                outcome, last_lines, results = _run_trainer(ready, tracker, parts)
                log = tracker.folder / "train.log"
                outcome = _with_lost_checkpoints(outcome, results)
                _log_end(tracker, outcome, last_lines, log, results)
                heart.close()  # before the journal that it writes to
                delivered = tracker.finish(outcome.status)
    except OcrTrainError as exc:
        _end_early(tracker, FAILED, reason_of(exc), str(exc))
        raise
    except StopRequested as exc:
        outcome = decide_stop(exc.number)
        _end_early(tracker, outcome.status, outcome.reason, _paragraph(outcome))
        raise
    except BaseException as exc:
        _end_early(tracker, FAILED, "internal_error", f"{type(exc).__name__}: {exc}")
        raise
    return Summary(
        run_id=tracker.run_id,
        folder=tracker.folder,
        outcome=outcome,
        delivered=delivered,
        seconds=time.monotonic() - started,
        last_lines=last_lines,
        log=log,
        experiment_id=tracker.experiment_id,
        main_metric=experiment.main_metric,
        epochs=experiment.epochs,
        results=results,
    )


def decide_stop(number: int) -> Outcome:
    """The outcome of being asked to stop before the trainer ran."""
    from ocr_train.process import Exit

    return decide(Exit(code=None), stopped_by=number, failure=None, error=None, progressed=False)


def run_name(experiment: Experiment) -> str:
    """A name that says what the run is: model, data and when."""
    data = "demo" if experiment.demo else (Path(experiment.data.rstrip("/")).name or "data")
    resumed = "-resumed" if experiment.resume not in ("", "auto") else ""
    return f"{experiment.name}-{data}{resumed}-{time.strftime('%m%d-%H%M%S')}"


def _first_tags(experiment: Experiment) -> dict[str, str]:
    return {
        "model": experiment.name,
        "task": experiment.task,
        "launch_command": experiment.launch.command(),
        "mlflow.note.content": f"{experiment.description}\n\n    {experiment.launch.command()}",
    }


def _look_at_data(
    experiment: Experiment, work: Path, output: Path, parts: Parts
) -> tuple[Experiment, Dataset]:
    """The data before there is a run, and the experiment with its paths found: both tell which run it is."""
    paddleocr = paddle.find_paddleocr(experiment.paddleocr, parts.probe())
    trainer = paddle.resolve_paths(experiment.trainer, experiment.source, paddleocr)
    experiment = replace(experiment, trainer=trainer)
    return experiment, prepare(experiment, work, output / "cache", fetch=parts.fetch, say=parts.say)


def _make_ready(experiment: Experiment, output: Path, begun: Begun, parts: Parts) -> _Ready:
    tracker = begun.tracker
    python = interpreter(experiment.trainer_python)
    facts = parts.probe()
    paddleocr = paddle.find_paddleocr(experiment.paddleocr, facts)
    device = paddle.choose_device(experiment.gpus, facts)
    parts.say(device.note)
    trainer = paddle.resolve_paths(experiment.trainer, experiment.source, paddleocr)
    experiment = replace(experiment, trainer=trainer)
    cache = output / "cache"
    dataset = begun.dataset or prepare(
        experiment, tracker.folder / "data", cache, fetch=parts.fetch, say=parts.say
    )
    versions = _versions(facts, paddleocr)
    tracker.set_tags(
        {"device": device.name, "dataset_digest": dataset.manifest.digest, "warning": device.warning}
        | {f"version.{name}": version for name, version in versions.items()}
    )
    point = find_point(experiment, dataset, tracker, begun.reopened, parts.say)
    _require_room(experiment, tracker)
    config, plain = _render(experiment, dataset, device, tracker, point, parts.say)
    env = paddle.trainer_env(os.environ, device)
    if point:
        check_fit(
            point,
            Model(
                config=tracker.folder / "config.yml",
                dictionary=dataset.dictionary,
                python=python,
                paddleocr=paddleocr.root,
                env=env,
            ),
            tracker,
            parts.say,
        )
        record(point, plain, experiment, dataset, tracker, versions, parts.say)
    _try_samples(python, paddleocr, tracker, env, parts.say)
    _back_up(experiment, dataset, tracker, parts)
    steps = paddle.steps_per_epoch(config, dataset.train_samples, len(device.gpus))
    run = Run(
        run_id=tracker.run_id,
        folder=tracker.folder,
        model=experiment.name,
        task=experiment.task,
        main_metric=experiment.main_metric,
        epochs=experiment.epochs,
        steps_per_epoch=steps,
        config=tracker.folder / "config.yml",
        dictionary=tracker.folder / "dict.txt" if dataset.dictionary else None,
        step_offset=point.step if point else 0,
        best=point.best if point else None,
        dataset_digest=dataset.manifest.digest,
        gpus=device.gpus,
        keep_last=experiment.keep_last,
        logged_until=begun.reopened.logged_until if begun.reopened else {},
        versions=versions,
    )
    _log_start(experiment, dataset, config, plain, run, begun)
    argv = paddle.trainer_argv(python, paddleocr, run.config, device, log_dir=tracker.folder / "workers")
    return _Ready(run=run, argv=argv, env=env)


def _require_room(experiment: Experiment, tracker: Tracker) -> None:
    """Refuse to start where the disk cannot hold the next two checkpoints, as large as the one to resume from
    or as those of the model's earlier runs."""
    size = disk.size_of(tracker.folder / "resume") or tracker.checkpoint_bytes_of(experiment.name)
    disk.require_room(tracker.folder, size)


def _try_samples(
    python: Path, paddleocr: PaddleOcr, tracker: Tracker, env: Mapping[str, str], say: Say
) -> None:
    """Run PaddleOCR's own data pipeline on a few samples: where all fail, its training would hang for ever."""
    with Guard.start() as guard:
        config = tracker.folder / "config.yml"
        check = check_pipeline(python, paddleocr.root, config, env={**env, **guard.env})
    for note in check.notes:
        say(f"data: {note}")
    if said := require_working(check):
        say(f"data: {said}")
        tracker.set_tags({"data_check": said})


def _back_up(experiment: Experiment, dataset: Dataset, tracker: Tracker, parts: Parts) -> None:
    """Copy the exact dataset to `backup`, once for its digest, and say so in the run."""
    if not experiment.backup:
        return
    kept = parts.backup(dataset, experiment.backup)
    parts.say(str(kept))
    tracker.set_tags({"backup": kept.uri})


def _versions(facts: Facts, paddleocr: PaddleOcr) -> dict[str, str]:
    return {"python": facts.python, "paddle": facts.paddle, "paddleocr": paddleocr.version or "unknown"}


def _render(
    experiment: Experiment,
    dataset: Dataset,
    device: Device,
    tracker: Tracker,
    point: ResumePoint | None,
    say: Say,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The trainer's configuration, on disk as config.yml, with the dictionary copied beside it; and the same as it
    is without a resume."""
    data = paddle.TrainingData(
        images=dataset.images,
        train_labels=(dataset.train,),
        val_labels=(dataset.val,),
        train_samples=dataset.train_samples,
        val_samples=dataset.val_samples,
    )
    config = paddle.render_config(
        experiment.trainer,
        data,
        device,
        save_dir=tracker.folder / "trainer",
        checkpoint=None,
    )
    if dataset.dictionary is not None:
        copy = tracker.folder / "dict.txt"
        shutil.copyfile(dataset.dictionary, copy)
        config["Global"]["character_dict_path"] = str(copy)
    steps = paddle.steps_per_epoch(config, dataset.train_samples, len(device.gpus))
    each_epoch = paddle.evaluate_at_least_once(config, steps, experiment.epochs)
    plain = deepcopy(config)
    resumed = (
        apply_point(config, point, experiment, steps=steps, each_epoch=bool(each_epoch)) if point else ""
    )
    for note in filter(None, (each_epoch, resumed)):
        say(note)
    paddle.write_config(config, tracker.folder / "config.yml")
    return config, plain


def _log_start(
    experiment: Experiment,
    dataset: Dataset,
    config: Mapping[str, Any],
    plain: Mapping[str, Any],
    run: Run,
    begun: Begun,
) -> None:
    """Params, dataset and configuration, before the first step."""
    tracker, before = begun.tracker, begun.reopened
    params = {f"cfg/{key}": value for key, value in flatten(config)}
    if not os.environ.get("MLFLOW_RUN_ID"):  # `mlflow run` logs them itself
        params |= {key: value for key, value in vars(experiment.launch).items() if value}
    # MLflow never changes a param: what a run that goes on was started with stays, param_drift has the rest.
    tracker.log_params(
        {key: value for key, value in params.items() if not before or key not in before.params}
    )
    tracker.log_metrics(
        {
            "data/train_samples": dataset.train_samples,
            "data/val_samples": dataset.val_samples,
            "data/quarantined": dataset.quarantined,
        },
        step=run.step_offset,
        time_ms=int(time.time() * 1000),
    )
    resolved = tracker.folder / "experiment.yaml"
    launch = {key: value for key, value in vars(experiment.launch).items() if value}
    document = {"launch": launch, "task": experiment.task, "paddleocr": dict(plain)}
    resolved.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    manifest = tracker.folder / "data" / "manifest.jsonl"
    write_manifest(dataset.manifest, manifest)
    if before is None or dataset.manifest.digest not in before.digests:
        tracker.log_dataset(
            name=experiment.name + ("-demo" if experiment.demo else ""),
            digest=dataset.manifest.digest,
            source=dataset.source,
            profile=f'{{"train": {dataset.train_samples}, "val": {dataset.val_samples}}}',
        )
    for path, folder in (
        (resolved, "config"),
        (run.config, "config"),
        (manifest, "dataset"),
        *((path, "dataset") for path in dataset.reports),
    ):
        if path.is_file():
            tracker.log_file(path, folder)


def _run_trainer(
    ready: _Ready, tracker: Tracker, parts: Parts
) -> tuple[Outcome, Sequence[str], Mapping[str, Any]]:
    """Run the trainer to its end: what it came to, its last lines, what the callbacks have to say."""
    dispatcher = Dispatcher(parts.callbacks(tracker), report=parts.say)
    watch = LogWatch()
    error: OcrTrainError | None = None
    child: Child | None = None
    witness = MemoryWitness()
    try:
        dispatcher.open(ready.run)
        child = Child.start(ready.argv, env=ready.env, cwd=tracker.folder, log=tracker.folder / "train.log")
        dispatcher.send(RunStarted(run_id=tracker.run_id, pid=child.pid))
        error = follow(
            child,
            dispatcher,
            watch,
            saves=tracker.folder / "trainer",
            folder=tracker.folder,
            stop=parts.stop,
            say=parts.say,
        )
        outcome = decide(
            child.exit,
            stopped_by=parts.stop.number,
            failure=watch.verdict(),
            error=error,
            progressed=watch.progressed,
            kernel=witness.message(),
        )
        finished = RunFinished(status=outcome.status, reason=outcome.reason, time_ms=int(time.time() * 1000))
        with contextlib.suppress(OcrTrainError):  # a callback that failed before; the outcome says so already
            dispatcher.send(finished)
    finally:
        if child is not None:
            child.close()
        witness.close()
        closing = _close(dispatcher, parts.say)
    if dispatcher.disabled:
        tracker.set_tags({"degraded": ", ".join(dispatcher.disabled)})
    if closing is not None and outcome.status == "FINISHED":
        outcome = replace(
            outcome,
            status=FAILED,
            reason=reason_of(closing),
            explanation=closing.problem,
            exit_code=closing.exit_code,
        )
    return outcome, watch.last_lines, dispatcher.results()


def _close(dispatcher: Dispatcher, say: Say) -> OcrTrainError | None:
    try:
        dispatcher.close()
    except OcrTrainError as exc:
        say(exc.problem)
        return exc
    return None


def _with_lost_checkpoints(outcome: Outcome, results: Mapping[str, Any]) -> Outcome:
    """A run that finished but for a checkpoint that is neither stored nor kept has not finished."""
    lost = results.get("lost")
    if not lost or outcome.status != "FINISHED":
        return outcome
    return replace(
        outcome,
        status=FAILED,
        reason="checkpoint_lost",
        explanation=f"the trainer finished, but its checkpoint(s) {', '.join(lost)} could not be kept anywhere.",
        hint="Free space on the disk, or write elsewhere with --output; the other checkpoints are whole.",
        exit_code=CheckpointLost.exit_code,
    )


def _log_end(
    tracker: Tracker, outcome: Outcome, last_lines: Sequence[str], log: Path, results: Mapping[str, Any]
) -> None:
    kept = ", ".join(str(path) for path in results.get("kept", ()))
    tracker.set_tags(
        {
            "failure_reason": outcome.reason,
            "failure_explanation": _paragraph(outcome),
            PENDING_TAG: kept,
            CHECKPOINT_BYTES_TAG: results.get("checkpoint_bytes") or "",
        }
    )
    tail = tracker.folder / "last_lines.txt"
    with contextlib.suppress(OSError):  # a full disk
        tail.write_text("\n".join(last_lines) + "\n", encoding="utf-8")
    for path in (log, tail, tracker.folder / STACKS_FILE):
        if path.exists():
            tracker.log_file(path, "logs")


def _paragraph(outcome: Outcome) -> str:
    """What happened and what to do, for a tag."""
    return f"{outcome.explanation} {outcome.hint}".strip()


def _end_early(tracker: Tracker, status: str, reason: str, explanation: str) -> None:
    tracker.set_tags({"failure_reason": reason, "failure_explanation": explanation})
    tracker.finish(status, timeout_s=10)
