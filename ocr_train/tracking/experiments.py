"""Which MLflow experiment runs go to, and in which ones earlier runs are looked for.

Runs have an experiment of their own, `paddleocr-<task>`, unless one is named. `mlflow run` makes its run before we are
started, in Default where none is named, and MLflow moves no run: so earlier runs are looked for in both.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line

DEFAULT = "0"
"""The id of MLflow's experiment Default."""
OWN = "paddleocr-"
"""What the names of our own experiments begin with; the task follows."""
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}


def experiment_name(task: str) -> str:
    """The experiment of the runs that train for `task` (det, rec, cls, ...), where none is named."""
    return f"{OWN}{task}"


def experiment_of(client: Any, otherwise: str = "") -> str:
    """The id of the experiment that MLflow's own variables name, else of the one called `otherwise`, else of Default.

    One that is not there is made. Raises `TrackingError`.
    """
    if given := os.environ.get("MLFLOW_EXPERIMENT_ID", ""):
        return given
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
    if not name and not otherwise:
        return DEFAULT
    try:
        return _found_or_made(client, name or otherwise)
    except Exception as exc:
        if not name and getattr(exc, "error_code", "") == "PERMISSION_DENIED":
            # Whoever may make none trains all the same.
            return DEFAULT
        raise TrackingError(
            f"the experiment {name or otherwise!r} cannot be used: {first_line(exc)}",
            hint="Check the server's log, or name another one in MLFLOW_EXPERIMENT_NAME.",
        ) from exc


def _found_or_made(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as exc:
            if exc.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        # Another start made it in this moment.
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        number = found.experiment_id
        raise TrackingError(
            f"it is deleted: `mlflow experiments restore --experiment-id {number}` brings it back"
        )
    return str(found.experiment_id)


def experiments_searched(client: Any) -> list[str]:
    """The ids of the experiments in which earlier runs are looked for: the one that is named, alone; where none is
    named, or it is one of ours or Default, all of these. Raises `TrackingError`."""
    given = os.environ.get("MLFLOW_EXPERIMENT_ID", "")
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
    try:
        if given and given != DEFAULT:
            name = str(client.get_experiment(given).name)
        elif given:
            name = ""
        if name not in ("", "Default") and not name.startswith(OWN):
            return [given or experiment_of(client)]
        ours = client.search_experiments(filter_string=f"name LIKE '{OWN}%'", max_results=1000)
    except TrackingError:
        raise
    except Exception as exc:
        raise TrackingError(f"the experiments cannot be searched: {first_line(exc)}") from exc
    return [DEFAULT, *(str(one.experiment_id) for one in ours if str(one.experiment_id) != DEFAULT)]


def mark_as_training(client: Any, experiment_id: str) -> str:
    """Have MLflow's page open on runs and curves instead of on its GenAI views, unless somebody chose a kind.

    The experiment's name comes back, "" where the server does not tell it.
    """
    return _suggest(client, experiment_id, MODEL_TRAINING)


def name_primary_metric(client: Any, experiment_id: str, metric: str) -> None:
    """Have MLflow's page begin with the chart of `metric` (higher is better), unless somebody chose one."""
    primary = "mlflow.experiment.primaryMetric"
    _suggest(client, experiment_id, {f"{primary}.name": metric, f"{primary}.greaterIsBetter": "True"})


def _suggest(client: Any, experiment_id: str, tags: Mapping[str, str]) -> str:
    """Set tags of the experiment unless it has one of them; its name, "" where the server does not tell it."""
    from mlflow.exceptions import MlflowException

    name = ""
    # A nicety: some are not allowed to.
    with contextlib.suppress(MlflowException):
        experiment = client.get_experiment(experiment_id)
        name = str(experiment.name)
        if not tags.keys() & experiment.tags.keys():
            for key, value in tags.items():
                client.set_experiment_tag(experiment_id, key, value)
    return name
