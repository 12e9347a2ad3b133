"""An answer of `{}` is all that MLflow says to a write: whoever answers so without having it is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.errors import TrackingError
from ocr_train.runs.sync import sync_run
from ocr_train.tracking.confirmed import end_run, require_dataset, require_taken
from ocr_train.tracking.journal import Batch, Metric, Param, Tag
from ocr_train.tracking.mlflow_client import connect, send_batch
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, mlflow_store

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
BATCH = Batch(
    metrics=(
        Metric(key="train/loss", value=float("nan"), step=1, time_ms=1),
        Metric(key="train/loss", value=0.5, step=2, time_ms=2),
    ),
    params=(Param(key="epochs", value="4"),),
    tags=(Tag(key="model", value="rec"),),
)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _store_template: Path) -> Any:
    """A client on a store of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store(tmp_path, _store_template))
    monkeypatch.setattr("ocr_train.tracking.journal_delivery.RETRY_S", (0.02,))
    monkeypatch.setattr("ocr_train.tracking.artifact_delivery.RETRY_S", (0.02,))
    return connect()


class Nodding:
    """MLflow's client behind something that answers every write with `{}`, and does nothing of it while `nods`."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.nods = True
        self.nodded: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if self.nods and name in ("log_batch", "set_terminated", "log_inputs", "set_tag"):
            self.nodded.add(name)
            return lambda *_args, **_kwargs: None
        return getattr(self._client, name)


def test_what_is_only_said_to_be_done_waits_until_it_is(client: Any, tmp_path: Path) -> None:
    """Metrics, params, tags, dataset and final status: all of it is pending, and `sync` brings it once it can."""
    nodding = Nodding(client)
    tracker = Tracker.start(client, tmp_path / "runs", name="x")
    tracker.client = nodding
    tracker.log_metrics({"train/loss": 0.5}, step=1, time_ms=1)
    tracker.log_params({"epochs": 4})
    tracker.set_tags({"model": "rec"})
    tracker.log_dataset(name="words", digest="digest-1", source="s3://b/words", profile="{}")
    delivered = tracker.finish("FINISHED", timeout_s=0.5)
    assert (delivered.status_set, delivered.pending_items) == (False, 1)
    assert delivered.pending_bytes > 0
    assert "the MLflow server confirmed" in delivered.last_error
    assert not sync_run(tracker.folder, lambda _uri: nodding, lambda _text: None).complete
    nodding.nods = False
    assert sync_run(tracker.folder, lambda _uri: nodding, lambda _text: None).complete
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.metrics, run.data.params) == (
        "FINISHED",
        {"train/loss": 0.5},
        {"epochs": "4"},
    )
    assert run.data.tags["model"] == "rec"
    assert [one.dataset.digest for one in run.inputs.dataset_inputs] == ["digest-1"]


def test_what_is_there_is_taken(client: Any) -> None:
    """Twice, and where the run has gone on since."""
    run_id = client.create_run("0").info.run_id
    for _ in range(2):
        send_batch(client, run_id, BATCH)
    client.log_metric(run_id, "train/loss", 0.4, step=3)
    require_taken(client, run_id, BATCH)


@pytest.mark.parametrize(
    ("batch", "name"),
    [
        (Batch(metrics=(Metric(key="train/loss", value=0.1, step=3, time_ms=3),)), "train/loss"),
        (Batch(metrics=(Metric(key="eval/acc", value=0.1, step=0, time_ms=3),)), "eval/acc"),
        (Batch(params=(Param(key="seed", value="1"),)), "seed"),
        (Batch(tags=(Tag(key="heartbeat", value="now"),)), "heartbeat"),
    ],
)
def test_what_is_not_there_is_named(client: Any, batch: Batch, name: str) -> None:
    """Each kind of record by itself."""
    run_id = client.create_run("0").info.run_id
    send_batch(client, run_id, BATCH)
    with pytest.raises(TrackingError, match=f"does not have '{name}'"):
        require_taken(client, run_id, batch)


def test_a_status_and_a_dataset_that_are_not_there_are_noticed(client: Any) -> None:
    """The run is still RUNNING, and on no dataset."""
    nodding = Nodding(client)
    run_id = client.create_run("0").info.run_id
    with pytest.raises(TrackingError, match="RUNNING"):
        end_run(nodding, run_id, "FINISHED", 5)
    with pytest.raises(TrackingError, match="dataset"):
        require_dataset(client, run_id, "digest-1")
    nodding.nods = False
    end_run(nodding, run_id, "FINISHED", 5)
