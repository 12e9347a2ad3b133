"""What MLflow is told of a run before its trainer starts: name, tags, params, dataset and configuration."""

from __future__ import annotations

import contextlib
import getpass
import os
import time

import yaml

from ocr_train.config.experiment import EXPERIMENTS, Experiment
from ocr_train.config.overrides import flatten
from ocr_train.config.started import this_start
from ocr_train.data.dictionary import dictionary_as
from ocr_train.data.for_training import Dataset
from ocr_train.data.manifest import write_manifest
from ocr_train.data.rare_characters import character_use_of
from ocr_train.errors import OcrTrainError
from ocr_train.redaction.redactor import redactor
from ocr_train.resume.automatic import CONFIG_TAG
from ocr_train.resume.reopen import Reopened
from ocr_train.resume.resolve import ResumeRequest
from ocr_train.resume.start import StartedRun
from ocr_train.run import STEPS_METRIC, Echo, Run
from ocr_train.tracking.experiments import DEFAULT, experiment_name
from ocr_train.tracking.launched_run import exposed_params
from ocr_train.tracking.mlflow_client import get_run
from ocr_train.tracking.run_folder import CLEAN_CONFIG
from ocr_train.tracking.tracker import Tracker
from ocr_train.trainer.paddleocr import git_commit, git_version
from ocr_train.training.data_parts import PARTS, log_parts_as_inputs, spell_parts, write_parts
from ocr_train.training.run_name import dataset_name
from ocr_train.training.services import LaunchRequest, Rendered
from ocr_train.weights.start import Settled


def first_tags(experiment: Experiment) -> dict[str, str]:
    """What a run can be found and told apart by, before anything is known of its data."""
    return {
        **source_tags(),
        "model": experiment.name,
        "task": experiment.task,
        "primary_metric": f"best/{experiment.main_metric}",
        "hourly_usd": "" if experiment.usd_an_hour is None else f"{experiment.usd_an_hour:g}",
        "git_commit": git_version(EXPERIMENTS.parent),
        "launch_command": _command(experiment),
        "mlflow.note.content": _description(experiment),
    }


