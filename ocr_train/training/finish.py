"""After a training that finished: its best checkpoint read closely, exported, checked, logged and registered.

    best checkpoint -> evaluation/      -> compared with the checkpoint -> MLflow model -> registry
                    -> exported beside it

The training is FINISHED whatever happens here. What fails is said, with the command that does it later, and is in the
tags `exported` and `evaluation`.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ocr_train.analysis.predictions import Reading
from ocr_train.analysis.report import AnalysisReport, analyse_validation
from ocr_train.analysis.sampling import ValidationSet
from ocr_train.analysis.text_scores import ERROR_RATES
from ocr_train.checkpoints.manifest import BEST
from ocr_train.checkpoints.reader import alias_values
from ocr_train.checkpoints.states_file import read_states
from ocr_train.config.experiment import Experiment
from ocr_train.data.samples import image_paths
from ocr_train.disk import sha256_of
from ocr_train.errors import OcrTrainError, TrackingError
from ocr_train.models.export.check import choose_images
from ocr_train.models.export.run import Draft, Exported, ExportOptions, Onnx, hand_over, make_draft
from ocr_train.models.inference import CHECKPOINT, Model, read_images
from ocr_train.models.source import ModelSource, find_source
from ocr_train.ocr_engine.settings import TASKS
from ocr_train.run import Results
from ocr_train.tracking.run_folder import ARTIFACTS
from ocr_train.tracking.tracker import Tracker
from ocr_train.trainer.files import states_of, weights_of
from ocr_train.training.keep import Keep, KeepResult, compare_keep
from ocr_train.training.reading import ReadingStopped, read_until_stopped, reading_limit, require_no_stop
from ocr_train.training.services import Services, TrainingSetup

TAG = "exported"
KEEP = "keep"
CHECK_IMAGES = 32


_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Finishing:
    """What came of it, for the summary: `finding` is the evaluation's sentence, `picture` shows some answers, `example`
    is an image that was read well, `keep` says what became of what could be read before, `model` where the model is and
    `notes` what could not be done and how to do it."""

    finding: str = ""
    keep: str = ""
    picture: Path | None = None
    example: Path | None = None
    model: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What every stage needs."""

    experiment: Experiment
    setup: TrainingSetup
    source: ModelSource
    tracker: Tracker
    services: Services
    keep: Keep | None = None


def finish(
    experiment: Experiment,
    setup: TrainingSetup,
    results: Results,
    tracker: Tracker,
    services: Services,
    keep: Keep | None = None,
) -> Finishing:
    """Do what the experiment asks for after its training; never raises for what can be done again later."""
    wanted = (experiment.evaluation_images > 0, experiment.export)
    if not any(wanted):
        return Finishing()
    if experiment.task not in TASKS:
        return Finishing(notes=(not_done(experiment.task),))
    if not (setup.launch.paddleocr.root / "ppocr").is_dir():
        return Finishing(
            notes=(f"model: {setup.launch.paddleocr.root} has no ppocr, which reads and exports checkpoints",)
        )
    try:
        source = _best(experiment, setup, results, tracker)
    except Exception as exc:  # noqa: BLE001 - the training is finished and stays so
        tracker.set_tags({TAG: f"failed: {exc}"})
        return Finishing(notes=(f"model: the best checkpoint could not be fetched: {exc}",))
    work = _Work(
        experiment=experiment, setup=setup, source=source, tracker=tracker, services=services, keep=keep
    )
    notes: list[str] = []
    with _exported_beside(work, wanted=wanted[1]) as draft:
        done = _guarded(work, "evaluation", _evaluate, notes) if wanted[0] else None
        kept = _guarded(work, KEEP, partial(_compare_keep, keep=keep), notes) if keep else None
        if kept:
            # What is exported says so, too.
            work = replace(work, source=replace(source, keep=kept.score))
        known = done.readings if done else {}
        model = _guarded(work, TAG, partial(_make_model, draft=draft, known=known), notes) if draft else None
    report = done.report if done else None
    return Finishing(
        finding=report.sentence if report else "",
        picture=report.picture if report else None,
        example=report.example if report else None,
        keep=kept.sentence if kept else "",
        model=model or "",
        notes=tuple(notes),
    )


