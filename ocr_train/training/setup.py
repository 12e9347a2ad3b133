"""Everything before the trainer starts: device -> data -> resume -> configuration -> what MLflow is told of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ocr_train import disk
from ocr_train.config import epoch_steps
from ocr_train.config.experiment import EXPERIMENTS, Experiment
from ocr_train.config.overrides import flatten, get_key, set_key
from ocr_train.config.started import this_start
from ocr_train.data.for_training import Dataset, prepare
from ocr_train.data.manifest import write_manifest
from ocr_train.errors import OcrTrainError
from ocr_train.redaction.redactor import redactor
from ocr_train.resume.resolve import ResumePoint
from ocr_train.resume.start import StartedRun, apply_point, check_start, find_point, lay_schedule, record
from ocr_train.run import STEPS_METRIC, Echo, Retention, Run
from ocr_train.tracking.launched_secrets import say_exposed
from ocr_train.tracking.run_folder import CLEAN_CONFIG
from ocr_train.tracking.tracker import Tracker, get_run
from ocr_train.trainer import paddleocr as paddle
from ocr_train.trainer.configurations import require_own_words
from ocr_train.trainer.imports import TRAINING, require_packages
from ocr_train.trainer.interpreter import Facts, interpreter
from ocr_train.trainer.paddleocr import Device, PaddleOcr
from ocr_train.trainer.pipeline_check import check_pipeline, require_working
from ocr_train.trainer.tools import Trainer
from ocr_train.training.services import Services, TrainingSetup
from ocr_train.weights.compatibility import ModelToTrain
from ocr_train.weights.start import fetch_named


def run_name(experiment: Experiment) -> str:
    """A name that says what the run is: model, data and when."""
    shown = redactor().text(experiment.data)
    data = "demo" if experiment.demo else (Path(shown.rstrip("/")).name or "data")
    resumed = "-resumed" if experiment.resume not in ("", "auto") else ""
    return f"{experiment.name}-{data}{resumed}-{time.strftime('%m%d-%H%M%S')}"


def first_tags(experiment: Experiment) -> dict[str, str]:
    """What a run can be found and told apart by, before anything is known of its data."""
    return {
        "model": experiment.name,
        "task": experiment.task,
        "primary_metric": f"best/{experiment.main_metric}",
        "hourly_usd": "" if experiment.hourly_usd is None else f"{experiment.hourly_usd:g}",
        "git_commit": paddle.git_version(EXPERIMENTS.parent),
        "launch_command": _command(experiment),
        "mlflow.note.content": _description(experiment),
    }


def _description(experiment: Experiment) -> str:
    """Markdown for MLflow's page. Not a block of code: a long line of one makes the page wider than the window."""
    return f"{experiment.description}\n\nLaunched with: `{_command(experiment).replace('`', chr(39))}`"


def _command(experiment: Experiment) -> str:
    return this_start().train(experiment.launch.without_secrets(redactor().value))


def say_exposed_params(tracker: Tracker, echo: Echo) -> None:
    """Warn of credentials in the params that `mlflow run` has logged of this launch."""
    launched_as = os.environ.get("MLFLOW_RUN_ID", "")
    if not launched_as or tracker.offline:
        return
    with contextlib.suppress(OcrTrainError):
        if said := say_exposed(get_run(tracker.client, launched_as).data.params):
            echo(said)


def look_at_data(
    experiment: Experiment, work: Path, output: Path, services: Services
) -> tuple[Experiment, Dataset]:
    """The data before there is a run, and the experiment with its paths found: both tell which run it is."""
    paddleocr = _find_paddleocr(experiment, services.probe())
    experiment = _resolved(experiment, paddleocr)
    return experiment, prepare(experiment, work, output / "cache", fetch=services.fetch, echo=services.echo)


def _find_paddleocr(experiment: Experiment, facts: Facts) -> PaddleOcr:
    """The PaddleOCR to train with; all that its interpreter lacks is said here, before anything is fetched.

    The locked environment is not asked: it has what its own PaddleOCR imports.
    """
    paddleocr = paddle.find_paddleocr(experiment.paddleocr, facts)
    if experiment.paddleocr or experiment.trainer_python:
        kind = str(get_key(experiment.trainer, "Architecture.model_type", ""))
        require_packages(interpreter(experiment.trainer_python), paddleocr.root, TRAINING, model_type=kind)
    return paddleocr


