"""batch_size=auto and num_workers=auto: measured once, when everything else of a training is set up.

    taken_over (a resume: what the run before had) | with_measured (short trainings, or what is remembered of some)

A run that goes on keeps its batch: an epoch of another number of steps would be another training.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_train.config.auto_values import BATCH, LOADER, is_rate_given
from ocr_train.config.epoch_steps import batch_key, samples_per_epoch
from ocr_train.config.experiment import Experiment
from ocr_train.config.overrides import get_key
from ocr_train.config.trainer_settings import RATE, WORKERS, settle_batch, settle_workers
from ocr_train.data.for_training import Dataset
from ocr_train.errors import TrainingFailed
from ocr_train.resume.drift import config_digest
from ocr_train.resume.resolve import ResumePoint
from ocr_train.run import Echo
from ocr_train.tracking.tracker import Tracker
from ocr_train.trainer.device import Device
from ocr_train.trainer.freeze import FreezePlan
from ocr_train.training.freezing import LATER, job_of
from ocr_train.training.services import LaunchRequest
from ocr_train.tuning.decide import Wish, decide, own_setting
from ocr_train.tuning.measurement import Measurement, Setting
from ocr_train.tuning.remembered import Remembered, busy, key_of, recall, remember_setting
from ocr_train.tuning.search import first_batch
from ocr_train.tuning.trial import Bench, workers_of
from ocr_train.weights.compatibility import config_at

LIMIT_S = 90.0
"""So long a training waits for its measurement. What was not measured by then is not chosen."""
_MOST = 1 << 20


def digest_of(experiment: Experiment, dictionary: Path | None) -> str:
    """What two starts of the same training share: not what a measurement came to, only that there was to be one."""
    trainer = dict(experiment.trainer)
    if BATCH in experiment.automatic:
        trainer["automatic"] = BATCH
    return config_digest(trainer, dictionary)


def taken_over(
    experiment: Experiment,
    point: ResumePoint | None,
    dataset: Dataset,
    device: Device,
    tracker: Tracker,
    echo: Echo,
) -> Experiment:
    """On a resume: the experiment with what the run had that it goes on from, as its configuration says. Else, where the
    batch is to be measured, with one to begin with that these data fill."""
    if not experiment.automatic:
        return experiment
    if point is None or point.weights_only:
        return _with_first_batch(experiment, dataset, device)
    before = config_at(point.config)
    shared = device.processes if not device.gpus else 1
    own = Setting(batch=experiment.batch_size, workers=workers_of(experiment.trainer))
    key = batch_key(experiment.trainer)
    batch, workers = (get_key(before, name, None) for name in (key, WORKERS))
    found = Setting(
        batch=batch * shared if isinstance(batch, int) and 1 <= batch <= _MOST else own.batch,
        workers=workers if isinstance(workers, int) and 0 <= workers <= _MOST else own.workers,
    )
    return _settled(experiment, found, device, tracker, echo, how=f"as in {point.source}, not measured again")


def _with_first_batch(experiment: Experiment, dataset: Dataset, device: Device) -> Experiment:
    if BATCH not in experiment.automatic:
        return experiment
    shared = not device.gpus
    own = experiment.batch_size
    first = first_batch(_epoch_samples(experiment.trainer, dataset), own, 1 if shared else device.processes)
    if shared:
        # Processes on the CPU share it evenly.
        first = max(1, first // device.processes) * device.processes
    return experiment if first == own else _with_batch(experiment, first, device)


def _epoch_samples(config: Mapping[str, Any], dataset: Dataset) -> int:
    """The samples that an epoch takes: of each label file its share."""
    return samples_per_epoch(config, [part.samples for part in dataset.train_parts])


def with_measured(
    experiment: Experiment,
    config: Mapping[str, Any],
    dataset: Dataset,
    launch: LaunchRequest,
    freeze: FreezePlan,
    cache: Path,
    tracker: Tracker,
    echo: Echo,
) -> Experiment:
    """The experiment with what short trainings of the rendered `config` found to be fastest on this machine, or what is
    remembered of such. Where nothing can be measured, it is what the experiment has, and that is said."""
    key = key_of(_facts(experiment, dataset, launch, freeze))
    known = recall(cache, key)
    if known is None:
        bench = Bench(
            config=config,
            labels=tuple(part.path for part in dataset.train_parts),
            python=launch.python,
            paddleocr=launch.paddleocr,
            device=launch.device,
            env=launch.env,
            folder=tracker.folder / "tuning",
            job=job_of(freeze, launch.device, done=LATER),
        )
        disturbed = busy()
        if disturbed:
            echo(f"WARNING: {disturbed}")
        try:
            known = _measure(bench, _epoch_samples(config, dataset), experiment.automatic, echo)
        finally:
            shutil.rmtree(bench.folder, ignore_errors=True)
        # The next start may find the machine quiet.
        if known.when and not disturbed:
            remember_setting(cache, key, known.setting)
    else:
        known = replace(known, when=f"measured {known.when} on a machine like this one")
    how = known.when or "what the experiment has, because nothing could be measured"
    return _settled(experiment, known.setting, launch.device, tracker, echo, how=how)


def _measure(bench: Bench, samples: int, names: tuple[str, ...], echo: Echo) -> Remembered:
    """Measure for a while; `when` is empty where that came to nothing."""
    words = " and ".join(names)
    echo(f"{words}: measuring with short trainings, for {LIMIT_S:.0f} s at most ...")

    def show(one: Measurement) -> None:
        said = (
            one.failure or f"{one.samples_per_s:.3g} samples/s, {one.reader_share:.0%} of it waiting for data"
        )
        echo(f"  {one.setting}: {said}")

    wish = Wish(names=names, confirm=False)
    began = time.monotonic()
    try:
        found = decide(bench, samples, wish, deadline=began + LIMIT_S, on_measured=show)
    except TrainingFailed as exc:
        echo(f"  {exc.problem}")
        return Remembered(setting=own_setting(bench), when="")
    good = any(not one.failure for one in found.measurements)
    return Remembered(setting=found.chosen, when=f"measured in {found.took_s:.0f} s" if good else "")


def _settled(
    experiment: Experiment, found: Setting, device: Device, tracker: Tracker, echo: Echo, *, how: str
) -> Experiment:
    """The experiment with the values found; its learning rate is for the batch that it had, unless it is the user's own."""
    said = {}
    if BATCH in experiment.automatic:
        said[BATCH] = found.batch
        if found.batch != experiment.batch_size and get_key(experiment.trainer, RATE, None) is None:
            echo("the rates of this schedule are not scaled to the batch: set them by overrides")
        experiment = _with_batch(experiment, found.batch, device)
    trainer = deepcopy(dict(experiment.trainer))
    if LOADER in experiment.automatic:
        settle_workers(trainer, found.workers, ())
        said[LOADER] = found.workers
    echo(f"auto: {', '.join(f'{name}={value}' for name, value in said.items())} ({how})")
    tracker.set_tags({f"auto/{name}": value for name, value in said.items()} | {"auto/how": how})
    return replace(experiment, trainer=trainer, automatic=())


def _with_batch(experiment: Experiment, batch: int, device: Device) -> Experiment:
    """The experiment with another batch; its learning rate stays that for the batch before, unless it is the user's own."""
    trainer, rate_batch = deepcopy(dict(experiment.trainer)), experiment.rate_batch
    if batch != experiment.batch_size and rate_batch is None and not is_rate_given(experiment.launch):
        rate_batch = experiment.batch_size * (device.processes if device.gpus else 1)
    settle_batch(trainer, batch, ())
    return replace(experiment, trainer=trainer, rate_batch=rate_batch)


def _facts(
    experiment: Experiment, dataset: Dataset, launch: LaunchRequest, freeze: FreezePlan
) -> Mapping[str, object]:
    """All that a decision depends on, besides the machine: what is trained on what, and by which versions."""
    return {
        "names": experiment.automatic,
        "training": config_digest(experiment.trainer, dataset.dictionary),
        "workers": workers_of(experiment.trainer),
        "freeze": str(freeze),
        "data": dataset.manifest.digest,
        "device": launch.device.name,
        "gpus": launch.device.note,
        "versions": dict(launch.versions),
    }
