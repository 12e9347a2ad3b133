"""The scores of a logged model: the points of its run's evaluation, tied to the model."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ocr_train.models.metadata import ModelPart


def tie_metrics(client: Any, model_id: str, parts: Sequence[ModelPart]) -> None:
    """Tie the evaluation's points to the model, so that MLflow's model list can be sorted by them.

    They are the run's own points once more, with their own times, so that its curves stay as they are. A run
    that is not there, or a server that does not know this, only makes the list poorer.
    """
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    for part in parts:
        if not part.run_id or part.step is None:
            continue
        with contextlib.suppress(MlflowException):
            dataset = _dataset_name(client, part)
            points = [
                Metric(
                    point.key,
                    point.value,
                    point.timestamp,
                    point.step,
                    model_id=model_id,
                    run_id=part.run_id,
                    dataset_name=dataset,
                    dataset_digest=part.dataset_digest[:36] or None,
                )
                for name in part.metrics
                for point in client.get_metric_history(part.run_id, f"eval/{name}")
                if point.step == part.step
            ]
            if points:
                client.log_batch(part.run_id, metrics=points)


def _dataset_name(client: Any, part: ModelPart) -> str | None:
    """What the run calls the data that the part was scored on."""
    inputs = client.get_run(part.run_id).inputs
    named = {one.dataset.digest: one.dataset.name for one in (inputs.dataset_inputs if inputs else ())}
    return named.get(part.dataset_digest[:36]) or part.model or None