def _resolved(experiment: Experiment, paddleocr: PaddleOcr) -> Experiment:
    """The experiment with its paths found, and without a sampler that this PaddleOCR does not know."""
    require_own_words(experiment.trainer, experiment.source, paddleocr.root)
    trainer = paddle.resolve_paths(experiment.trainer, experiment.source, paddleocr)
    if epoch_steps.sampler_of(trainer) and not epoch_steps.reads_sampler(paddleocr.root):
        del trainer["Train"]["sampler"]
    return replace(experiment, trainer=trainer)


def make_ready(experiment: Experiment, output: Path, begun: StartedRun, services: Services) -> TrainingSetup:
    """Data, checkpoint, configuration and launch, in this order; raises `OcrTrainError` for what stands in the way."""
    tracker = begun.tracker
    python = interpreter(experiment.trainer_python)
    facts = services.probe()
    paddleocr = _find_paddleocr(experiment, facts)
    device = paddle.choose_device(experiment.gpus, facts)
    services.echo(device.note)
    experiment = _resolved(experiment, paddleocr)
    cache = output / "cache"
    # A checkpoint to continue from holds every layer: then nothing else is loaded. With `auto` that is not known yet.
    fresh = not experiment.resume or experiment.weights_only
    fetch = partial(_fetch_weights, experiment, cache, services.echo)
    fetched = fetch() if fresh else {}
    dataset = begun.dataset or prepare(
        experiment, tracker.folder / "data", cache, fetch=services.fetch, echo=services.echo
    )
    versions = _versions(facts, paddleocr)
    _tag_setting(tracker, device, dataset, versions)
    point = find_point(experiment, dataset, tracker, begun.reopened, services.echo)
    if point is None and not fresh:
        fetched = fetch()
    _require_room(experiment, tracker)
    config, plain, steps = _render(experiment, dataset, device, tracker, point, fetched, services.echo)
    env = paddle.trainer_env(os.environ, device)
    model = ModelToTrain(
        config=tracker.folder / "config.yml",
        dictionary=dataset.dictionary,
        python=python,
        paddleocr=paddleocr.root,
        env=env,
    )
    check_start(config, point, model, tracker, services.echo)
    _write(config, tracker)
    if point:
        record(point, plain, experiment, dataset, tracker, versions, services.echo)
        trainer = Trainer(python=python, paddleocr=paddleocr, env=env)
        lay_schedule(point, trainer, model.config, steps, tracker, services.echo)
    _try_samples(model, tracker, services.echo)
    _back_up(experiment, dataset, tracker, services)
    devices = tuple(env["CUDA_VISIBLE_DEVICES"].split(",")) if device.gpus else ()
    run = _run(experiment, dataset, point, begun, steps=steps, gpus=devices, versions=versions)
    _log_start(experiment, dataset, config, plain, run, begun)
    argv = paddle.trainer_argv(python, paddleocr, run.config, device, log_dir=tracker.folder / "workers")
    return TrainingSetup(
        run=run,
        dataset=dataset,
        paddleocr=paddleocr,
        device=device,
        python=python,
        num_workers=get_key(config, "Train.loader.num_workers", None),
        argv=argv,
        env=env,
    )


def _tag_setting(tracker: Tracker, device: Device, dataset: Dataset, versions: Mapping[str, str]) -> None:
    """Say in the run where it trains, on what, and with which versions."""
    tracker.set_tags(
        {"device": device.name, "dataset_digest": dataset.manifest.digest, "warning": device.warning}
        | {f"version.{name}": version for name, version in versions.items()}
    )


def _fetch_weights(experiment: Experiment, cache: Path, echo: Echo) -> Mapping[str, Path]:
    """The weights to start from that are at an address, by their key in the configuration."""
    return fetch_named(experiment.trainer, cache / "weights", echo, whole=not experiment.weights_only)


def _run(
    experiment: Experiment,
    dataset: Dataset,
    point: ResumePoint | None,
    begun: StartedRun,
    *,
    steps: int,
    gpus: tuple[str, ...],
    versions: Mapping[str, str],
) -> Run:
    """What callbacks and checkpoints know of the run; `steps` are those of an epoch."""
    tracker = begun.tracker
    return Run(
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
        epochs_done=point.epoch if point else 0,
        best=point.best if point else None,
        dataset_digest=dataset.manifest.digest,
        retention=Retention(experiment.keep_last or 0),
        logged_until=begun.reopened.logged_until if begun.reopened else {},
        hours_before=begun.reopened.hours if begun.reopened else 0.0,
        gpus=gpus,
        versions=versions,
    )


