"""Everything before the trainer starts: device -> data -> resume -> configuration -> what MLflow is told of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ocr_train import disk
from ocr_train.cluster.addresses import interface_of
from ocr_train.config import epoch_steps
from ocr_train.config.experiment import Experiment
from ocr_train.config.fine_tune import scale_rate
from ocr_train.config.overrides import get_key, set_key
from ocr_train.data.for_training import Dataset, prepare
from ocr_train.data.samples import image_paths
from ocr_train.doctor.before_training import machine_rows
from ocr_train.doctor.rows import WARNING, require_machine
from ocr_train.ocr_engine.settings import TASKS
from ocr_train.redaction.redactor import redactor
from ocr_train.resume.automatic import Waiter
from ocr_train.resume.resolve import ResumePoint, ResumeRequest
from ocr_train.resume.start import (
    StartedRun,
    apply_point,
    check_start,
    find_point,
    lay_schedule,
    record,
)
from ocr_train.run import Echo, Retention, Run
from ocr_train.tracking.run_folder import CLEAN_CONFIG
from ocr_train.tracking.tracker import Tracker, checkpoint_bytes_of
from ocr_train.trainer import paddleocr as paddle
from ocr_train.trainer.configurations import require_own_words
from ocr_train.trainer.device import Device, choose_device, trainer_env
from ocr_train.trainer.fit_to_cpu import fit_to_cpu
from ocr_train.trainer.imports import TRAINING, require_packages
from ocr_train.trainer.interpreter import Facts, interpreter
from ocr_train.trainer.paddleocr import PaddleOcr
from ocr_train.trainer.ranks import fresh_folder
from ocr_train.training.auto_settings import digest_of, taken_over, with_measured
from ocr_train.training.freezing import plan_freezing, script_job
from ocr_train.training.record import log_start, tag_setting, version_tags
from ocr_train.training.sample_check import SampleCheck, try_samples
from ocr_train.training.services import LaunchRequest, Rendered, Services, TrainingSetup
from ocr_train.weights.catalog import ALIASES, NAMED
from ocr_train.weights.compatibility import ModelToTrain
from ocr_train.weights.start import Weights, find_named, named_weights, screen_named

SOME_IMAGES = 32
"""On which an inference model is compared with what is made of it."""


def resume_request(experiment: Experiment, echo: Echo) -> ResumeRequest:
    """What `resume` asks for, before anything is known of the data."""
    return ResumeRequest(
        text=experiment.resume,
        mode=experiment.resume_mode,
        model=experiment.name,
        main_metric=experiment.main_metric,
        epochs=experiment.epochs,
        weights_only=experiment.weights_only,
        offline=experiment.offline,
        own_run_id=os.environ.get("MLFLOW_RUN_ID", ""),
        waiter=Waiter(echo=echo),
    )


def look_at_data(experiment: Experiment, work: Path, output: Path, services: Services) -> tuple[Dataset, str]:
    """The data before there is a run, and the digest of the configuration: both tell which run it is."""
    check_machine(experiment, output, services)
    experiment = _resolved(experiment, _find_paddleocr(experiment, services.probe()))
    dataset = prepare(
        experiment.data_request, work, output / "cache", fetch=services.fetch, echo=services.echo
    )
    return dataset, digest_of(experiment, dataset.dictionary)


def check_machine(experiment: Experiment, output: Path, services: Services) -> int:
    """What can be said of GPUs, memory and disk before anything is fetched; raises `SetupError` with all problems.

    The size of a checkpoint of earlier runs comes back, 0 where there is none: the server is asked once.
    """
    # A machine that another one leads writes no checkpoint, and has no tracking server.
    size = checkpoint_bytes_of(services.client, experiment.name) if services.client else 0
    rows = machine_rows(experiment, services.probe(), output, size)
    for row in rows:
        if row.status == WARNING:
            services.echo(f"WARNING: {row.subject}: {row.found}\n  {row.todo}")
    require_machine(rows)
    return size


def _find_paddleocr(experiment: Experiment, facts: Facts) -> PaddleOcr:
    """The PaddleOCR to train with; all that its interpreter lacks is said here, before anything is fetched.

    The locked environment is not asked: it has what its own PaddleOCR imports for the models that have an experiment here;
    for KIE models it imports more.
    """
    paddleocr = paddle.find_paddleocr(experiment.paddleocr, facts)
    if experiment.paddleocr or experiment.trainer_python or experiment.task not in TASKS:
        kind = str(get_key(experiment.trainer, "Architecture.model_type", ""))
        require_packages(interpreter(experiment.trainer_python), paddleocr.root, TRAINING, model_type=kind)
    return paddleocr


def _resolved(experiment: Experiment, paddleocr: PaddleOcr) -> Experiment:
    """The experiment with its paths found, and without a sampler that this PaddleOCR does not know."""
    require_own_words(experiment.trainer, experiment.source, paddleocr.root)
    trainer = paddle.resolve_paths(experiment.trainer, experiment.source, paddleocr, names=[*NAMED, *ALIASES])
    if epoch_steps.sampler_of(trainer) and not epoch_steps.reads_sampler(paddleocr.root):
        del trainer["Train"]["sampler"]
    return replace(experiment, trainer=trainer)


def set_up(experiment: Experiment, output: Path, started: StartedRun, services: Services) -> TrainingSetup:
    """Data, checkpoint, configuration and launch, in this order; raises `OcrTrainError` for what stands in the way."""
    tracker, echo = started.tracker, services.echo
    size = check_machine(experiment, output, services) if started.dataset is None else None
    launch = launch_request(experiment, services)
    echo(launch.device.note)
    experiment = _resolved(experiment, launch.paddleocr)
    screen_named(experiment.trainer)
    # A checkpoint to continue from holds every layer: then nothing else is loaded. With `auto` that is not known yet.
    fresh = not experiment.resume or experiment.weights_only
    work, cache = tracker.folder / "data", output / "cache"
    find_weights = partial(_find_weights, experiment, cache, launch, echo)
    known = find_weights() if fresh else {}

    dataset = started.dataset or prepare(
        experiment.data_request, work, cache, fetch=services.fetch, echo=echo
    )
    request = _request_on(dataset, experiment, echo)
    tag_setting(tracker, launch, request)

    point = find_point(request, started)
    if point is None and not fresh:
        known = find_weights()
    disk.require_room(tracker.folder, _checkpoint_bytes(experiment, tracker, size))
    experiment = taken_over(experiment, point, dataset, launch.device, tracker, echo)
    quiet = _silent if experiment.automatic else echo
    rendered = _render(experiment, dataset, launch.device, tracker, point, known, quiet)
    model = _model_to_train(tracker, dataset, launch)
    settled = check_start(
        rendered.config, point, model, tracker, echo, known=known, images=lambda: _some_images(dataset)
    )
    _write(rendered.config, tracker)
    samples = try_samples(model, tracker, echo)
    freeze = plan_freezing(experiment, rendered, model, settled, point, tracker)
    if experiment.automatic:
        samples.settle()
        experiment = with_measured(experiment, rendered.config, dataset, launch, freeze, cache, tracker, echo)
        fitted = named_weights(rendered.config)
        rendered = _render(experiment, dataset, launch.device, tracker, point, known, echo)
        _put_in(fitted, rendered, tracker)
        freeze = plan_freezing(experiment, rendered, model, settled, point, tracker)
    if point:
        _resume(point, experiment, rendered, dataset, launch, tracker, echo)
    job = script_job(freeze, launch.device, point, tracker, echo)

    _back_up(experiment, dataset, tracker, services, samples)
    run = _run(experiment, dataset, point, started, rendered.steps_per_epoch, launch)
    log_start(experiment, dataset, rendered, run, started, settled)
    return TrainingSetup(
        run=run,
        dataset=dataset,
        launch=launch,
        settled=settled,
        num_workers=get_key(rendered.config, "Train.loader.num_workers", None),
        script_job=job,
        argv=_argv(run, launch, job, services),
        samples=samples,
        point=point,
    )


def _put_in(fitted: Mapping[str, str], rendered: Rendered, tracker: Tracker) -> None:
    """Name the weights that were made to fit in a configuration that was rendered again."""
    for key, path in fitted.items():
        set_key(rendered.config, key, path)
    _write(rendered.config, tracker)


def _request_on(dataset: Dataset, experiment: Experiment, echo: Echo) -> ResumeRequest:
    """What `resume` asks for, when the data are known."""
    return replace(
        resume_request(experiment, echo),
        dataset_digest=dataset.manifest.digest,
        config_digest=digest_of(experiment, dataset.dictionary),
    )


def _silent(_text: str) -> None:
    """Nobody is told: what there is to say of a configuration that a measurement will change comes after it."""


def _argv(run: Run, launch: LaunchRequest, script_job: Path | None, services: Services) -> Sequence[str]:
    return paddle.trainer_argv(
        launch.python,
        launch.paddleocr,
        run.config,
        launch.device,
        log_dir=fresh_folder(run.folder),
        script_job=script_job,
        rendezvous=services.leader.rendezvous if services.leader else None,
    )


def launch_request(experiment: Experiment, services: Services) -> LaunchRequest:
    """What the trainer is launched with on this machine; raises `SetupError` for what it lacks."""
    facts = services.probe()
    paddleocr = _find_paddleocr(experiment, facts)
    device = choose_device(
        experiment.gpus,
        facts,
        cpus=experiment.cpus,
        nodes=experiment.machines,
    )
    env = trainer_env(os.environ, device)
    if services.address:
        # Gloo would take the address that the host's name has, which is often that of the loopback.
        env.setdefault("GLOO_SOCKET_IFNAME", interface_of(services.address))
    return LaunchRequest(
        python=interpreter(experiment.trainer_python),
        paddleocr=paddleocr,
        device=device,
        env=env,
        versions={
            "python": facts.python,
            "paddle": facts.paddle,
            "paddleocr": paddleocr.version or "unknown",
        },
    )


def _model_to_train(tracker: Tracker, dataset: Dataset, launch: LaunchRequest) -> ModelToTrain:
    return ModelToTrain(
        config=tracker.folder / "config.yml",
        dictionary=dataset.dictionary,
        python=launch.python,
        paddleocr=launch.paddleocr.root,
        env=launch.env,
    )


def _find_weights(
    experiment: Experiment, cache: Path, launch: LaunchRequest, echo: Echo
) -> dict[str, Weights]:
    """The weights to start from that have a name or are at an address, by their key in the configuration."""
    whole = not experiment.weights_only
    return find_named(experiment.trainer, cache / "weights", launch.paddleocr.root, echo, whole=whole)


def _resume(
    point: ResumePoint,
    experiment: Experiment,
    rendered: Rendered,
    dataset: Dataset,
    launch: LaunchRequest,
    tracker: Tracker,
    echo: Echo,
) -> None:
    """Say what has changed since the checkpoint, and let the learning rate go on."""
    facts = {"model": experiment.name, "dataset_digest": dataset.manifest.digest}
    record(point, rendered.plain, facts | version_tags(launch), tracker, echo)
    config = tracker.folder / "config.yml"
    lay_schedule(point, launch.trainer, config, rendered.steps_per_epoch, tracker, echo)


def _some_images(dataset: Dataset) -> list[Path]:
    """A few images to train on."""
    return list(islice(image_paths(dataset.train, dataset.images), SOME_IMAGES))


def _run(
    experiment: Experiment,
    dataset: Dataset,
    point: ResumePoint | None,
    started: StartedRun,
    steps: int,
    launch: LaunchRequest,
) -> Run:
    """What callbacks and checkpoints know of the run; `steps` are those of an epoch."""
    tracker = started.tracker
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
        val_digest=dataset.val_digest,
        retention=Retention(experiment.keep_last or 0),
        logged_until=started.reopened.logged_until if started.reopened else {},
        hours_before=started.reopened.hours if started.reopened else 0.0,
        gpus=launch.visible_gpus,
        versions=launch.versions,
    )


def _checkpoint_bytes(experiment: Experiment, tracker: Tracker, earlier: int | None) -> int:
    """The size of the checkpoint to resume from, else of those of the model's earlier runs, asked for unless it is known;
    0 where there are none."""
    resumed = disk.folder_size(tracker.folder / "resume")
    if resumed or earlier is not None:
        return resumed or earlier or 0
    return checkpoint_bytes_of(tracker.client, experiment.name)


def _back_up(
    experiment: Experiment, dataset: Dataset, tracker: Tracker, services: Services, samples: SampleCheck
) -> None:
    """Copy the exact dataset, if it can be trained on, to `backup`, once for its digest, and say so in the run."""
    if not experiment.backup:
        return
    samples.settle()
    kept = services.backup(dataset, experiment.backup)
    services.echo(str(kept))
    tracker.set_tags({"backup": kept.uri})


def _render(
    experiment: Experiment,
    dataset: Dataset,
    device: Device,
    tracker: Tracker,
    point: ResumePoint | None,
    known: Mapping[str, Weights],
    echo: Echo,
) -> Rendered:
    """The trainer's configuration, on disk as config.yml, with the dictionary copied beside it, to start from `point`
    and from the weights that are `known`."""
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
    steps = epoch_steps.steps_per_epoch(config, data.train_counts, device.processes)
    each_epoch = paddle.evaluate_at_least_once(config, steps, experiment.epochs)
    rate = scale_rate(config, experiment.rate_batch, device.processes)
    fitted = fit_to_cpu(config, device, given=experiment.named_keys)
    plain = deepcopy(config)
    for key, weights in known.items():
        set_key(config, key, str(weights.path))
    resumed = ""
    if point:
        resumed = apply_point(
            config, point, epochs=experiment.epochs, steps=steps, each_epoch=bool(each_epoch)
        )
    paddle.evaluate_by_steps(config, steps)
    no_sync = paddle.without_sync_bn(experiment.trainer, config)
    for note in filter(
        None,
        (
            paddle.describe_batch(config, device),
            fitted,
            *(epoch_steps.describe_sampler(config, steps), no_sync, each_epoch, rate, resumed),
        ),
    ):
        echo(note)
    _write(config, tracker)
    return Rendered(
        config=config,
        plain=plain,
        steps_per_epoch=steps,
        effective_batch=epoch_steps.batch_size(config) * device.processes,
    )


def _write(config: Mapping[str, Any], tracker: Tracker) -> None:
    """Write config.yml for the trainer, and what is stored of it: the same without credentials."""
    clean = redactor().mapping(config)
    paddle.write_config(clean, tracker.folder / CLEAN_CONFIG)
    paddle.write_config(config, tracker.folder / "config.yml", private=clean != config)
