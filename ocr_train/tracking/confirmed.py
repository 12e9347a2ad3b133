"""What a server says it took is asked for: `{}` is all that MLflow answers to a write, and anything may say `{}`."""

from __future__ import annotations

from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.tracking.journal import Batch
from ocr_train.tracking.refusals import check_run


def require_taken(client: Any, run_id: str, batch: Batch) -> None:
    """Raise `TrackingError` where the run lacks something of the batch that was just sent: a param, a tag, or a metric
    as far as its last step. MLflow tells no more of a run in one call."""
    data = check_run(client, run_id).data
    steps = {metric.key: metric.step for metric in data.to_proto().metrics}
    lacking = [
        *(metric.key for metric in batch.metrics if steps.get(metric.key, metric.step - 1) < metric.step),
        *(param.key for param in batch.params if param.key not in data.params),
        *(tag.key for tag in batch.tags if tag.key not in data.tags),
    ]
    if lacking:
        raise TrackingError(
            f"the MLflow server confirmed {len(batch)} value(s), but does not have {lacking[0]!r}."
        )


def require_dataset(client: Any, run_id: str, digest: str) -> None:
    """Raise `TrackingError` where the run lacks the dataset."""
    inputs = check_run(client, run_id).inputs
    if digest not in [one.dataset.digest for one in (inputs.dataset_inputs if inputs else ())]:
        raise TrackingError("the MLflow server confirmed the dataset, but does not have it.")


def end_run(client: Any, run_id: str, status: str, end_time: int) -> None:
    """Give the run its final status; raises `TrackingError` where it has another one then."""
    client.set_terminated(run_id, status=status, end_time=end_time)
    there = str(check_run(client, run_id).info.status)
    if there != status:
        raise TrackingError(f"the MLflow server confirmed the status {status}, but shows {there!r}.")
