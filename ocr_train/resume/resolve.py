"""Where a run starts from: a checkpoint of an earlier run, of the model registry, of S3, or of this machine."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.address import AUTO, MODEL, PATH, RUN, S3, ResumeSpec, parse_resume
from ocr_train.checkpoints.copies import best_copy, holds_copies, newest_whole, noted_run
from ocr_train.checkpoints.in_registry import locate
from ocr_train.checkpoints.in_run import FoundCheckpoint, best_known, fetch_checkpoint
from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.on_disk import LocalCheckpoint, from_path, from_s3
from ocr_train.checkpoints.pickle_scan import Array, screen
from ocr_train.checkpoints.reader import all_manifests, find
from ocr_train.checkpoints.states_file import read_states
from ocr_train.errors import ConfigError, DataError, OcrTrainError
from ocr_train.resume.automatic import Waiter, find_interrupted
from ocr_train.run import STEPS_METRIC
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.mlflow_client import get_run, runs_of_model
from ocr_train.trainer.configurations import require_plain_file
from ocr_train.trainer.files import EPOCH_START, LATEST_NAME, SUFFIXES, states_of, weights_of


@dataclass(frozen=True, kw_only=True)
class ResumePoint:
    """A whole checkpoint on this machine: `prefix` is what PaddleOCR's Global.checkpoints takes.

    `step` and `epoch` are the run's; training goes on at epoch + 1 (from 0 with `weights_only`). `best` is the
    main metric to beat and `best_alias` what best.json says of the checkpoint that has it. `arrays` are the
    shapes of the weights, `config` and `dictionary` what they were trained with, None where that is not known.
    `kind` is the checkpoint's (latest, best, epoch), `steps_per_epoch` its run's, 0 where that is not known. `copies` is
    the folder of copies that it was taken from and that has the best of its line, None for any other.
    """

    prefix: Path
    step: int
    epoch: int
    best: float | None
    source: str
    run_id: str = ""
    weights_only: bool = False
    passed_over: Sequence[str] = ()
    best_alias: Mapping[str, Any] | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    config: Path | None = None
    dictionary: Path | None = None
    kind: str = BEST
    steps_per_epoch: int = 0
    copies: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ResumeRequest:
    """What `resume=` and its companions ask for, and what it is measured by; `text` is empty where none is wanted.

    `dataset_digest` and `config_digest` (the resolved configuration's) are empty until the data are known;
    `own_run_id` is the run that asks, `run_id` the one that resume_mode=same continues.
    """

    text: str
    model: str
    main_metric: str
    epochs: int
    mode: str = "new"
    weights_only: bool = False
    offline: bool = False
    dataset_digest: str = ""
    config_digest: str = ""
    own_run_id: str = ""
    run_id: str = ""
    waiter: Waiter = field(default_factory=Waiter)


def resolve(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint | None:
    """Fetch the checkpoint that `request` names into `folder`; None where resume=auto finds none.

    Raises `ConfigError` where there is none or it has no epoch left to train, `DataError` where it is damaged or
    would run something when it is loaded.
    """
    try:
        point = _find(request, client, folder)
    except BaseException:
        # Nothing harmful or half stays behind.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if point is not None and not point.weights_only and point.epoch >= request.epochs:
        raise ConfigError(
            f"resume={request.text}: the checkpoint is at epoch {point.epoch}, and epochs={request.epochs}: "
            "nothing is left to train.",
            hint=f"epochs counts from the very beginning: give more than {point.epoch}.",
        )
    return point


def _find(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint | None:
    spec = parse_resume(request.text)
    if spec.kind == AUTO:
        return _auto(request, client, folder)
    if spec.kind == PATH and holds_copies(Path(spec.text)):
        return _from_copies(Path(spec.text), request, client, folder)
    if request.run_id:
        spec = ResumeSpec(kind=RUN, text=request.text, run_id=request.run_id)
    if spec.kind == LATEST:
        return _latest(request, client, folder)
    if spec.kind == BEST:
        return _best(request, client, folder)
    if spec.kind == MODEL:
        spec = locate(spec.text, client, folder / "model")
    if spec.kind == RUN:
        return _named_run(spec, request, client, folder)
    take = from_s3 if spec.kind == S3 else from_path
    return _from_local(take(spec.text, folder, weights_only=request.weights_only), request)


def _named_run(spec: ResumeSpec, request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    run = get_run(client, spec.run_id)
    point = _of_run(client, run, spec, request, folder)
    if point is None:
        raise ConfigError(
            f"resume={request.text}: the run {run.info.run_name!r} has no complete checkpoint.",
            hint="A checkpoint is stored after the first epoch. Choose another run, or leave resume empty.",
        )
    return point


def _auto(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint | None:
    """Of the interrupted run; where that had trained its last epoch, from before it, so that it is ended well."""
    run_id = request.run_id
    if not run_id:
        run = _find_interrupted(request, client)
        if run is None:
            return None
        run_id = str(run.info.run_id)
    spec = ResumeSpec(kind=RUN, text=request.text, run_id=run_id)
    try:
        point = _named_run(spec, request, client, folder)
        if point.epoch < request.epochs:
            return point
        manifests = all_manifests(RunArtifacts(client, run_id))
        left = max((one.step for one in manifests if one.epoch < request.epochs), default=None)
        if left is not None:
            request.waiter.echo(
                f"resume=auto: the run {run_id} had reached its end; continuing from before its last epoch"
            )
            return _named_run(replace(spec, step=left), request, client, folder)
        problem = f"the run {run_id} has nothing left to train"
    except DataError as exc:
        problem = exc.problem
    if request.run_id:
        raise ConfigError(
            f"resume=auto: {problem}.",
            hint="resume_mode=new can start from the beginning, in a run of its own.",
        )
    request.waiter.echo(f"resume=auto: {problem}; starting from the beginning")
    return None


def run_to_go_on(request: ResumeRequest, client: Any) -> Any | None:
    """The run that resume_mode=same continues, as it was seen first; None where resume=auto finds none.

    Raises `ConfigError` where there is none.
    """
    spec = parse_resume(request.text)
    if spec.kind == RUN:
        return get_run(client, spec.run_id)
    if spec.kind == AUTO:
        return _find_interrupted(request, client)
    if spec.kind == PATH:
        run_id = noted_run(Path(spec.text))
        if not run_id:
            raise ConfigError(
                f"resume={request.text} with resume_mode=same: the folder does not say which run it belongs to.",
                hint="Give resume=<run id>, or start a run of its own there: resume_mode=new.",
            )
        return get_run(client, run_id)
    for run in runs_of_model(client, request.model):
        if run.info.run_id != request.own_run_id and _any_checkpoint(client, run):
            return run
    raise _nothing_to_go_on_with(request)


def _nothing_to_go_on_with(request: ResumeRequest) -> ConfigError:
    return ConfigError(
        f"resume=latest: no run of the model {request.model!r} has a complete checkpoint in the experiments that are searched.",
        hint="That is the one in MLFLOW_EXPERIMENT_NAME, or, where none is named, Default and all paddleocr-... Check it and "
        "MLFLOW_TRACKING_URI, or leave resume empty.",
    )


def _find_interrupted(request: ResumeRequest, client: Any) -> Any | None:
    runs = {run.info.run_id: run for run in runs_of_model(client, request.model)}
    runs.pop(request.own_run_id, None)
    found = find_interrupted(
        list(runs.values()),
        dataset_digest=request.dataset_digest,
        config_digest=request.config_digest,
        has_checkpoint=lambda run: _any_checkpoint(client, run),
        beat=lambda run: get_run(client, run.info.run_id),
        waiter=request.waiter,
    )
    return None if found is None else runs[found]


def _any_checkpoint(client: Any, run: Any) -> bool:
    try:
        return find(RunArtifacts(client, run.info.run_id), LATEST) is not None
    except OcrTrainError:
        return False


def _latest(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    for run in runs_of_model(client, request.model):
        if run.info.run_id != request.own_run_id:
            spec = ResumeSpec(kind=RUN, text=request.text, run_id=run.info.run_id)
            point = _of_run(client, run, spec, request, folder)
            if point is not None:
                return point
    raise _nothing_to_go_on_with(request)


def _best(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    metric = f"best/{request.main_metric}"
    same_data = [
        run
        for run in runs_of_model(client, request.model)
        if metric in run.data.metrics and run.data.tags.get("dataset_digest") == request.dataset_digest
    ]
    for run in sorted(same_data, key=lambda run: -float(run.data.metrics[metric])):
        spec = ResumeSpec(kind=RUN, text=request.text, run_id=run.info.run_id, which=BEST)
        point = _of_run(client, run, spec, request, folder)
        if point is not None:
            return point
    raise ConfigError(
        f"resume=best: no run of the model {request.model!r} on this dataset has a best checkpoint.",
        hint="Name a run: resume=<run id>:best, or use resume=latest.",
    )


def _of_run(
    client: Any, run: Any, spec: ResumeSpec, request: ResumeRequest, folder: Path
) -> ResumePoint | None:
    found = fetch_checkpoint(
        client, run, folder, which=spec.which, step=spec.step, weights_only=request.weights_only
    )
    if found is None:
        return None
    best = alias = None
    if not request.weights_only:
        # Who names a step starts a branch there: what came after it is not in its way.
        up_to = None if request.text == AUTO else spec.step
        best, alias = best_known(client, run.info.run_id, request.main_metric, up_to=up_to)
    point = _point(found, best, alias, request)
    steps = _steps_per_epoch(run) if found.run_id == run.info.run_id else 0
    return replace(point, steps_per_epoch=steps)


def _steps_per_epoch(run: Any) -> int:
    """As the trainer counted them where it said so, else as they were worked out; 0 where the run does not say."""
    with contextlib.suppress(ValueError):
        return int(float(run.data.metrics.get(STEPS_METRIC) or run.data.params.get(STEPS_METRIC, 0)))
    return 0


def _point(
    found: FoundCheckpoint, best: float | None, alias: Mapping[str, Any] | None, request: ResumeRequest
) -> ResumePoint:
    manifest = found.manifest
    passed = f" (skipped: {'; '.join(found.passed_over)})" if found.passed_over else ""
    fresh = found.weights_only
    if best is None and not fresh:
        best = manifest.metrics.get(request.main_metric)
    return ResumePoint(
        prefix=found.prefix,
        step=0 if fresh else manifest.step,
        epoch=0 if fresh else manifest.epoch,
        best=best,
        best_alias=alias,
        source=f"run {found.run_id}, step {manifest.step}{passed}",
        run_id=found.run_id,
        weights_only=fresh,
        passed_over=found.passed_over,
        kind=manifest.kind,
        **_beside(found.prefix),
    )


def _from_local(placed: LocalCheckpoint, request: ResumeRequest) -> ResumePoint:
    """A checkpoint outside of MLflow: screened, and read for where it stands."""
    prefix, manifest = placed.prefix, placed.manifest
    if request.weights_only:
        screen(weights_of(prefix))
        return ResumePoint(
            prefix=prefix,
            step=0,
            epoch=0,
            best=None,
            source=placed.source,
            weights_only=True,
            **_beside(prefix),
        )
    for suffix in SUFFIXES:
        screen(Path(f"{prefix}{suffix}"))
    states = read_states(states_of(prefix))
    return ResumePoint(
        prefix=prefix,
        step=manifest.step if manifest else states.step or 0,
        epoch=states.epoch,
        best=states.metrics.get(request.main_metric),
        source=placed.source,
        kind=manifest.kind if manifest else _kind(placed.source),
        **_beside(prefix),
    )


def _from_copies(root: Path, request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    """The newest whole set of a folder of copies; what is best comes from its run, or, without a server, from there."""
    found = newest_whole(root, epochs=None if request.weights_only else request.epochs)
    if found.newest is None:
        raise DataError(
            f"resume={request.text}: no checkpoint there is whole: {'; '.join(found.torn)}.",
            hint="Leave resume empty to start from the beginning, or name a run.",
        )
    newest = found.newest
    placed = from_path(str(newest.folder), folder, weights_only=request.weights_only)
    point = replace(_from_local(placed, request), passed_over=newest.passed_over)
    for line in newest.passed_over:
        request.waiter.echo(f"resume: passed over: {line}")
    if request.weights_only:
        return point
    if request.run_id:
        run = get_run(client, request.run_id)
        best, alias = best_known(client, request.run_id, request.main_metric)
        steps = _steps_per_epoch(run)
        return replace(
            point, run_id=request.run_id, best=best or point.best, best_alias=alias, steps_per_epoch=steps
        )
    best_set = best_copy(root)
    if best_set is None:
        return point
    return replace(point, copies=root, best=best_set.metrics.get(request.main_metric, point.best))


def _kind(source: str) -> str:
    """By PaddleOCR's name of the checkpoint; one of another name may be of the middle of an epoch, as a best one is."""
    name = source.rstrip("/").rpartition("/")[2]
    return LATEST if name == LATEST_NAME or name.startswith(EPOCH_START) else BEST


def _beside(prefix: Path) -> dict[str, Any]:
    """Shapes, configuration and dictionary that came with the checkpoint at `prefix`."""
    config, dictionary = prefix.parent / "config.yml", prefix.parent / "dict.txt"
    if config.is_file():
        require_plain_file(config)
    return {
        "arrays": screen(weights_of(prefix)),
        "config": config if config.is_file() else None,
        "dictionary": dictionary if dictionary.is_file() else None,
    }
