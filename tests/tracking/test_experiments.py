"""Which MLflow experiment a run goes to, and in which ones earlier runs are looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.errors import TrackingError
from ocr_train.runs.listing import OWN_TAG, list_runs
from ocr_train.tracking.experiments import experiment_name, experiment_of, experiments_searched
from ocr_train.tracking.mlflow_client import runs_of_model
from ocr_train.tracking.tracker import Tracker
from tests.commands import client as client_on
from tests.commands import store

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def client(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store in which nothing was done."""
    monkeypatch.chdir(store_folder)
    return client_on(store(store_folder))


def name_of(client: Any, experiment_id: str) -> str:
    """The experiment's name."""
    return str(client.get_experiment(experiment_id).name)


def test_a_run_has_the_experiment_of_its_task(client: Any, tmp_path: Path) -> None:
    """Made by the first, used by the next; tagged for MLflow's model-training views and described."""
    homes = []
    for name in ("a", "b"):
        tracker = Tracker.start(client, tmp_path / "outputs", name=name, experiment=experiment_name("rec"))
        tracker.finish("FINISHED", timeout_s=5)
        homes.append(client.get_run(tracker.run_id).info.experiment_id)
    assert len(set(homes)) == 1
    experiment = client.get_experiment(homes[0])
    assert experiment.name == "paddleocr-rec"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


@pytest.mark.parametrize("variable", ["MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"])
def test_a_named_experiment_wins(client: Any, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """By name, where it is made, and by id."""
    value = "mine" if variable.endswith("NAME") else str(client.create_experiment("mine"))
    monkeypatch.setenv(variable, value)
    assert name_of(client, experiment_of(client, "paddleocr-det")) == "mine"
    assert client.get_experiment_by_name("paddleocr-det") is None


def test_without_a_task_it_is_default(client: Any) -> None:
    """What is about no model, such as a comparison of runs of several experiments."""
    assert experiment_of(client) == "0"


def test_a_deleted_experiment_is_said_with_the_way_back(client: Any) -> None:
    """MLflow keeps the name of a deleted one."""
    number = client.create_experiment("paddleocr-det")
    client.delete_experiment(number)
    with pytest.raises(TrackingError, match=f"restore --experiment-id {number}"):
        experiment_of(client, "paddleocr-det")


class Refusing:
    """A server on which experiments are made by somebody else, at the same moment or only."""

    def __init__(self, client: Any, code: str, *, made_meanwhile: bool) -> None:
        self._client = client
        self._code = code
        self._made_meanwhile = made_meanwhile

    def create_experiment(self, name: str) -> str:
        """Refuse."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import ErrorCode

        if self._made_meanwhile:
            self._client.create_experiment(name)
        raise MlflowException("no", error_code=ErrorCode.Value(self._code))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_two_starts_at_once_share_the_experiment(client: Any) -> None:
    """Who comes second takes the one that is there then."""
    second = Refusing(client, "RESOURCE_ALREADY_EXISTS", made_meanwhile=True)
    assert name_of(client, experiment_of(second, "paddleocr-cls")) == "paddleocr-cls"


def test_who_may_make_no_experiment_trains_in_default(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not where one was named: that is an error."""
    refusing = Refusing(client, "PERMISSION_DENIED", made_meanwhile=False)
    assert experiment_of(refusing, "paddleocr-det") == "0"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with pytest.raises(TrackingError, match="'mine' cannot be used"):
        experiment_of(refusing, "paddleocr-det")


@pytest.fixture
def homes(client: Any) -> dict[str, str]:
    """A run of the model rec, with a launch command, in each of four experiments: run ids by experiment."""
    tags = {"model": "rec", OWN_TAG: "train"}
    places = {"Default": "0"} | {
        name: client.create_experiment(name) for name in ("paddleocr-rec", "paddleocr-det", "mine")
    }
    return {
        name: client.create_run(number, start_time=start + 1, tags=tags).info.run_id
        for start, (name, number) in enumerate(places.items())
    }


@pytest.mark.parametrize("named", ["", "Default", "paddleocr-rec"])
def test_earlier_runs_are_found_in_default_and_in_our_own_experiments(
    client: Any, homes: dict[str, str], monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Those of before lie in Default, as do those that `mlflow run` makes; the newest comes first."""
    if named:
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", named)
    expected = [homes[name] for name in ("paddleocr-det", "paddleocr-rec", "Default")]
    assert [run.info.run_id for run in runs_of_model(client, "rec")] == expected
    assert [info.run_id for info in list_runs(client)] == expected


def test_the_id_that_mlflow_run_hands_over_is_read_by_its_name(
    client: Any, homes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLFLOW_EXPERIMENT_ID is set in every child of `mlflow run`: 0 where nobody named one."""
    searched = experiments_searched(client)
    for name in ("Default", "paddleocr-det"):
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", client.get_experiment_by_name(name).experiment_id)
        assert experiments_searched(client) == searched


@pytest.mark.parametrize("variable", ["MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"])
def test_an_experiment_of_ones_own_is_searched_alone(
    client: Any, homes: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Whoever keeps runs apart does not get those of others."""
    number = client.get_experiment_by_name("mine").experiment_id
    monkeypatch.setenv(variable, "mine" if variable.endswith("NAME") else number)
    assert [run.info.run_id for run in runs_of_model(client, "rec")] == [homes["mine"]]