def _require_room(experiment: Experiment, tracker: Tracker) -> None:
    """Refuse to start where the disk cannot hold the next two checkpoints, as large as the one to resume from
    or as those of the model's earlier runs."""
    size = disk.folder_size(tracker.folder / "resume") or tracker.checkpoint_bytes_of(experiment.name)
    disk.require_room(tracker.folder, size)


def _try_samples(model: ModelToTrain, tracker: Tracker, echo: Echo) -> None:
    """Run PaddleOCR's own data pipeline on a few samples: where all fail, its training would hang forever."""
    check = check_pipeline(model.python, model.paddleocr, model.config, env=model.env)
    for note in check.notes:
        echo(f"data: {note}")
    if said := require_working(check):
        echo(f"data: {said}")
        tracker.set_tags({"data_check": said})


def _back_up(experiment: Experiment, dataset: Dataset, tracker: Tracker, services: Services) -> None:
    """Copy the exact dataset to `backup`, once for its digest, and say so in the run."""
    if not experiment.backup:
        return
    kept = services.backup(dataset, experiment.backup)
    services.echo(str(kept))
    tracker.set_tags({"backup": kept.uri})


def _versions(facts: Facts, paddleocr: PaddleOcr) -> dict[str, str]:
    return {"python": facts.python, "paddle": facts.paddle, "paddleocr": paddleocr.version or "unknown"}


def _render(
    experiment: Experiment,
    dataset: Dataset,
    device: Device,
    tracker: Tracker,
    point: ResumePoint | None,
    fetched: Mapping[str, Path],
    echo: Echo,
) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The trainer's configuration, on disk as config.yml, with the dictionary copied beside it; the same as it is
    without a resume and with the addresses of weights that were `fetched`; and the steps of an epoch."""
    data = paddle.TrainingData(
        images=dataset.images,
        train_labels=tuple(part.path for part in dataset.train_parts),
        val_labels=tuple(part.path for part in dataset.val_parts),
        train_counts=tuple(part.samples for part in dataset.train_parts),
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
    steps = epoch_steps.steps_per_epoch(config, data.train_counts, len(device.gpus))
    each_epoch = paddle.evaluate_at_least_once(config, steps, experiment.epochs)
    plain = deepcopy(config)
    for key, path in fetched.items():
        set_key(config, key, str(path))
    resumed = (
        apply_point(config, point, experiment, steps=steps, each_epoch=bool(each_epoch)) if point else ""
    )
    paddle.evaluate_by_steps(config, steps)
    no_sync = paddle.without_sync_bn(experiment.trainer, config)
    for note in filter(None, (epoch_steps.describe_sampler(config, steps), no_sync, each_epoch, resumed)):
        echo(note)
    _write(config, tracker)
    return config, plain, steps


def _write(config: Mapping[str, Any], tracker: Tracker) -> None:
    """Write config.yml for the trainer, and what is stored of it: the same without credentials."""
    clean = redactor().mapping(config)
    paddle.write_config(clean, tracker.folder / CLEAN_CONFIG)
    paddle.write_config(config, tracker.folder / "config.yml", private=clean != config)


def _log_start(
    experiment: Experiment,
    dataset: Dataset,
    config: Mapping[str, Any],
    plain: Mapping[str, Any],
    run: Run,
    begun: StartedRun,
) -> None:
    """Params, dataset and configuration, before the first step."""
    tracker, before = begun.tracker, begun.reopened
    params = {f"cfg/{key}": value for key, value in flatten(config)}
    # `mlflow run` logs them itself.
    if not os.environ.get("MLFLOW_RUN_ID"):
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
            STEPS_METRIC: run.steps_per_epoch,
        },
        step=run.step_offset,
        time_ms=int(time.time() * 1000),
    )
    resolved = tracker.folder / "experiment.yaml"
    launch = {key: value for key, value in vars(experiment.launch).items() if value}
    document = redactor().mapping({"launch": launch, "task": experiment.task, "paddleocr": plain})
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
        (tracker.folder / CLEAN_CONFIG, "config"),
        (manifest, "dataset"),
        *((path, "dataset") for path in dataset.reports),
    ):
        if path.is_file():
            tracker.log_file(path, folder)
