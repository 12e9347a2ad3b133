"""models:/ addresses: which run's checkpoint, or which files, a registered model or a LoggedModel stands for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.address import PATH, RUN, ResumeSpec, parse_resume, step_in
from ocr_train.errors import ConfigError, TrackingError
from ocr_train.redaction.addresses import first_line

_LOGGED = re.compile(r"models:/(?P<id>m-[0-9a-f]{32})(?:/.*)?")
_VERSION = re.compile(r"models:/(?P<name>[^@/]+)(?:@(?P<alias>[^@/]+)|/(?P<version>\d+))")


def locate(address: str, client: Any, folder: Path) -> ResumeSpec:
    """The run's checkpoint that `address` stands for, else a path in `folder` with its files.

    Raises `ConfigError` where there is no such model, `TrackingError` where its files could not be fetched.
    """
    if match := _LOGGED.fullmatch(address):
        return _logged(address, match["id"], client, folder)
    match = _VERSION.fullmatch(address)
    if match is None:
        raise ConfigError(
            f"resume={address!r} does not name a version of a model.",
            hint="Give models:/NAME@ALIAS, models:/NAME/VERSION, or models:/ and the id of a logged model.",
        )
    version = _version(address, match, client)
    source, run_id = str(version.source or ""), str(version.run_id or "")
    if source.startswith("runs:/"):
        return parse_resume(source)
    if _LOGGED.fullmatch(source):
        return locate(source, client, folder)
    step = step_in(source)
    if run_id and step is not None and f"/{run_id}/" in source:
        return ResumeSpec(kind=RUN, text=address, run_id=run_id, step=step)
    return _downloaded(address, source, folder)


def _version(address: str, match: re.Match[str], client: Any) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        if match["alias"]:
            return client.get_model_version_by_alias(match["name"], match["alias"])
        return client.get_model_version(match["name"], match["version"])
    except MlflowException as exc:
        raise ConfigError(
            f"resume={address}: {first_line(exc)}",
            hint="Look at the Models page of MLflow, and check that MLFLOW_TRACKING_URI names the same server.",
        ) from exc


def _logged(address: str, model_id: str, client: Any, folder: Path) -> ResumeSpec:
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_logged_model(model_id)
    except MlflowException as exc:
        raise ConfigError(
            f"resume={address}: {first_line(exc)}", hint="Copy the id from the MLflow page."
        ) from exc
    if str(model.status) not in ("READY", "LoggedModelStatus.READY"):
        raise ConfigError(
            f"resume={address}: the model is {model.status}: its upload was not finished.",
            hint="Name the run it comes from.",
        )
    return _downloaded(address, f"models:/{model_id}", folder)


def _downloaded(address: str, source: str, folder: Path) -> ResumeSpec:
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    try:
        local = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder))
    except Exception as exc:
        raise TrackingError(f"resume={address}: its files could not be fetched: {first_line(exc)}") from exc
    return ResumeSpec(kind=PATH, text=local)
