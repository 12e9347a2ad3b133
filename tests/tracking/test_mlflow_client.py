"""What an experiment is told, so that MLflow's own page compares its runs well; batches that come again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ocr_train.tracking import mlflow_client
from ocr_train.tracking.journal import Batch, Metric
from ocr_train.tracking.mlflow_client import name_primary_metric, send_batch
from tests.builders import MLFLOW_WARNING
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
    monkeypatch.setattr(mlflow_client, "require_taken", lambda *_: None)
    database = Database(words)
    metrics = [Metric(key="a", value=0.5, step=step, time_ms=step) for step in range(6)]
    send_batch(database, "r", Batch(metrics=metrics[:3]))
    send_batch(database, "r", Batch(metrics=metrics))
    assert {step for _, _, _, step in database.metrics} == set(range(6))
    assert database.calls == 3
