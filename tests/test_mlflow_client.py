"""What an experiment is told, so that MLflow's own page compares its runs well."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.mlflow_client import name_primary_metric
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