def not_done(task: str) -> str:
    """What a run of a task without an engine of ours leaves to PaddleOCR, in one line; nothing for the other tasks."""
    if task in TASKS:
        return ""
    return (
        f"{task}: trained, and scored by PaddleOCR's own evaluation; no sample images, no evaluation image by image, "
        "no export and no registered model (PaddleOCR's tools/export_model.py makes one of a checkpoint)"
    )


def _guarded(work: _Work, tag: str, stage: Callable[[_Work], _T], notes: list[str]) -> _T | None:
    """The stage's answer; where it fails, a note and a tag."""
    command = "export" if tag == TAG else "evaluate"
    data = f" --data {shlex.quote(work.keep.where)}" if tag == KEEP and work.keep else ""
    later = f"python -m ocr_train {command} {work.tracker.run_id}{data}"
    try:
        return stage(work)
    except ReadingStopped:
        notes.append(f"{command}: skipped because a stop was requested; run it later: {later}")
        return None
    except OcrTrainError as exc:
        problem, hint = exc.problem, exc.hint
    except Exception as exc:  # noqa: BLE001 - the training is finished and stays so
        problem, hint = f"{type(exc).__name__}: {exc}", ""
    work.tracker.set_tags({tag: f"failed: {problem}"})
    sentences = (f"{command}: {problem.rstrip('.')}.", hint, f"When that is fixed: {later}")
    notes.append(" ".join(filter(None, sentences)))
    return None


def _best(experiment: Experiment, setup: TrainingSetup, results: Results, tracker: Tracker) -> ModelSource:
    """The best checkpoint of the run: the trainer's own files, or, where an earlier run's is still the best, that."""
    prefix = results.best_prefix
    if prefix is None or not weights_of(prefix).is_file():
        if tracker.offline:
            here = alias_values(tracker.artifacts, BEST).get("path", "")
            return find_source(str(tracker.folder / ARTIFACTS / here), lambda: None, tracker.folder / "best")
        return find_source(tracker.run_id, lambda: tracker.client, tracker.folder / "best")
    run, states = setup.run, read_states(states_of(prefix))
    step = run.step_offset + (states.step if states.step is not None else results.best_step or 0)
    return ModelSource(
        kind=CHECKPOINT,
        path=Path(prefix),
        config=run.config,
        dictionary=run.dictionary,
        task=experiment.task,
        name=experiment.name,
        run_id=tracker.run_id,
        step=step,
        epoch=states.epoch,
        dataset_digest=run.dataset_digest,
        val_digest=run.val_digest,
        versions=run.versions,
        sha256=sha256_of(weights_of(prefix)),
        metrics=dict(states.metrics),
        description=f"the best checkpoint, step {step}",
    )


@contextmanager
def _exported_beside(work: _Work, *, wanted: bool) -> Iterator[Future[Draft] | None]:
    """The exported model, made while the checkpoint reads images: PaddleOCR's tool takes as long as they do. What nobody
    took is removed."""
    if not wanted:
        yield None
        return
    with ThreadPoolExecutor(1, "export") as pool:
        future = pool.submit(
            make_draft,
            work.source,
            place_for_export(work.tracker.folder),
            trainer=work.setup.launch.trainer,
            options=_export_options(work),
            echo=work.services.echo,
        )
        try:
            yield future
        finally:
            if future.exception() is None:
                future.result().discard()


def _export_options(work: _Work) -> ExportOptions:
    """A model that is served reads six times as fast with onnxruntime, where it agrees (docs/performance.md)."""
    dataset = work.setup.dataset
    images = choose_images(image_paths(dataset.val, dataset.images), CHECK_IMAGES, 0)
    return ExportOptions(images=images, onnx=Onnx.WHERE_POSSIBLE, carry=bool(work.experiment.paddleocr))


@dataclass(frozen=True, kw_only=True)
class _Evaluated:
    """The evaluation, and what the checkpoint made of each image."""

    report: AnalysisReport
    readings: Mapping[Path, Reading]


