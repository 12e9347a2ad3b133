"""What is found out about a run after its end: added to it at once, without a journal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.journal import Batch, Metric, Tag
from ocr_train.tracking.metric_names import legal_name
from ocr_train.tracking.mlflow_client import send_batch
from ocr_train.tracking.tracker import TAG_LIMIT


def add_to_run(
    client: Any,
    run_id: str,
    *,
    metrics: Mapping[str, float] | None = None,
    step: int = 0,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log `metrics` at `step` and set `tags`, without secrets; raises `TrackingError` where the server does not
    take them."""
    now = int(time.time() * 1000)
    redact = redactor()
    batch = Batch(
        metrics=[
            Metric(key=legal_name(key), value=float(value), step=step, time_ms=now)
            for key, value in (metrics or {}).items()
        ],
        tags=[
            Tag(key=key, value=redact.text(value).encode()[:TAG_LIMIT].decode("utf-8", "ignore"))
            for key, value in (tags or {}).items()
        ],
    )
    try:
        send_batch(client, run_id, batch)
    except Exception as exc:
        raise TrackingError(
            f"the run {run_id} does not accept what was found out: {first_line(exc)}",
            hint="Check MLFLOW_TRACKING_URI and that the run is not deleted.",
        ) from exc
