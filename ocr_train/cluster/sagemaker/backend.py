"""`mlflow run . -b sagemaker -c FILE.json`: an MLflow project backend that trains in an Amazon SageMaker job.

The interface is MLflow's `mlflow.projects.backend.abstract_backend` and `mlflow.projects.SubmittedRun`; MLflow calls the
methods and does not ask for the classes, so that importing this file loads nothing heavy. The image's own code trains: the
project that is named decides nothing but what is written on the run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ocr_train.cluster.sagemaker.options import read_options
from ocr_train.cluster.sagemaker.request import JobRequest
from ocr_train.cluster.sagemaker.service import Job, SageMaker
from ocr_train.cluster.sagemaker.submission import checked, end_run_of, make_run
from ocr_train.config.overrides import nearest
from ocr_train.config.parameters import PARAMETERS, Launch
from ocr_train.errors import ConfigError, OcrTrainError
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.launched_run import end
from ocr_train.tracking.mlflow_client import connect

_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Stopped": "KILLED"}
"""MLflow's words for what SageMaker says of a job that is over."""

_OF_MLFLOW = frozenset(
    {"ENV_MANAGER", "SYNCHRONOUS", "DOCKER_ARGS", "STORAGE_DIR", "build_image", "docker_auth"}
)
"""What MLflow itself adds to a backend's configuration: `mlflow/projects/utils.py`."""


class SageMakerRun:
    """A submitted job, as MLflow's `SubmittedRun` has it."""

    def __init__(self, run_id: str, job: str, service: SageMaker, client: Any) -> None:
        self._run_id = run_id
        self.job = job
        self._service = service
        self._client = client

    @property
    def run_id(self) -> str:
        """The MLflow run that the job writes into."""
        return self._run_id

    def wait(self) -> bool:
        """Wait for the end of the job; whether it was completed."""
        job = self._service.wait(self.job)
        end_run_of(self._client, job)
        return job.status == "Completed"

    def get_status(self) -> str:
        """RUNNING, FINISHED, FAILED or KILLED."""
        job: Job = self._service.describe(self.job)
        return _STATUS.get(job.status, "RUNNING")

    def cancel(self) -> None:
        """Stop the job and wait for its end."""
        if not self._service.describe(self.job).over:
            self._service.stop(self.job)
        self.wait()


class SageMakerBackend:
    """What MLflow makes for `-b sagemaker`; `service` opens a region."""

    def __init__(self, service: Callable[[str], SageMaker] = SageMaker) -> None:
        self._service = service

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, str] | None,
        version: str | None,
        backend_config: Mapping[str, object],
        tracking_uri: str,
        experiment_id: str,
    ) -> SageMakerRun:
        """Make the run, submit the job; raises MLflow's `ExecutionException` with our message."""
        from mlflow.exceptions import ExecutionException

        try:
            job = _job(entry_point, params or {}, backend_config, tracking_uri)
            for note in job.notes:
                _say(f"note: {note}")
            return self._submit(job, project_uri, version or "", tracking_uri, experiment_id)
        except OcrTrainError as exc:
            raise ExecutionException(redactor().text(str(exc))) from exc

    def _submit(
        self, job: JobRequest, project_uri: str, version: str, tracking_uri: str, experiment_id: str
    ) -> SageMakerRun:
        service = self._service(job.region)
        client = connect(tracking_uri)
        run_id = make_run(client, experiment_id, job, source=project_uri, version=version)
        try:
            arn = service.submit(
                job.with_environment({"MLFLOW_RUN_ID": run_id, "MLFLOW_EXPERIMENT_ID": str(experiment_id)})
            )
        except BaseException as exc:
            end(client, run_id, exc)
            raise
        _say(f"submitted {arn}")
        _say(f"its MLflow run: {run_id}")
        _say(f"watch it: python -m ocr_train sagemaker logs {job.name} --follow --region {job.region}")
        return SageMakerRun(run_id, job.name, service, client)


def _job(
    entry_point: str, params: Mapping[str, str], backend_config: Mapping[str, object], tracking_uri: str
) -> JobRequest:
    problems: list[str] = []
    if entry_point != "main":
        raise ConfigError(
            f"-e {entry_point}: a SageMaker job trains, which is the entry point main.",
            hint="Run the others on this machine, without -b sagemaker.",
        )
    for name in params.keys() - set(PARAMETERS):
        problems.append(f"-P {name}: there is no such parameter{nearest(name, list(PARAMETERS))}")
    launch = Launch(**{name: str(value).strip() for name, value in params.items() if name in PARAMETERS})
    chosen = {key: value for key, value in backend_config.items() if key not in _OF_MLFLOW}
    options = read_options(chosen, problems)
    if not options.tracking_uri:
        options = replace(options, tracking_uri=tracking_uri)
    job, _ = checked(launch, options, os.environ, datetime.now(timezone.utc), problems)
    return job


def _say(text: str) -> None:
    print(redactor().text(text), file=sys.stderr, flush=True)
