"""Registering models: names, aliases, versions, what they keep and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils import validation

from ocr_train.config.registry_names import RegistryTarget, parse_target
from ocr_train.errors import ConfigError, TrackingError
from ocr_train.models import mlflow_model
from ocr_train.models.registry import find_version, register, versions_of_run
from ocr_train.runs.retention import pinned_by_registry
from ocr_train.server.serve import ServerAddress
from tests.builders import MLFLOW_WARNING
from tests.commands import client
from tests.exported_models import DIGEST, exported_folder, run_with

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


@pytest.fixture
def store(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client on an empty store, which is MLflow's own, too."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store_folder / 'mlflow.db'}")
    return client(f"sqlite:///{store_folder / 'mlflow.db'}")


def logged(store: Any, tmp_path: Path, *, step: int = 10, hmean: float = 0.5) -> mlflow_model.LoggedModel:
    """A det model that is logged to a run of its own."""
    run_id = run_with(store, step=step, hmean=hmean)
    folder = exported_folder(tmp_path / run_id, run_id=run_id, step=step, metrics={"hmean": hmean})
    return mlflow_model.log_model(store, run_id, [folder])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ocr-det", RegistryTarget(name="ocr-det")),
        ("ocr-det@challenger", RegistryTarget(name="ocr-det", alias="challenger")),
        (" ป้าย 2@a_b-1 ", RegistryTarget(name="ป้าย 2", alias="a_b-1")),
    ],
)
def test_a_target_is_a_name_and_perhaps_an_alias(text: str, target: RegistryTarget) -> None:
    """As MLflow's registry takes them, Thai included."""
    assert parse_target(text) == target
    validation._validate_model_name(target.name)
    if target.alias:
        validation._validate_model_alias_name(target.alias)


@pytest.mark.parametrize(
    "text",
    ["", "@champion", "a/b", "a:b", "..", "it's", "a`b", "n@", "n@latest", "n@V3", "n@a b", "n@a@b", "n @a"],
)
def test_a_target_that_the_registry_would_refuse_is_refused_at_once(text: str) -> None:
    """Before anything is exported or uploaded."""
    with pytest.raises(ConfigError, match="NAME@ALIAS"):
        parse_target(text)


def test_a_registered_version_says_what_it_is(store: Any, tmp_path: Path) -> None:
    """Run, data digest, checkpoint and main metric are tags; the alias points to it."""
    model = logged(store, tmp_path, hmean=0.75)
    done = register(store, model.uri, "ocr-det@challenger")
    assert (done.version, done.new, done.uri) == ("1", True, "models:/ocr-det@challenger")
    version = store.get_model_version_by_alias("ocr-det", "challenger")
    assert version.source == model.uri
    assert version.run_id == model.run_id
    wanted = {
        "task": "det",
        "run_id": model.run_id,
        "dataset_digest": DIGEST,
        "main_metric": "hmean",
        "value": "0.75",
        "checkpoint": "checkpoints/step_00000010",
        "checkpoint_sha256": "det-weights",
        "version.paddle": "3.0.0",
    }
    assert {key: version.tags.get(key) for key in wanted} == wanted
    listed = store.get_logged_model(model.model_id).tags["mlflow.modelVersions"]
    assert json.loads(listed) == [{"name": "ocr-det", "version": int(done.version)}]


def test_registering_again_makes_no_second_version(store: Any, tmp_path: Path) -> None:
    """Only the alias moves."""
    first, second = logged(store, tmp_path, hmean=0.1), logged(store, tmp_path, hmean=0.2)
    assert register(store, first.uri, "ocr@champion").version == "1"
    assert register(store, second.uri, "ocr").version == "2"
    again = register(store, second.uri, "ocr@champion")
    assert (again.version, again.new) == ("2", False)
    assert len(store.search_model_versions("name = 'ocr'")) == 2
    assert store.get_model_version_by_alias("ocr", "champion").version == 2


@pytest.mark.parametrize("uri", ["models:/ocr@champion", "runs:/1/model", f"models:/m-{'0' * 32}"])
def test_what_is_no_logged_model_cannot_be_registered(store: Any, uri: str) -> None:
    """Neither another version, nor a run, nor one that is not there."""
    with pytest.raises(ConfigError, match="logged model"):
        register(store, uri, "ocr")


def test_a_torn_model_cannot_be_registered(store: Any) -> None:
    """Its upload was not finished."""
    run_id = run_with(store)
    torn = store.create_logged_model("0", name="model", source_run_id=run_id)
    with pytest.raises(ConfigError, match="not complete"):
        register(store, f"models:/{torn.model_id}", "ocr")