def _evaluate(work: _Work) -> _Evaluated:
    run = work.setup.run
    work.services.echo(f"evaluation: {work.source.description} reads the validation images ...")
    readings: dict[Path, Reading] = {}

    def read(chosen: ValidationSet) -> Sequence[Reading]:
        found = _read(work, chosen)
        readings.update(zip(chosen.paths, found, strict=True))
        return found

    done = analyse_validation(
        run.config,
        run.task,
        read,
        work.tracker.folder / "evaluation",
        limit=reading_limit(work.experiment, work.setup.launch),
    )
    for path, folder in done.files:
        work.tracker.log_file(path, folder)
    work.tracker.set_tags({"evaluation": done.sentence})
    # What PaddleOCR's evaluation says as well is in eval/... already.
    figures = {f"val/{name}": value for name, value in done.figures.items() if name in ERROR_RATES}
    work.tracker.log_metrics(figures, step=work.source.step, time_ms=int(time.time() * 1000))
    return _Evaluated(report=done, readings=readings)


def _compare_keep(work: _Work, keep: Keep) -> KeepResult:
    work.services.echo(f"keep: {work.source.description} and {keep.what} ...")

    def read(images: Sequence[Path]) -> Sequence[Reading]:
        return read_until_stopped(work.source, images, work.setup.launch, work.services.stop)

    return compare_keep(keep, work.source, read, work.setup.run, work.tracker)


def _read(work: _Work, chosen: ValidationSet) -> Sequence[Reading]:
    return read_until_stopped(
        work.source, chosen.paths, work.setup.launch, work.services.stop, texts=chosen.texts
    )


def _make_model(work: _Work, draft: Future[Draft], known: Mapping[Path, Reading]) -> str:
    """Check what was exported, log and register it; where the model is."""
    require_no_stop(work.services.stop)
    work.services.echo(f"export: {work.source.description} is compared with what was exported of it ...")
    options = _export_options(work)
    exported = hand_over(
        # What was found out since it was made goes with it.
        replace(draft.result(), source=work.source),
        trainer=work.setup.launch.trainer,
        options=options,
        echo=work.services.echo,
        # A GPU's answers are not those that the CPU is compared with.
        read=read_images if work.setup.launch.device.gpus else _known_first(known),
    )
    work.tracker.set_tags({TAG: "agrees"})
    if work.tracker.offline:
        return f"{exported.folder} (offline: after `sync`, `python -m ocr_train register` logs it)"
    require_no_stop(work.services.stop)
    return _log(work, exported, options.images[0])


def _known_first(known: Mapping[Path, Reading]) -> Callable[[Model, Sequence[Path]], Sequence[Reading]]:
    """Reads images with a model; what the checkpoint has read in the evaluation it does not read again."""

    def read(model: Model, images: Sequence[Path]) -> Sequence[Reading]:
        if model.kind != CHECKPOINT:
            return read_images(model, images)
        fresh = [path for path in images if path not in known]
        found = {**known, **dict(zip(fresh, read_images(model, fresh), strict=True))}
        return [found[path] for path in images]

    return read


def place_for_export(run_folder: Path) -> Path:
    """Where the run's model goes. One that the run had when it ended before, and was then continued, is replaced."""
    target = run_folder / "export"
    shutil.rmtree(target, ignore_errors=True)
    return target


def _log(work: _Work, exported: Exported, example: Path) -> str:
    from ocr_train.models import mlflow_model, registry

    try:
        logged = mlflow_model.log_model(
            work.tracker.client, work.tracker.run_id, [exported.folder], input_example=example
        )
        if logged.environment:
            work.services.echo(f"model: {logged.environment}")
        if not work.experiment.register:
            return logged.uri
        registered = registry.register(work.tracker.client, logged.uri, work.experiment.register)
    except mlflow_model.NoLoggedModels as exc:
        if not work.experiment.register:
            return f"{exported.folder} (not in MLflow: {exc.problem.rstrip('.')})"
        raise
    except TrackingError as exc:
        target = work.experiment.register or f"ocr-{work.experiment.task}"
        later = f"python -m ocr_train register {shlex.quote(str(exported.folder))} --name {shlex.quote(str(target))}"
        raise TrackingError(
            f"the model is in {exported.folder}, but not in MLflow: {exc.problem}", hint=later
        ) from exc
    return f"{registered.uri} (version {registered.version})"
