"""Brings what is in the outbox to the server: files and the dataset, from another thread, for as long as it must.

Checkpoints are not sent from here: the checkpoint worker does that while training goes on, `sync` afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.tracking.artifacts import ArtifactSink, upload_verified
from ocr_train.tracking.confirmed import require_dataset
from ocr_train.tracking.outbox import DatasetInput, File, Item, Outbox

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
        require_dataset(client, run_id, dataset.digest)
    except Exception as exc:
        raise TrackingError(f"the dataset cannot be logged: {first_line(exc)}") from exc


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
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._idle = threading.Condition()
        self._queue: dict[str, Item] = {}
        self._failures = 0
        self.last_error = ""
        self._thread = threading.Thread(target=self._run, name="artifact-delivery", daemon=True)

    def start(self) -> None:
        """Begin; what an earlier process left in the outbox goes first."""
        self._queue = {key: item for key, item in self.outbox.pending().items() if _ours(item)}
        self._thread.start()

    def add(self, item: Item) -> None:
        """Note `item` on disk and have it sent; returns at once."""
        key = self.outbox.add(item)
        with self._idle:
            self._queue[key] = item
        self._wake.set()

    @property
    def waiting(self) -> int:
        """How many items have not gone yet."""
        with self._idle:
            return len(self._queue)

    def flush(self, timeout_s: float) -> bool:
        """Send what is there; whether all of it got through in time."""
        deadline = time.monotonic() + timeout_s
        while self.waiting and time.monotonic() < deadline:
            self._wake.set()
            with self._idle:
                self._idle.wait_for(lambda: not self._queue, timeout=min(1.0, timeout_s))
        return not self.waiting

    def close(self) -> None:
        """Stop trying; what is left stays in the outbox."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._idle:
                key, item = next(iter(self._queue.items()), ("", None))
            if item is None:
                self._pause(1.0)
                continue
            try:
                self._send(item)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the item stays in the outbox
                self.last_error = first_line(exc)
                self._pause(RETRY_S[min(self._failures, len(RETRY_S) - 1)])
                self._failures += 1
                # One that can never go must not hold up the others.
                with self._idle:
                    self._queue[key] = self._queue.pop(key)
                continue
            self._failures = 0
            self.outbox.done(key)
            with self._idle:
                self._queue.pop(key, None)
                self._idle.notify_all()

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()


def _ours(item: Item) -> bool:
    return isinstance(item, File | DatasetInput)
