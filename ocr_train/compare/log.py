"""A comparison as a run of its own in MLflow: the page and its pictures as artifacts, marked so that it is taken
for no training run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocr_train.compare.select import KIND, KIND_TAG
from ocr_train.compare.values import RunData
from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.experiments import experiment_of

ARTIFACTS = "compare"
_TAG_LIMIT = 5000
_ENTRY_POINT = "mlflow.project.entryPoint"


def own_run(client: Any, run_id: str) -> str:
    """`run_id` where it is the run that `mlflow run -e compare` made for us, now marked so that it is never compared.

    Else nothing: MLFLOW_RUN_ID may name any run, a training even, which must not become a comparison. Raises
    `TrackingError`.
    """
    if not run_id:
        return ""
    try:
        if client.get_run(run_id).data.tags.get(_ENTRY_POINT) != KIND:
            return ""
        client.set_tag(run_id, KIND_TAG, KIND)
    except Exception as exc:
        raise TrackingError(f"run {run_id} cannot be marked as a comparison: {first_line(exc)}") from exc
    return run_id


def log_comparison(
    client: Any,
    runs: Sequence[RunData],
    files: Sequence[Path],
    *,
    summary: str,
    experiment_ids: Sequence[str],
    run_id: str = "",
) -> str:
    """Store `files` under `compare/` of the run `run_id`, else of a new one; the run's id.

    A new run goes to the experiment of the compared ones where it is one, else to that of MLFLOW_EXPERIMENT_NAME.
    It has no metrics and no model: filters and `resume=` never meet it. Raises `TrackingError`.
    """
    redact = redactor()
    names = ", ".join(run.name for run in runs)
    tags = {
        KIND_TAG: KIND,
        "compared_runs": ",".join(run.run_id for run in runs)[:_TAG_LIMIT],
        "mlflow.note.content": redact.text(
            f"{summary}\n\nOpen the artifact {ARTIFACTS}/index.html.\n\nRuns: {names}"
        )[:_TAG_LIMIT],
    }
    ours = not run_id
    try:
        if ours:
            home = experiment_ids[0] if len(set(experiment_ids)) == 1 else experiment_of(client)
            name = f"compare-{len(runs)}-runs-{time.strftime('%m%d-%H%M%S')}"
            run_id = str(client.create_run(home, run_name=name, tags=tags).info.run_id)
        else:
            for key, value in tags.items():
                client.set_tag(run_id, key, value)
    except Exception as exc:
        raise TrackingError(f"the comparison's run cannot be made in MLflow: {first_line(exc)}") from exc
    status = "FAILED"
    try:
        for path in files:
            RunArtifacts(client, run_id).upload(path, ARTIFACTS)
        status = "FINISHED"
    finally:
        # `mlflow run` ends its own.
        if ours:
            _end(client, run_id, status)
    return run_id


def _end(client: Any, run_id: str, status: str) -> None:
    try:
        client.set_terminated(run_id, status=status)
    except Exception as exc:
        raise TrackingError(f"run {run_id} cannot be ended: {first_line(exc)}") from exc
