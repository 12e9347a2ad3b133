"""The start of a run that resumes: which run it is, where it starts, what it says of that, and whether it fits."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_text
from ocr_train.checkpoints.address import AUTO
from ocr_train.config.overrides import get_key, set_key
from ocr_train.data.for_training import Dataset
from ocr_train.errors import OcrTrainError
from ocr_train.redaction.redactor import redactor
from ocr_train.resume.automatic import Waiter
from ocr_train.resume.claim import claim, require_idle
from ocr_train.resume.eval_schedule import keep_phase
from ocr_train.resume.lineage import inherit_best, record_drift, record_origin
from ocr_train.resume.lr_schedule import Standing, lay_anew
from ocr_train.resume.reopen import SAME, Reopened, check_resume, reopen
from ocr_train.resume.resolve import ResumePoint, ResumeRequest, resolve, run_to_go_on
from ocr_train.run import Echo
from ocr_train.tracking.holder import HOLDER_TAG, this_process
from ocr_train.tracking.launched_run import ended_by_failure
from ocr_train.tracking.run_folder import require_writable
from ocr_train.tracking.tracker import Tracker
from ocr_train.trainer.files import weights_of
from ocr_train.trainer.tools import Trainer
from ocr_train.weights.compatibility import ModelToTrain, compare_layers, config_at, require_fit
from ocr_train.weights.start import WHOLE, Settled, Weights, clear_pretrained, settle, weights_at

CLASSIC = {"det": "det_mv3_db", "rec": "rec_mv3_none_bilstm_ctc"}
"""What the experiments of these names are called that started from nothing."""
WEIGHTS_FILE = "weights.json"
"""The artifact that says what the weights to start from are, and which layers they lack."""


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """The run: a new one, or one that is continued (`reopened`). `dataset` is set where it had to be known for that."""

    tracker: Tracker
    reopened: Reopened | None = None
    dataset: Dataset | None = None


def begin(
    request: ResumeRequest,
    output: Path,
    client: Any,
    *,
    name: str,
    tags: Mapping[str, object],
    experiment: str,
    look_at_data: Callable[[Path], tuple[Dataset, str]],
    hold_stops: Callable[[], None],
) -> StartedRun:
    """Start the run, with `tags`, in `experiment` where none is named, or reopen the one that resume_mode=same continues.

    `look_at_data` prepares the data into a folder, and sums up the configuration: with resume=auto they decide which
    run that is. `hold_stops` is called before there is a run that is to be told of a stop. Raises
    `ConfigError` for what `resume` cannot mean or what another process does, `StorageError` where files of runs cannot
    be kept in `output`, `TrackingError`.
    """
    check_resume(request.text, request.mode, weights_only=request.weights_only, offline=request.offline)
    require_writable(output)

    def start() -> Tracker:
        hold_stops()
        return Tracker.start(
            client, output, name=name, experiment=experiment, offline=request.offline, tags=tags
        )

    def go_on(run: Any) -> tuple[Tracker, Reopened]:
        hold_stops()
        return _continue(run, output, client, request.waiter)

    if _begun_before(request, client):
        tracker, begun = go_on(require_idle(client, request.own_run_id, request.waiter))
        return StartedRun(tracker=tracker, reopened=begun)
    if not request.text or request.mode != SAME:
        return StartedRun(tracker=start())
    staging = output / f".starting-{os.getpid()}"
    try:
        dataset = None
        if request.text == AUTO:
            dataset, digest = look_at_data(staging)
            request = replace(request, dataset_digest=dataset.manifest.digest, config_digest=digest)
        run = run_to_go_on(request, client)
        if run is None:
            tracker, reopened = start(), None
        else:
            # `auto` watches the heartbeat itself.
            if request.text != AUTO:
                run = require_idle(client, run.info.run_id, request.waiter)
            tracker, reopened = go_on(run)
        if dataset is not None:
            dataset = _moved(dataset, staging, tracker.folder / "data")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return StartedRun(tracker=tracker, reopened=reopened, dataset=dataset)


def _begun_before(request: ResumeRequest, client: Any) -> bool:
    """Whether the run that we were given was begun by a process before us, which was interrupted before its first
    checkpoint: a container is started again with the same MLFLOW_RUN_ID. What it has logged is not logged again."""
    if request.text or request.offline or not request.own_run_id:
        return False
    try:
        data = client.get_run(request.own_run_id).data
    except Exception:  # noqa: BLE001 - who starts the run next says what is wrong with it
        return False
    return HOLDER_TAG in data.tags and bool(data.metrics)


def _continue(run: Any, output: Path, client: Any, waiter: Waiter) -> tuple[Tracker, Reopened]:
    """The run, which no process was training when it was seen, reopened with its files in `output`."""
    run_id = str(run.info.run_id)
    require_writable(output, run_id)
    claim(client, run, this_process(output, now=waiter.now()), waiter)
    with ended_by_failure(client, run_id):
        launched_as = os.environ.get("MLFLOW_RUN_ID", "")
        reopened = reopen(client, run_id, output / run_id, launched_as=launched_as)
        tracker = Tracker(client, run_id, reopened.experiment_id, output / run_id)
        _bring_log(tracker)
    return tracker, reopened


def _bring_log(tracker: Tracker) -> None:
    """On another machine the log begins with what the run has printed before: it is one log."""
    log = tracker.folder / "train.log"
    if not log.is_file():
        try:
            tracker.artifacts.download("logs/train.log", tracker.folder).replace(log)
        except (OcrTrainError, OSError):
            # The run was killed before it stored one.
            return


def _moved(dataset: Dataset, old: Path, new: Path) -> Dataset:
    """`dataset` after its work folder has become `new`."""
    shutil.rmtree(new, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    old.replace(new)

    def place(path: Path) -> Path:
        return new / path.relative_to(old) if path.is_relative_to(old) else path

    return replace(
        dataset,
        images=place(dataset.images),
        train=place(dataset.train),
        val=place(dataset.val),
        dictionary=place(dataset.dictionary) if dataset.dictionary else None,
        reports=tuple(place(path) for path in dataset.reports),
        train_parts=tuple(replace(part, path=place(part.path)) for part in dataset.train_parts),
        val_parts=tuple(replace(part, path=place(part.path)) for part in dataset.val_parts),
        sources=tuple(replace(part, images=place(part.images)) for part in dataset.sources),
    )


def find_point(request: ResumeRequest, started: StartedRun) -> ResumePoint | None:
    """Fetch the checkpoint to start from, by what is known of the data by now, and say so in the run."""
    if not request.text or (request.mode == SAME and started.reopened is None):
        return None
    tracker, reopened = started.tracker, started.reopened
    request = replace(request, own_run_id=tracker.run_id, run_id=reopened.run_id if reopened else "")
    point = resolve(request, tracker.client, tracker.folder / "resume")
    if point is not None:
        record_origin(point, tracker, request.waiter.echo)
    return point


def apply_point(
    config: dict[str, Any], point: ResumePoint, *, epochs: int, steps: int, each_epoch: bool
) -> str:
    """Make the rendered `config` start from `point`; one line for people, or nothing.

    `steps` are those of an epoch; `each_epoch` says that evaluations come at the end of each.
    """
    if point.weights_only:
        set_key(config, "Global.checkpoints", None)
        set_key(config, "Global.pretrained_model", str(point.prefix))
        return ""
    set_key(config, "Global.checkpoints", str(point.prefix))
    if each_epoch:
        set_key(config, "Global.eval_batch_epoch", 1)
    return keep_phase(config, offset=point.step, epochs_done=point.epoch, steps=steps, epochs=epochs)


def lay_schedule(
    point: ResumePoint, trainer: Trainer, config: Path, steps: int, tracker: Tracker, echo: Echo
) -> None:
    """Let the learning rate go on as `config` has it, of which an epoch has `steps`; says so where it is another."""
    if point.weights_only:
        return
    standing = Standing(
        prefix=point.prefix,
        kind=point.kind,
        epoch=point.epoch,
        steps=steps,
        old_steps=point.steps_per_epoch,
    )
    if note := lay_anew(standing, trainer, config):
        echo(note)
        tracker.set_tags({"lr_schedule": note})


def check_start(
    config: dict[str, Any],
    point: ResumePoint | None,
    model: ModelToTrain,
    tracker: Tracker,
    echo: Echo,
    *,
    known: Mapping[str, Weights],
    images: Callable[[], Sequence[Path]],
) -> Settled:
    """Compare what training starts from with the model: a checkpoint must fit, weights are made to fit, and what does
    not is left out and said. `config` as rendered is changed where other files are to be loaded.

    `known` are the weights that the configuration names by a name or an address, `images` gives some of those to train on.
    Raises `ConfigError` where training could not go on from it, or would start from scratch.
    """
    if point is not None and not point.weights_only:
        clear_pretrained(config)
        fit = compare_layers(model, arrays=point.arrays, config=point.config, dictionary=point.dictionary)
        if fit.note:
            echo(fit.note)
        require_fit(fit, point.source, hint=_of_before(point))
        return Settled()
    if point is not None:
        given = weights_at(weights_of(point.prefix), point.source, config=point.config)
        known = {**known, WHOLE: replace(given, arrays=point.arrays, dictionary=point.dictionary)}
    settled = settle(config, model, tracker.folder / "weights", echo, known=known, images=images)
    tracker.set_tags(settled.tags)
    if settled.report:
        path = tracker.folder / WEIGHTS_FILE
        document = redactor().mapping({"start": list(settled.report)})
        write_text(path, json.dumps(document, indent=1, ensure_ascii=False))
        tracker.log_file(path, "config")
    return settled


def _of_before(point: ResumePoint) -> str:
    """Where models have been given other names since: what a run of before is resumed as."""
    kind = get_key(config_at(point.config), "Architecture.model_type", "")
    if (
        get_key(config_at(point.config), "Architecture.Backbone.name", "") != "MobileNetV3"
        or kind not in CLASSIC
    ):
        return ""
    dictionary = " and, for Thai, its dictionary beside the data" if kind == "rec" else ""
    return f"A run that was made before model={kind} became a fine-tune is resumed with model={CLASSIC[kind]}{dictionary}."


def record(
    point: ResumePoint,
    plain: Mapping[str, Any],
    facts: Mapping[str, str],
    tracker: Tracker,
    echo: Echo,
) -> None:
    """What has changed since, and the best so far: `plain` is the configuration without what a resume changes,
    `facts` are model, dataset_digest and version.*."""
    record_drift(point, plain, facts, tracker, echo)
    inherit_best(point, tracker, echo)
