"""From a launch to a job that may be submitted: the launch is checked as `train` would check it, and the MLflow run is made
and ended for it where the submitting side has one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ocr_train.cluster.sagemaker import bill
from ocr_train.cluster.sagemaker.options import JobOptions
from ocr_train.cluster.sagemaker.request import JobRequest, build
from ocr_train.cluster.sagemaker.service import Job
from ocr_train.config.experiment import EXPERIMENTS, Experiment, load_experiment
from ocr_train.config.overrides import parse_overrides
from ocr_train.config.parameter_values import parse_number
from ocr_train.config.parameters import Launch
from ocr_train.cost import Estimate
from ocr_train.errors import ConfigError, TrainingFailed, TrainingStopped
from ocr_train.redaction.redactor import OVERRIDES, redactor, remember, secrets_of
from ocr_train.tracking.launched_run import end

_BULLET = "  - "


def checked(
    launch: Launch,
    options: JobOptions,
    environ: Mapping[str, str],
    now: datetime,
    problems: Sequence[str] = (),
) -> tuple[JobRequest, Estimate | None]:
    """The job, and what it will take where that can be calculated; raises `ConfigError` with every problem in both."""
    values, _ = parse_overrides(launch.overrides)
    remember(secrets_of("", {**vars(launch), OVERRIDES: values}))
    found = list(problems)
    experiment = _experiment(launch, found)
    estimate = _estimate(launch, options, experiment, found)
    return build(launch, options, environ, now, found), estimate


def _experiment(launch: Launch, problems: list[str]) -> Experiment | None:
    if "/" in launch.model or launch.model.endswith((".yml", ".yaml")):
        problems.append(
            f"--model: {launch.model!r} is a file of this machine, which the image does not have: put it into experiments/ "
            "before the image is built, and give its name"
        )
        return None
    try:
        return load_experiment(launch, EXPERIMENTS)
    except ConfigError as exc:
        lines = [line.removeprefix(_BULLET) for line in exc.problem.splitlines() if line.startswith(_BULLET)]
        problems += lines or [exc.problem]
        return None


def _estimate(
    launch: Launch, options: JobOptions, experiment: Experiment | None, problems: list[str]
) -> Estimate | None:
    given = {"--samples": options.samples, "--seconds-per-sample": options.seconds_per_sample}
    if not any(given.values()):
        return None
    if missing := [name for name, value in given.items() if not value]:
        problems.append(f"{missing[0]}: the estimate needs it, too")
        return None
    before = len(problems)
    samples = parse_number(options.samples, "--samples", int, problems, least=1)
    seconds = parse_number(options.seconds_per_sample, "--seconds-per-sample", float, problems, least=0)
    machines = parse_number(options.count, "--count", int, [], least=1)
    if experiment is None or len(problems) > before:
        return None
    return bill.expected(
        seconds_per_sample=seconds,
        samples=samples,
        epochs=experiment.epochs,
        machines=machines,
        hourly_usd=experiment.hourly_usd,
    )


def make_run(client: Any, experiment_id: str, job: JobRequest, *, source: str, version: str) -> str:
    """Create the MLflow run that the job will write into; its id. It is SCHEDULED until the job has begun.

    Raises what MLflow raises. `source` is the project's address, `version` its commit, "" where there is none.
    """
    tags = {
        "mlflow.source.name": redactor().text(source),
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": "main",
        **({"mlflow.source.git.commit": version} if version else {}),
        "sagemaker.job": job.name,
        "sagemaker.region": job.region,
        "sagemaker.instance": f"{job.machines} x {job.request['ResourceConfig']['InstanceType']}",
    }
    run = client.create_run(experiment_id, tags=tags, run_name=job.name)
    client.update_run(run.info.run_id, status="SCHEDULED")
    return str(run.info.run_id)


def end_run_of(client: Any, job: Job) -> None:
    """End the job's run where the job is over and could not do it itself, as when its image was never pulled; a server that
    is away is not waited for."""
    if not job.over or not job.run_id:
        return
    with contextlib.suppress(Exception):
        if client.get_run(job.run_id).info.status in ("SCHEDULED", "RUNNING"):
            if job.status == "Completed":
                client.set_terminated(job.run_id, status="FINISHED")
            elif job.status == "Stopped":
                end(client, job.run_id, TrainingStopped(f"The SageMaker job was stopped ({job.secondary})."))
            else:
                end(client, job.run_id, TrainingFailed(f"The SageMaker job failed: {job.reason}"))
