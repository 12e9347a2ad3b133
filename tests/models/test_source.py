"""What RUN, CHECKPOINT or MODEL may name, against runs in MLflow's own store and files on this machine."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.disk import sha256_of
from ocr_train.errors import ConfigError, DataError
from ocr_train.models.source import ModelSource, exported_folders, find_source, find_sources
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, snapshot_of, store_on, write_checkpoint
from tests.resume.test_resolve import Runs, runs, store_uri

__all__ = ["runs", "store_uri"]
pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


def write_common(folder: Path, task: str = "rec") -> list[Path]:
    """A configuration and a dictionary as a run stores them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "Global": {"character_dict_path": "/elsewhere/dict.txt"},
        "Architecture": {"model_type": task},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "dict.txt").write_text("ก\nข\n", encoding="utf-8")
    return [folder / "config.yml", folder / "dict.txt"]


def add_run(runs: Runs, steps: Mapping[int, float], *, best: int | None = None) -> str:
    """A finished run of the model "rec" with checkpoints that carry their configuration and dictionary."""
    run_id = str(runs.client.create_run(runs.experiment_id, run_name="a run").info.run_id)
    tracker = Tracker(runs.client, run_id, runs.experiment_id, runs.folder / run_id)
    store = store_on(tracker.artifacts, common=write_common(runs.folder / "common"), model="rec")
    for step, acc in steps.items():
        snapshot = snapshot_of(tracker.folder, epoch=step // 10, step=step, metrics={"acc": acc}, seed=step)
        manifest = store.put(snapshot, step=step, epoch=step // 10)
        store.point(LATEST, manifest)
        if step == best:
            store.point(BEST, manifest)
    assert tracker.finish("FINISHED").status_set
    return run_id


def find(runs: Runs, text: str, **options: Any) -> ModelSource:
    """What `text` names, with its files in a folder of its own."""
    return find_source(text, lambda: runs.client, runs.folder / "found", **options)


def no_client() -> Any:
    """For what must be found without any server."""
    raise AssertionError("a server was asked")


def write_exported(folder: Path, task: str = "det", **facts: Any) -> Path:
    """A folder with the files of an exported model, by name."""
    write_common(folder, task)
    for name in ("inference.pdmodel", "inference.pdiparams"):
        (folder / name).write_bytes(b"x")
    (folder / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


class TestRuns:
    """A run's checkpoints."""

    def test_a_bare_run_id_is_its_best_checkpoint_with_all_that_is_known_of_it(self, runs: Runs) -> None:
        """Who uses a model wants the best, and everything needed to use it."""
        run_id = add_run(runs, {10: 0.6, 20: 0.4}, best=10)
        source = find(runs, run_id)
        assert (source.kind, source.step, source.epoch, source.run_id) == ("checkpoint", 10, 1, run_id)
        assert (source.task, source.name, source.dataset_digest) == ("rec", "rec", "digest-1")
        assert source.sha256 == sha256_of(Path(f"{source.path}.pdparams"))
        assert source.metrics["acc"] == 0.6
        assert source.versions == {"paddle": "3.0.0"}
        assert source.dictionary is not None
        assert source.dictionary == source.config.parent / "dict.txt"
        assert source.dictionary.read_text(encoding="utf-8") == "ก\nข\n"

    def test_a_run_without_a_best_one_gives_its_newest(self, runs: Runs) -> None:
        """A run that never evaluated can be used all the same."""
        assert find(runs, add_run(runs, {10: 0.1, 20: 0.2})).step == 20

    @pytest.mark.parametrize(
        ("form", "step"),
        [
            ("{}:latest", 20),
            ("{}:best", 10),
            ("{}:step 20", 20),
            ("runs:/{}", 10),
            ("runs:/{}/checkpoints/step_00000020", 20),
        ],
    )
    def test_what_stands_behind_the_id_outweighs(self, runs: Runs, form: str, step: int) -> None:
        """The words of resume."""
        run_id = add_run(runs, {10: 0.6, 20: 0.4}, best=10)
        assert find(runs, form.format(run_id)).step == step

    def test_a_run_without_checkpoints_is_named(self, runs: Runs) -> None:
        """Nothing to use."""
        run_id = add_run(runs, {})
        with pytest.raises(ConfigError, match=f"{run_id}.* has no checkpoint"):
            find(runs, run_id)

    def test_a_checkpoint_without_configuration_is_refused(self, runs: Runs) -> None:
        """Weights alone are no model."""
        with pytest.raises(DataError, match=r"has no config\.yml"):
            find(runs, runs.add(steps={10: 0.1}))

    @pytest.mark.parametrize("word", ["latest", "best", "auto"])
    def test_a_word_of_resume_without_a_run_is_an_error(self, word: str, tmp_path: Path) -> None:
        """There is no model to go by; and no word of resuming."""
        with pytest.raises(ConfigError, match="does not name a run") as caught:
            find_source(word, no_client, tmp_path)
        assert "resume" not in str(caught.value)

    def test_an_unknown_step_names_those_that_are_there(self, runs: Runs) -> None:
        """As a resume does."""
        run_id = add_run(runs, {10: 0.6})
        with pytest.raises(ConfigError, match="no checkpoint at step 11") as caught:
            find(runs, f"{run_id}:step 11")
        assert caught.value.hint == "It has: 10."


class TestPaths:
    """Files on this machine: no server is asked."""

    def test_a_checkpoint_with_its_configuration(self, tmp_path: Path) -> None:
        """By its prefix; it is copied, so that nobody changes it meanwhile."""
        write_checkpoint(tmp_path / "there" / "best_accuracy")
        write_common(tmp_path / "there")
        source = find_source(str(tmp_path / "there" / "best_accuracy"), no_client, tmp_path / "found")
        assert (source.kind, source.task, source.step) == ("checkpoint", "rec", 0)
        assert source.path == tmp_path / "found" / "model"

    def test_the_configuration_may_lie_a_folder_above(self, tmp_path: Path) -> None:
        """PaddleOCR's own best_model/model."""
        write_checkpoint(tmp_path / "there" / "best_model" / "model")
        write_common(tmp_path / "there")
        source = find_source(str(tmp_path / "there" / "best_model"), no_client, tmp_path / "found")
        assert source.task == "rec"

    def test_a_checkpoint_without_one_is_refused(self, tmp_path: Path) -> None:
        """What it is cannot be told."""
        write_checkpoint(tmp_path / "there" / "model")
        with pytest.raises(DataError, match=r"no config\.yml beside") as caught:
            find_source(str(tmp_path / "there"), no_client, tmp_path / "found")
        assert "dict.txt" in caught.value.hint

    def test_weights_that_would_run_something_are_refused(self, tmp_path: Path) -> None:
        """Before anything loads them."""

        class Hostile:
            def __reduce__(self) -> Any:
                return os.system, ("true",)

        write_common(tmp_path / "there")
        (tmp_path / "there" / "model.pdparams").write_bytes(pickle.dumps({"w": Hostile()}))
        with pytest.raises(DataError, match=r"would import .*system"):
            find_source(str(tmp_path / "there" / "model"), no_client, tmp_path / "found")

    def test_what_is_not_there_is_said_with_what_may_be_given(self, tmp_path: Path) -> None:
        """Every form that there is."""
        with pytest.raises(ConfigError, match="neither a checkpoint nor an exported model") as caught:
            find_source(str(tmp_path / "nowhere"), no_client, tmp_path / "found")
        assert "models:/NAME@ALIAS" in caught.value.hint


class TestExported:
    """Folders of exported models."""

    def test_an_exported_folder_with_what_its_model_json_says(self, tmp_path: Path) -> None:
        """Where it comes from travels with it."""
        folder = write_exported(
            tmp_path / "det",
            model="det",
            run_id="f" * 32,
            step=7,
            epoch=2,
            checkpoint_sha256="abc",
            dataset_digest="digest-1",
            versions={"paddle": "3.0.0"},
            metrics={"hmean": 0.5},
        )
        source = find_source(str(folder), no_client, tmp_path / "found")
        assert (source.kind, source.path, source.task) == ("exported", folder, "det")
        assert (source.run_id, source.step, source.epoch, source.sha256) == ("f" * 32, 7, 2, "abc")
        assert (source.name, source.dataset_digest, source.metrics["hmean"]) == ("det", "digest-1", 0.5)

    def test_a_folder_with_two_models_is_two_sources_and_not_one(self, tmp_path: Path) -> None:
        """As a logged model of detection and recognition holds them."""
        write_exported(tmp_path / "both" / "det", "det")
        write_exported(tmp_path / "both" / "rec", "rec")
        found = find_sources(str(tmp_path / "both"), no_client, tmp_path / "found")
        assert [source.task for source in found] == ["det", "rec"]
        with pytest.raises(ConfigError, match="has 2 models, not one"):
            find_source(str(tmp_path / "both"), no_client, tmp_path / "found")

    def test_a_registered_model_is_its_exported_folder(self, runs: Runs, request: Any) -> None:
        """models:/NAME@ALIAS, downloaded."""
        write_exported(runs.folder / "stored" / "artifacts" / "det", "det", model="det", step=5)
        name = request.node.name
        runs.client.create_registered_model(name)
        version = runs.client.create_model_version(name, str(runs.folder / "stored"), None)
        runs.client.set_registered_model_alias(name, "champion", version.version)
        shutil.rmtree(runs.folder / "found", ignore_errors=True)
        source = find(runs, f"models:/{name}@champion")
        assert (source.kind, source.task, source.step) == ("exported", "det", 5)
        assert source.path.is_relative_to(runs.folder / "found")

    def test_onnx_is_there_where_the_folder_has_it(self, tmp_path: Path) -> None:
        """Else the error says how to make it."""
        folder = write_exported(tmp_path / "det")
        source = find_source(str(folder), no_client, tmp_path / "found")
        with pytest.raises(ConfigError, match=r"has no model\.onnx"):
            source.onnx()
        (folder / "model.onnx").write_bytes(b"x")
        assert source.onnx().kind == "onnx"

    def test_a_folder_of_checkpoints_is_none(self, tmp_path: Path) -> None:
        """Even where something exported lies below it."""
        write_checkpoint(tmp_path / "model")
        write_exported(tmp_path / "exported")
        assert exported_folders(tmp_path) == ()


def test_a_model_json_with_a_text_for_a_number_is_damaged(tmp_path: Path) -> None:
    """It comes from elsewhere: a sentence, not a traceback."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.yml", "inference.pdiparams", "inference.pdmodel"):
        (folder / name).write_text("{}", encoding="utf-8")
    (folder / "model.json").write_text('{"step": "many"}', encoding="utf-8")
    with pytest.raises(DataError, match=r"model\.json cannot be read"):
        find_source(str(folder), lambda: None, tmp_path / "work")
