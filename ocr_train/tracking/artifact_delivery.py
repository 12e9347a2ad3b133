"""Brings what is in the outbox to the server: files and the dataset, from another thread, for as long as it must.

Checkpoints are not sent from here: the checkpoint worker does that while training runs, `sync` afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.tracking.artifacts import ArtifactSink, upload_verified
from ocr_train.tracking.outbox import DatasetInput, File, Item, Outbox
from ocr_train.tracking.refusals import check_run
from ocr_train.tracking.sender import Sender

RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)


def log_input(client: Any, run_id: str, dataset: DatasetInput) -> None:
    """Tie a run to its dataset, so that runs on different data show it. Raises `TrackingError`."""
    from mlflow.entities import Dataset, InputTag
    from mlflow.entities import DatasetInput as MlflowInput

    value = Dataset(
        name=dataset.name,
        digest=dataset.digest,
        source_type="uri",
        source=dataset.source,
        profile=dataset.profile,
    )
    tags = [InputTag(key="mlflow.data.context", value="training")]
    try:
        client.log_inputs(run_id, datasets=[MlflowInput(dataset=value, tags=tags)])
        inputs = check_run(client, run_id).inputs
    except Exception as exc:
        raise TrackingError(f"the dataset cannot be logged: {first_line(exc)}") from exc
    if dataset.digest not in [one.dataset.digest for one in (inputs.dataset_inputs if inputs else ())]:
        raise TrackingError("the MLflow server confirmed the dataset, but does not have it.")


def send_file(item: File, artifacts: ArtifactSink, run_folder: Path) -> None:
    """Store the file and read it back; one that is gone cannot be sent and is passed over.

    Raises `TrackingError`, `OSError`.
    """
    local = run_folder / item.path
    if local.is_file():
        upload_verified(artifacts, local, item.folder)


class ArtifactDelivery:
    """The thread that empties an outbox of its files and dataset; `send` takes one item and raises or not."""

    def __init__(self, outbox: Outbox, send: Callable[[Item], None]) -> None:
        self.outbox = outbox
        self._send = send
        self._lock = threading.Lock()
        self._queue: dict[str, Item] = {}
        self._sender = Sender("artifact-delivery", self._send_next, retry_s=RETRY_S)

    @property
    def last_error(self) -> str:
        """Why something could not be sent, the last time."""
        return self._sender.last_error

    def start(self) -> None:
        """Begin; what an earlier process left in the outbox goes first."""
        pending = self.outbox.pending().items()
        self._queue = {key: item for key, item in pending if isinstance(item, File | DatasetInput)}
        self._sender.start()

    def add(self, item: Item) -> None:
        """Note `item` on disk and have it sent; returns at once."""
        key = self.outbox.add(item)
        with self._lock:
            self._queue[key] = item
        self._sender.wake()

    @property
    def waiting(self) -> int:
        """How many items have not gone yet."""
        with self._lock:
            return len(self._queue)

    def flush(self, timeout_s: float) -> bool:
        """Send what is there; whether all of it got through in time."""
        return self._sender.flush(lambda: not self.waiting, timeout_s)

    def close(self) -> None:
        """Stop trying; what is left stays in the outbox."""
        self._sender.close()

    def _send_next(self) -> bool:
        with self._lock:
            key, item = next(iter(self._queue.items()), ("", None))
        if item is None:
            return False
        try:
            self._send(item)
        except Exception:
            # One that can never go must not hold up the others.
            with self._lock:
                self._queue[key] = self._queue.pop(key)
            raise
        self.outbox.done(key)
        with self._lock:
            self._queue.pop(key, None)
        return True