def test_a_refusing_registry_is_an_error_with_the_way_to_go_on(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is logged by then: only registering is to be done again."""
    model = logged(store, tmp_path)

    def denied(*_: Any, **__: Any) -> None:
        raise MlflowException("permission denied")

    monkeypatch.setattr(store, "create_model_version", denied)
    with pytest.raises(TrackingError, match="permission denied") as caught:
        register(store, model.uri, "ocr@a")
    assert f"register {model.run_id} --name ocr@a" in caught.value.hint


def test_retention_keeps_the_checkpoint_of_a_registered_version(store: Any, tmp_path: Path) -> None:
    """That one, and no other."""
    model = logged(store, tmp_path, step=120)
    register(store, model.uri, "ocr-det@champion")
    pinned = pinned_by_registry(store, model.run_id)
    assert pinned.all_reason == ""
    assert pinned.steps.keys() == {120}
    assert pinned_by_registry(store, run_with(store)).steps == {}


def test_retention_keeps_the_checkpoint_of_a_logged_model(store: Any, tmp_path: Path) -> None:
    """A model that is not registered, or not yet, can be resumed from, too."""
    model = logged(store, tmp_path, step=30)
    assert pinned_by_registry(store, model.run_id).steps.keys() == {30}


def test_retention_keeps_both_checkpoints_of_a_pair(store: Any, tmp_path: Path) -> None:
    """The run of the recognition has no version of its own."""
    runs = {task: run_with(store, task=task) for task in ("det", "rec")}
    folders = [
        exported_folder(tmp_path / task, task, run_id=runs[task], step=step)
        for task, step in (("det", 40), ("rec", 70))
    ]
    register(store, mlflow_model.log_model(store, runs["det"], folders).uri, "ocr@champion")
    assert pinned_by_registry(store, runs["det"]).steps.keys() == {40}
    assert pinned_by_registry(store, runs["rec"]).steps.keys() == {70}
    assert [one.name for one in versions_of_run(store, runs["rec"])] == ["ocr"]


def test_a_run_stands_for_its_newest_version(store: Any, tmp_path: Path) -> None:
    """Under the name that is asked for, and under the only one where none is."""
    model = logged(store, tmp_path)
    register(store, model.uri, "a")
    assert find_version(store, model.run_id).version == 1
    again = mlflow_model.log_model(store, model.run_id, [tmp_path / model.run_id])
    register(store, again.uri, "a@x")
    assert find_version(store, model.run_id).version == 2
    assert find_version(store, "models:/a@x").version == 2
    register(store, again.uri, "b")
    with pytest.raises(ConfigError, match="a, b"):
        find_version(store, model.run_id)
    assert find_version(store, model.run_id, name="b").name == "b"


@pytest.mark.parametrize("text", ["nonsense", "models:/a", "models:/a/9", "models:/a@nobody", "0" * 32])
def test_what_stands_for_no_version_is_said(store: Any, text: str) -> None:
    """With what to give instead."""
    with pytest.raises(ConfigError) as caught:
        find_version(store, text)
    assert caught.value.hint


@pytest.mark.slow
def test_a_server_registers_as_a_store_does(
    servers: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through HTTP, with the model's files in S3."""
    for name, value in servers.env().items():
        monkeypatch.setenv(name, value)
    remote = client(servers.tracking_uri)
    model = logged(remote, tmp_path, hmean=0.5)
    assert register(remote, model.uri, "served@champion").version == "1"
    assert pinned_by_registry(remote, model.run_id).steps.keys() == {10}
    assert remote.get_logged_model(model.model_id).metrics


def test_the_pages_of_a_model_say_how_good_it_is_and_how_to_serve_it(store: Any, tmp_path: Path) -> None:
    """The name says what it is for, the version its score, data, dictionary and run."""
    model = logged(store, tmp_path, hmean=0.75)
    register(store, model.uri, "ocr-det")
    assert (
        "mlflow models serve -m models:/ocr-det@ALIAS " in store.get_registered_model("ocr-det").description
    )
    said = store.get_model_version("ocr-det", "1").description
    assert "**hmean 0.7500**" in said
    assert f"data digest: `{DIGEST}`" in said
    assert "dictionary: 3 characters" in said
    assert f"(#/experiments/0/runs/{model.run_id}?workflowType=machine_learning), step 10" in said
    assert "mlflow models serve -m models:/ocr-det/1 --env-manager uv" in said
    assert "fps" not in said


def test_what_somebody_wrote_of_a_model_stays(store: Any, tmp_path: Path) -> None:
    """Only an empty description is filled."""
    store.create_registered_model("mine", description="Ask Malee before you use it.")
    store.create_registered_model("bare")
    model = logged(store, tmp_path)
    register(store, model.uri, "mine")
    register(store, model.uri, "bare")
    assert store.get_registered_model("mine").description == "Ask Malee before you use it."
    assert "PaddleOCR, text detection" in store.get_registered_model("bare").description