def source_tags() -> dict[str, str]:
    """What MLflow's own `start_run` notes of who runs what; `mlflow run` has done so before."""
    if os.environ.get("MLFLOW_RUN_ID"):
        return {}
    return {
        "mlflow.user": _user(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": "ocr_train",
        "mlflow.source.git.commit": git_commit(EXPERIMENTS.parent),
    }


def _user() -> str:
    # A container may have a user without a name.
    with contextlib.suppress(KeyError, OSError, ImportError):
        return getpass.getuser()
    return ""


def _description(experiment: Experiment) -> str:
    """Markdown for MLflow's page. Not a block of code: a long line of one makes the page wider than the window."""
    return f"{experiment.description}\n\nLaunched with: `{_command(experiment).replace('`', chr(39))}`"


def _command(experiment: Experiment) -> str:
    return this_start().train(experiment.launch.without_secrets(redactor().value))


def say_rare_characters(experiment: Experiment, dataset: Dataset, echo: Echo) -> None:
    """Say which characters of the dictionary the training texts hardly have; nothing of the demo set, or without one."""
    if dataset.dictionary is None or experiment.demo is not None:
        return
    charset = dictionary_as(experiment.trainer, dataset.dictionary).charset
    for sentence in character_use_of([dataset.train], charset, [dataset.val]).sentences():
        echo(f"characters: {sentence}")


def say_exposed_params(tracker: Tracker, echo: Echo) -> None:
    """Warn of credentials in the params that `mlflow run` has logged of this launch."""
    launched_as = os.environ.get("MLFLOW_RUN_ID", "")
    if not launched_as or tracker.offline:
        return
    with contextlib.suppress(OcrTrainError):
        if warning := exposed_params(get_run(tracker.client, launched_as).data.params):
            echo(warning)


def say_default_experiment(tracker: Tracker, task: str, echo: Echo) -> None:
    """Say how the next run gets to the experiment of its task: MLflow does not move one."""
    launched_as = os.environ.get("MLFLOW_RUN_ID", "")
    if launched_as and tracker.run_id == launched_as and tracker.experiment_id == DEFAULT:
        echo(
            "`mlflow run` has made this run in MLflow's experiment Default. To have it among the others of its kind: "
            f"--experiment-name {experiment_name(task)}"
        )


def tag_setting(tracker: Tracker, launch: LaunchRequest, request: ResumeRequest) -> None:
    """Say in the run where it trains, on what, and with which versions: by this, resume=auto knows it again."""
    tracker.set_tags(
        {
            "device": launch.device.name,
            "warning": launch.device.warning,
            "dataset_digest": request.dataset_digest,
            CONFIG_TAG: request.config_digest,
        }
        | version_tags(launch)
    )


def version_tags(launch: LaunchRequest) -> dict[str, str]:
    """The versions of what trains, as tags of the run."""
    return {f"version.{name}": version for name, version in launch.versions.items()}


def _log_steps(tracker: Tracker, run: Run, before: Reopened | None) -> None:
    """Where a run that goes on has epochs of another length than its param says, that is a point: resuming needs it."""
    steps = str(run.steps_per_epoch)
    if before and (STEPS_METRIC in before.logged_until or before.params.get(STEPS_METRIC, steps) != steps):
        now = int(time.time() * 1000)
        tracker.log_metrics({STEPS_METRIC: run.steps_per_epoch}, step=run.step_offset, time_ms=now)


def log_start(
    experiment: Experiment,
    dataset: Dataset,
    rendered: Rendered,
    run: Run,
    started: StartedRun,
    settled: Settled,
) -> None:
    """Params, dataset and configuration, before the first step."""
    tracker, before = started.tracker, started.reopened
    params = {f"cfg/{key}": value for key, value in flatten(rendered.config)}
    params["effective_batch"] = rendered.effective_batch
    params["data/train_samples"] = dataset.train_samples
    params["data/val_samples"] = dataset.val_samples
    if dataset.sources:
        params["data/parts"] = spell_parts(dataset)
    tracker.set_tags({"val_digest": run.val_digest})
    params["data/quarantined"] = dataset.quarantined
    params["data/leaked_val_samples"] = dataset.leaked
    params[STEPS_METRIC] = run.steps_per_epoch
    if settled.source:
        params["cfg/pretrained"] = settled.source
    # `mlflow run` logs them itself.
    if not os.environ.get("MLFLOW_RUN_ID"):
        params |= {key: value for key, value in vars(experiment.launch).items() if value}
    # MLflow never changes a param: what a run that goes on was started with stays, param_drift has the rest.
    tracker.log_params(
        {key: value for key, value in params.items() if not before or key not in before.params}
    )
    _log_steps(tracker, run, before)
    resolved = tracker.folder / "experiment.yaml"
    launch = {key: value for key, value in vars(experiment.launch).items() if value}
    document = redactor().mapping({"launch": launch, "task": experiment.task, "paddleocr": rendered.plain})
    resolved.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    manifest = tracker.folder / "data" / "manifest.jsonl"
    write_manifest(dataset.manifest, manifest)
    if before is None or dataset.manifest.digest not in before.digests:
        tracker.log_dataset(
            name=dataset_name(experiment),
            digest=dataset.manifest.digest,
            source=dataset.source,
            profile=f'{{"train": {dataset.train_samples}, "val": {dataset.val_samples}}}',
        )
        log_parts_as_inputs(dataset, tracker, before.digests if before else ())
    for path, folder in (
        (resolved, "config"),
        (tracker.folder / CLEAN_CONFIG, "config"),
        (manifest, "dataset"),
        *((path, "dataset") for path in (*dataset.reports, *write_parts(dataset, manifest.with_name(PARTS)))),
    ):
        if path.is_file():
            tracker.log_file(path, folder)
