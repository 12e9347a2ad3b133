"""The set of what could be read before a training: found, checked or drawn, and read with the weights to start from."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.analysis.keep_report import (
    BEFORE_FILE,
    KeepReading,
    before_document,
    names_in,
    read_before,
    reading_of,
)
from ocr_train.analysis.kept_characters import missing_characters
from ocr_train.analysis.report import FOLDER
from ocr_train.analysis.sampling import choose_samples
from ocr_train.analysis.tables import write_json
from ocr_train.analysis.text_scores import text_rules
from ocr_train.config.experiment import Experiment
from ocr_train.config.fine_tune import NONE
from ocr_train.data.dictionary import DEFAULT_CHARSET, dictionary_as
from ocr_train.data.for_training import locate_data
from ocr_train.data.keep_set import (
    KeepLabels,
    check_keep,
    draw_keep,
    language_of,
    languages_to_draw,
    require_keep_path,
)
from ocr_train.data.labels import LabelLine
from ocr_train.data.manifest import IMAGE, DatasetManifest, build_manifest
from ocr_train.data.samples import read_samples
from ocr_train.data.sets import labels_text
from ocr_train.disk import sha256_of
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.models.source import read_config
from ocr_train.ocr_engine.documents import read_json
from ocr_train.ocr_engine.settings import TASKS
from ocr_train.resume.start import StartedRun
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.tracker import Tracker
from ocr_train.training.base import source_before
from ocr_train.training.keep import Keep, deciding_metric, log_keep, missing_sentence
from ocr_train.training.reading import read_until_stopped, reading_limit
from ocr_train.training.services import Services, TrainingSetup

LEAST_READ = 0.25
"""A language of the drawn set that is read worse than this before training is not one that could be read."""


@dataclass(frozen=True, kw_only=True)
class FoundKeep:
    """A set that was given: its `folder` on this machine, and `where` it came from."""

    folder: Path
    where: str


def find_keep(experiment: Experiment, output: Path, services: Services) -> FoundKeep | None:
    """The set that the experiment names, fetched and unpacked; None where it names none.

    Raises `ConfigError` for a path where nothing is, `DataError`, `StorageError`.
    """
    if experiment.keep in ("", NONE):
        return None
    require_keep_path(experiment.keep)
    if not experiment.evaluation_images:
        services.echo("keep: not looked at: with evaluation_images=0 no images are read")
        return None
    services.echo(f"keep: what could be read before is in {experiment.keep}")
    folder, where = locate_data(experiment.keep, output / "cache", services.fetch, services.echo)
    return FoundKeep(folder=folder, where=where)


def measure_keep(
    experiment: Experiment,
    setup: TrainingSetup,
    found: FoundKeep | None,
    output: Path,
    started: StartedRun,
    services: Services,
) -> Keep | None:
    """Read the set with the weights that training starts from, and note it in the run; None where there is no set.

    Without one that was given a small one is drawn for weights that can be evaluated. A run that goes on takes what was read
    before from the run that it continues. Raises `DataError` for a given set of which no sample is good; nothing about a
    drawn one keeps anybody from training.
    """
    wanted = experiment.evaluation_images and experiment.keep != NONE and experiment.task in TASKS
    if not wanted or not (setup.launch.paddleocr.root / "ppocr").is_dir():
        return None
    try:
        return _measure(experiment, setup, found, output, started, services)
    except (OcrTrainError, OSError) as exc:
        if found is not None:
            raise
        services.echo(f"keep: not looked at: {exc.problem if isinstance(exc, OcrTrainError) else exc}")
        return None


def _measure(
    experiment: Experiment,
    setup: TrainingSetup,
    found: FoundKeep | None,
    output: Path,
    started: StartedRun,
    services: Services,
) -> Keep | None:
    earlier = _earlier(setup, started.tracker)
    measured = _is_base(setup)
    if found is None and not measured and not earlier.get("drawn"):
        if earlier:
            services.echo(
                "keep: not looked at: the run that this one continues had a set: give keep=... again"
            )
        return None
    labels = _labels(experiment, setup, found, output, services)
    keep = _chosen(experiment, setup, found, labels, names_in(earlier)) if labels else None
    if labels is None or keep is None:
        return None
    if measured:
        keep = _read_with_base(keep, setup, services)
    keep = _summed(keep, labels, setup, services)
    if not measured:
        keep = _from_earlier(keep, setup, earlier, services)
    if keep.drawn and keep.before is None:
        return None
    _note(keep, started, measured=measured)
    return keep


def _is_base(setup: TrainingSetup) -> bool:
    """Whether training starts from weights that can read images as they are."""
    return setup.settled.weights is not None and setup.settled.usable


def _earlier(setup: TrainingSetup, tracker: Tracker) -> Mapping[str, Any]:
    """What was read before the training that this run continues; empty where that is not known."""
    point = setup.point
    if point is None or point.weights_only:
        return {}
    beside = Path(point.source).parents
    try:
        with tempfile.TemporaryDirectory() as scratch:
            if point.run_id:
                path = RunArtifacts(tracker.client, point.run_id).download(
                    f"{FOLDER}/{BEFORE_FILE}", Path(scratch)
                )
            else:
                # A run that was made without a server has its artifacts in a folder.
                path = (beside[2] if len(beside) > 2 else Path()) / FOLDER / BEFORE_FILE
            document = read_json(path)
    except (OcrTrainError, OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _labels(
    experiment: Experiment, setup: TrainingSetup, found: FoundKeep | None, output: Path, services: Services
) -> KeepLabels | None:
    """The checked labels of the set."""
    work, task = setup.run.folder / "keep", experiment.task
    if found is None:
        charset = _charset(setup)
        trained_on = experiment.demo.language if experiment.demo else ""
        languages = languages_to_draw(task, charset, trained_on)
        return draw_keep(task, charset, languages, output / "cache", work, services.echo)
    try:
        return check_keep(found.folder, found.where, task, experiment.choices.normalize, work, services.echo)
    except DataError as exc:
        problem = exc.problem if exc.problem.startswith("keep: ") else f"keep: {exc.problem}"
        raise DataError(problem, hint=exc.hint) from exc


def _charset(setup: TrainingSetup) -> frozenset[str] | None:
    """The characters that the model can read; None for models that read none."""
    run = setup.run
    if run.task != "rec":
        return None
    if run.dictionary is None:
        return DEFAULT_CHARSET
    return dictionary_as(read_config(run.config), run.dictionary).charset


def _chosen(
    experiment: Experiment,
    setup: TrainingSetup,
    found: FoundKeep | None,
    labels: KeepLabels,
    names: frozenset[str],
) -> Keep | None:
    """The samples to read: as many as are read of the validation set; of a drawn set only those of `names`, where there are
    some. None where there is none."""
    rules = text_rules(read_config(setup.run.config), experiment.task)
    limit = reading_limit(experiment, setup.launch)
    chosen = choose_samples([labels.labels], labels.images, experiment.task, rules, limit=limit)
    if found is None and names:
        samples = tuple(sample for sample in chosen.samples if sample.name in names)
        chosen = replace(chosen, samples=samples, total=len(samples))
    if not chosen.samples:
        return None
    return Keep(
        chosen=chosen,
        digest="",
        where=found.where if found else str(labels.images / chosen.samples[0].name.partition("/")[0]),
        origin=labels.origin,
        drawn=found is None,
    )


def _read_with_base(keep: Keep, setup: TrainingSetup, services: Services) -> Keep:
    """The same with what the weights read of it; without where that fails, which is said."""
    settled = setup.settled
    services.echo(f"keep: {settled.source} reads {keep.what}, before training ...")
    begun = time.monotonic()
    try:
        answers = read_until_stopped(
            source_before(setup.run, settled), keep.chosen.paths, setup.launch, services.stop
        )
        before: KeepReading | None = reading_of(keep.chosen, answers)
    except Exception as exc:  # noqa: BLE001 - it keeps nobody from training
        why = exc.problem if isinstance(exc, OcrTrainError) else f"{type(exc).__name__}: {exc}"
        services.echo(f"keep: not measured before training: {why}")
        return keep
    if keep.drawn:
        before = _what_is_read(before, services) if before else None
    if before is None or settled.weights is None:
        return keep
    main = deciding_metric(before, setup.run)
    keep = replace(keep, chosen=before.chosen, before=before, sha256=sha256_of(settled.weights))
    services.echo(
        f"keep: {main} {before.figures.get(main, 0.0):.4f} is what {settled.source} has of it before training "
        f"({time.monotonic() - begun:.0f} s)"
    )
    return keep


def _what_is_read(before: KeepReading, services: Services) -> KeepReading | None:
    """Of a drawn set the languages that are read: what could not be read is not there to be kept."""
    names: set[str] = set()
    by_language: dict[str, set[str]] = {}
    for one in before.scored:
        by_language.setdefault(language_of(one.sample.name), set()).add(one.sample.name)
    for language, own in by_language.items():
        figures = before.only(frozenset(own)).figures
        if max(figures.get("acc", 0.0), figures.get("hmean", 0.0)) >= LEAST_READ:
            names |= own
        else:
            services.echo(
                f"keep: {language} is left out of the drawn set: these weights read too little of it"
            )
    return before.only(frozenset(names)) if names else None


def _from_earlier(keep: Keep, setup: TrainingSetup, earlier: Mapping[str, Any], services: Services) -> Keep:
    """The same with what the run that this one continues had read of it."""
    before = read_before(earlier, keep.chosen) if earlier.get("digest") == keep.digest else None
    if before is not None:
        main = deciding_metric(before, setup.run)
        services.echo(
            f"keep: {main} {before.figures.get(main, 0.0):.4f} was read of {keep.what} before training, as the run says that "
            "this one continues"
        )
        return replace(keep, before=before, sha256=str(earlier.get("weights_sha256") or ""))
    point = setup.point
    why = (
        "layers that inference needs start from nothing"
        if setup.settled.weights is not None
        else "there are no weights to start from"
        if point is None
        else f"what was read before {point.source} was another set"
        if earlier
        else f"what was read before {point.source} is not known"
    )
    services.echo(f"keep: not measured before training: {why}")
    return keep


def _summed(keep: Keep, labels: KeepLabels, setup: TrainingSetup, services: Services) -> Keep:
    """The same with its digest, and the characters that cannot be read any more; says what there is to know of them."""
    lines: dict[str, LabelLine] = {line.image: line for line in read_samples(labels.labels)[0]}
    names = {sample.name for sample in keep.chosen.samples}
    path = setup.run.folder / "keep" / "keep.txt"
    path.write_bytes(labels_text(line for image, line in lines.items() if image in names))
    manifest = build_manifest(labels.images, {"keep": path}, workers=os.cpu_count() or 1)
    if shared := _trained_on(manifest, setup.dataset.manifest):
        services.echo(
            f"keep: {shared} of its images are training images, too: they do not say what is forgotten"
        )
    charset = _charset(setup)
    missing: dict[str, int] = {}
    if charset is not None:
        rules = keep.chosen.rules
        missing = missing_characters((rules.apply(sample.text) for sample in keep.chosen.samples), charset)
    keep = replace(keep, digest=manifest.digest, missing=missing)
    if missing:
        services.echo(f"keep: {missing_sentence(keep)}")
    return keep


def _trained_on(keep: DatasetManifest, data: DatasetManifest) -> int:
    trained = {entry.sha256 for entry in data.entries if entry.kind == IMAGE and entry.split == "train"}
    return sum(entry.kind == IMAGE and entry.sha256 in trained for entry in keep.entries)


def _note(keep: Keep, started: StartedRun, *, measured: bool) -> None:
    """Tell the run what the set is, and what was read before training."""
    tracker = started.tracker
    tags = {"keep_digest": keep.digest, "keep_set": keep.what}
    tracker.set_tags({**tags, "keep_missing": missing_sentence(keep) if keep.missing else ""})
    if keep.before is None:
        return
    known = started.reopened.params if started.reopened else {}
    params = {f"keep/base_{name}": f"{value:.6g}" for name, value in keep.before.figures.items()}
    tracker.log_params({key: value for key, value in params.items() if key not in known})
    logged = started.reopened.logged_until if started.reopened else {}
    if measured:
        log_keep(tracker, keep.before.figures, 0, logged)
    document = before_document(
        keep.before, digest=keep.digest, weights_sha256=keep.sha256, drawn=keep.drawn, set=keep.what
    )
    tracker.log_file(write_json(tracker.folder / FOLDER / BEFORE_FILE, document), FOLDER)
