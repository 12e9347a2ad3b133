"""What a server's no is about: the run, or what was sent to it.

A run that is deleted, unknown or not ours to write is no fault of any record: everything waits for it.
"""

from __future__ import annotations

import contextlib
from typing import Any

from ocr_train.errors import OcrTrainError, TrackingError
from ocr_train.redaction.addresses import first_line

CREDENTIALS_HINT = (
    "Check MLFLOW_TRACKING_USERNAME/_PASSWORD or MLFLOW_TRACKING_TOKEN, and who may edit the experiment."
)


class RunRefused(TrackingError):  # noqa: N818 - it is about the run
    """The server answers, and takes nothing for this run. The whole text fits one line."""

    def __str__(self) -> str:
        return f"{self.problem} {self.hint}"


class RunUnknown(RunRefused):
    """The server has no run with this id."""


def check_run(client: Any, run_id: str) -> Any:
    """The run, from the server; raises `RunRefused` where it takes nothing for it, what MLflow raises where it
    does not answer."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as exc:
        raise_if_refused(exc, run_id)
        if exc.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise RunUnknown(
                f"this MLflow server does not know the run {run_id}: it is another server, or it has lost the run.",
                hint="Where MLFLOW_TRACKING_URI is right, `sync --new-run` with the run's folder creates it again.",
            ) from exc
        raise
    if run.info.run_id != run_id:
        raise TrackingError(
            f"the server that answers is not an MLflow server: asked for the run {run_id}, it names none."
        )
    if run.info.lifecycle_stage != "active":
        raise _deleted(client, run)
    return run


def raise_if_refused(exc: BaseException, run_id: str) -> None:
    """Raise `RunRefused` where what MLflow raised says that these credentials may not do this."""
    from mlflow.exceptions import MlflowException

    if isinstance(exc, MlflowException) and exc.get_http_status_code() in (401, 403):
        raise RunRefused(
            f"the MLflow server does not let these credentials write to the run {run_id}: {first_line(exc)}.",
            hint=CREDENTIALS_HINT,
        ) from exc


def refusal_reason(client: Any, run_id: str, exc: BaseException) -> str:
    """What to tell of an exception that a call for the run raised: what is wrong with the run, where that is it."""
    if isinstance(exc, RunRefused):
        return str(exc)
    # The first error is the one to tell.
    with contextlib.suppress(Exception):
        try:
            raise_if_refused(exc, run_id)
            check_run(client, run_id)
        except RunRefused as refused:
            return str(refused)
    return exc.problem if isinstance(exc, OcrTrainError) else first_line(exc)


def _deleted(client: Any, run: Any) -> RunRefused:
    info = run.info
    # Without it only the run itself is named.
    with contextlib.suppress(Exception):
        experiment = client.get_experiment(info.experiment_id)
        if experiment.lifecycle_stage != "active":
            return RunRefused(
                f"the experiment {experiment.name!r} of the run {info.run_id} is deleted in MLflow.",
                hint=f"Restore it: `mlflow experiments restore --experiment-id {info.experiment_id}`.",
            )
    return RunRefused(
        f"the run {info.run_id} is deleted in MLflow.",
        hint=f"Restore it: `mlflow runs restore --run-id {info.run_id}`.",
    )
