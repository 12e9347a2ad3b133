"""What an experiment is told, so that MLflow's own page compares its runs well; batches that come again; answers of `{}`, which is all
that MLflow says to a write: whoever answers so without having it is found out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ocr_train.errors import TrackingError
from ocr_train.runs.sync import sync_run
from ocr_train.tracking import mlflow_client
from ocr_train.tracking.artifact_delivery import log_input
from ocr_train.tracking.experiments import name_primary_metric
from ocr_train.tracking.journal import Batch, Metric, Param, Tag
from ocr_train.tracking.mlflow_client import connect, end_run, send_batch
from ocr_train.tracking.outbox import DatasetInput
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, mlflow_store
from tests.commands import client

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
NAME = "mlflow.experiment.primaryMetric.name"


def test_the_first_run_names_the_primary_metric(store_folder: Path) -> None:
    """MLflow's charts begin with it."""
    mlflow = client(f"sqlite:///{store_folder / 'mlflow.db'}")
    name_primary_metric(mlflow, "0", "best/hmean")
    tags = mlflow.get_experiment("0").tags
    assert tags[NAME] == "best/hmean"
    assert tags["mlflow.experiment.primaryMetric.greaterIsBetter"] == "True"


def test_a_choice_that_somebody_made_stays(store_folder: Path) -> None:
    """Another model's run in the same experiment does not change it."""
    mlflow = client(f"sqlite:///{store_folder / 'mlflow.db'}")
    mlflow.set_experiment_tag("0", NAME, "eval/acc")
    name_primary_metric(mlflow, "0", "best/hmean")
    assert mlflow.get_experiment("0").tags[NAME] == "eval/acc"


def test_an_experiment_that_is_gone_stops_nothing(store_folder: Path) -> None:
    """It is a nicety."""
    name_primary_metric(client(f"sqlite:///{store_folder / 'mlflow.db'}"), "4711", "best/hmean")


class Database:
    """MLflow's client on a server before MLflow 3, whose database says in its own words that a row is there."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.metrics: set[tuple[str, float, int, int]] = set()
        self.calls = 0

    def log_batch(
        self, _run_id: str, metrics: Sequence[Any] = (), params: Sequence[Any] = (), tags: Sequence[Any] = ()
    ) -> None:
        """Take all of it, or say that something is there."""
        from mlflow.exceptions import MlflowException

        self.calls += 1
        points = {(one.key, one.value, one.timestamp, one.step) for one in metrics}
        if points & self.metrics:
            raise MlflowException(self.words)
        self.metrics |= points

    def get_metric_history(self, _run_id: str, key: str) -> list[Any]:
        """The points of one metric."""
        from mlflow.entities import Metric as Point

        return [Point(*one) for one in self.metrics if one[0] == key]


@pytest.mark.parametrize(
    "words",
    [
        "(sqlite3.IntegrityError) UNIQUE constraint failed: metrics.key, metrics.timestamp",
        "(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint",
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'x' for key 'metrics.PRIMARY'\")",
        "Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object 'dbo.metrics'",
    ],
)
def test_points_that_are_there_are_not_sent_again(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the database; and what is missing is sent in one call."""
    monkeypatch.setattr(mlflow_client, "_require_taken", lambda *_: None)
    database = Database(words)
    metrics = [Metric(key="a", value=0.5, step=step, time_ms=step) for step in range(6)]
    send_batch(database, "r", Batch(metrics=metrics[:3]))
    send_batch(database, "r", Batch(metrics=metrics))
    assert {step for _, _, _, step in database.metrics} == set(range(6))
    assert database.calls == 3


BATCH = Batch(
    metrics=(
        Metric(key="train/loss", value=float("nan"), step=1, time_ms=1),
        Metric(key="train/loss", value=0.5, step=2, time_ms=2),
    ),
    params=(Param(key="epochs", value="4"),),
    tags=(Tag(key="model", value="rec"),),
)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _store_template: Path) -> Any:
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


def test_what_is_only_said_to_be_done_waits_until_it_is(connected: Any, tmp_path: Path) -> None:
    """Metrics, params, tags, dataset and final status: all of it is pending, and `sync` brings it once it can."""
    nodding = Nodding(connected)
    tracker = Tracker.start(connected, tmp_path / "runs", name="x")
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
    run = connected.get_run(tracker.run_id)
    assert (run.info.status, run.data.metrics, run.data.params) == (
        "FINISHED",
        {"train/loss": 0.5},
        {"epochs": "4"},
    )
    assert run.data.tags["model"] == "rec"
    assert [one.dataset.digest for one in run.inputs.dataset_inputs] == ["digest-1"]


def test_what_is_there_is_taken(connected: Any) -> None:
    """Twice, and where the run has gone on since."""
    run_id = connected.create_run("0").info.run_id
    for _ in range(2):
        send_batch(connected, run_id, BATCH)
    connected.log_metric(run_id, "train/loss", 0.4, step=3)
    mlflow_client._require_taken(connected, run_id, BATCH)


@pytest.mark.parametrize(
    ("batch", "name"),
    [
        (Batch(metrics=(Metric(key="train/loss", value=0.1, step=3, time_ms=3),)), "train/loss"),
        (Batch(metrics=(Metric(key="eval/acc", value=0.1, step=0, time_ms=3),)), "eval/acc"),
        (Batch(params=(Param(key="seed", value="1"),)), "seed"),
        (Batch(tags=(Tag(key="heartbeat", value="now"),)), "heartbeat"),
    ],
)
def test_what_is_not_there_is_named(connected: Any, batch: Batch, name: str) -> None:
    """Each kind of record by itself."""
    run_id = connected.create_run("0").info.run_id
    send_batch(connected, run_id, BATCH)
    with pytest.raises(TrackingError, match=f"does not have '{name}'"):
        mlflow_client._require_taken(connected, run_id, batch)


def test_a_status_and_a_dataset_that_are_not_there_are_noticed(connected: Any) -> None:
    """The run is still RUNNING, and on no dataset."""
    nodding = Nodding(connected)
    run_id = connected.create_run("0").info.run_id
    with pytest.raises(TrackingError, match="RUNNING"):
        end_run(nodding, run_id, "FINISHED", 5)
    with pytest.raises(TrackingError, match="dataset"):
        log_input(nodding, run_id, DatasetInput(name="x", digest="digest-1", source="s3://b/x", profile="{}"))
    nodding.nods = False
    end_run(nodding, run_id, "FINISHED", 5)


def test_a_managed_server_without_its_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, with the package to install: MLflow itself speaks of an unsupported address."""
    arn = "arn:aws:sagemaker:ap-southeast-1:123456789012:mlflow-tracking-server/ocr"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", arn)
    with pytest.raises(TrackingError, match="is not installed") as caught:
        connect()
    assert "sagemaker-mlflow" in caught.value.hint
