"""What resume= may name, against runs in MLflow's own store and sets on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.states_file import read_states
from ocr_train.errors import ConfigError, DataError
from ocr_train.resume.resolve import ResumePoint, ResumeRequest, resolve
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, mlflow_store, set_bytes, snapshot_of, store_on, write_checkpoint

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


@pytest.fixture(scope="module")
def store_uri(tmp_path_factory: pytest.TempPathFactory, _store_template: Path) -> str:
    """One empty store for this file; each test has an experiment of its own in it."""
    return mlflow_store(tmp_path_factory.mktemp("store"), _store_template)


class Runs:
    """Makes runs as earlier trainings have left them: tags, scores, checkpoints as artifacts."""

    def __init__(self, client: Any, experiment_id: str, folder: Path) -> None:
        self.client = client
        self.experiment_id = experiment_id
        self.folder = folder
        self._made = 0

    def add(
        self,
        *,
        model: str = "det",
        digest: str = "digest-1",
        steps: Mapping[int, float] | None = None,
        best: int | None = None,
    ) -> str:
        """A finished run; `steps` maps the steps of its checkpoints (10 an epoch) to their best hmean so far."""
        self._made += 1
        steps = {10: 0.2, 20: 0.4} if steps is None else steps
        run = self.client.create_run(
            self.experiment_id,
            start_time=self._made * 1000,
            run_name=f"run {self._made}",
            tags={"model": model, "dataset_digest": digest},
        )
        run_id = str(run.info.run_id)
        tracker = Tracker(self.client, run_id, self.experiment_id, self.folder / run_id)
        store = store_on(tracker.artifacts, model=model)
        for step, hmean in steps.items():
            snapshot = snapshot_of(
                tracker.folder,
                epoch=step // 10,
                step=step,
                metrics={"hmean": hmean},
                seed=self._made * 1000 + step,
            )
            manifest = store.put(snapshot, step=step, epoch=step // 10)
            store.point(LATEST, manifest)
            if step == best:
                store.point(BEST, manifest)
                tracker.log_metrics({"best/hmean": hmean}, step=step, time_ms=step)
        assert tracker.finish("FINISHED").status_set
        return run_id

    def artifact(self, run_id: str, path: str) -> Path:
        """Where the store keeps an artifact of the run."""
        return self.folder / "artifacts" / run_id / "artifacts" / path


@pytest.fixture
def runs(store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Runs:
    """An experiment without runs, with its artifacts in tmp_path."""
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "5"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ("MLFLOW_TRACKING_URI", store_uri),
    ):
        monkeypatch.setenv(name, value)
    client = connect()
    location = str(tmp_path / "artifacts")
    experiment_id = client.create_experiment(str(request.node.nodeid), artifact_location=location)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment_id)
    return Runs(client, experiment_id, tmp_path)


REQUEST = ResumeRequest(text="", model="det", main_metric="hmean", epochs=9, dataset_digest="digest-1")


def resume(runs: Runs, text: str, **changes: Any) -> ResumePoint:
    """What resume=`text` gives, fetched into a folder of its own."""
    point = resolve(replace(REQUEST, text=text, **changes), runs.client, runs.folder / "resume")
    assert point is not None
    return point


class TestRunId:
    """resume=<run id>, with or without :best."""

    def test_a_run_id_is_its_newest_checkpoint(self, runs: Runs) -> None:
        """Step, epoch, the score to beat (the best one's), and the very bytes as a prefix PaddleOCR takes."""
        run_id = runs.add(steps={10: 0.6, 20: 0.4}, best=10)
        point = resume(runs, run_id)
        assert (point.step, point.epoch, point.best, point.run_id) == (20, 2, 0.6, run_id)
        assert point.prefix == runs.folder / "resume" / "model"
        assert set_bytes(point.prefix) == set_bytes(runs.folder / run_id / "trainer" / "latest")
        assert run_id in point.source

    def test_an_id_with_best_is_its_best_checkpoint(self, runs: Runs) -> None:
        """:best goes back to the step of the best score."""
        run_id = runs.add(steps={10: 0.6, 20: 0.4}, best=10)
        point = resume(runs, f"{run_id}:best")
        assert (point.step, point.epoch, point.best) == (10, 1, 0.6)
        assert read_states(Path(f"{point.prefix}.states")).step == 10

    def test_an_id_with_latest_is_the_same_as_the_id(self, runs: Runs) -> None:
        """:latest may be said."""
        run_id = runs.add()
        assert resume(runs, f"{run_id}:latest").step == 20

    def test_a_run_of_other_data_may_be_named(self, runs: Runs) -> None:
        """Whoever names a run means it: new data does not stand in the way."""
        run_id = runs.add(digest="other")
        assert resume(runs, run_id).step == 20

    def test_an_unknown_id_is_a_config_error(self, runs: Runs) -> None:
        """The message says where ids are found."""
        with pytest.raises(ConfigError, match="there is no run") as caught:
            resume(runs, "f" * 32)
        assert caught.value.exit_code == 2
        assert "MLflow page" in caught.value.hint

    @pytest.mark.parametrize("ending", ["", ":best"])
    def test_a_run_without_checkpoints_is_a_config_error(self, runs: Runs, ending: str) -> None:
        """The run is named by its name, and the hint says when checkpoints are stored."""
        run_id = runs.add(steps={})
        with pytest.raises(ConfigError, match="'run 1' has no complete checkpoint") as caught:
            resume(runs, run_id + ending)
        assert caught.value.exit_code == 2
        assert "first epoch" in caught.value.hint

    def test_an_interrupted_upload_is_passed_over(self, runs: Runs) -> None:
        """A checkpoint without manifest does not count: the one before does."""
        run_id = runs.add()
        runs.artifact(run_id, "checkpoints/step_00000020/manifest.json").unlink()
        assert resume(runs, run_id).step == 10

    def test_only_damaged_checkpoints_are_a_data_error(self, runs: Runs) -> None:
        """Weights that are not the stored ones are refused, with the file's name and a way out."""
        run_id = runs.add()
        for step in (10, 20):
            weights = runs.artifact(run_id, f"checkpoints/step_{step:08d}/model.pdparams")
            weights.write_bytes(weights.read_bytes()[:-1])
        with pytest.raises(DataError, match=r"step_00000020/model\.pdparams is damaged") as caught:
            resume(runs, run_id)
        assert caught.value.exit_code == 3
        assert "another run" in caught.value.hint


class TestLatest:
    """resume=latest."""

    def test_takes_the_newest_run_of_the_model(self, runs: Runs) -> None:
        """The newest run counts, not the highest step or score; other models do not."""
        runs.add(steps={50: 0.9}, best=50)
        newest = runs.add(steps={10: 0.1})
        runs.add(model="rec", steps={70: 0.9})
        point = resume(runs, "latest")
        assert (point.run_id, point.step) == (newest, 10)

    def test_skips_runs_without_a_whole_checkpoint(self, runs: Runs) -> None:
        """A run that failed before its first checkpoint, or during the upload of it, is passed over."""
        good = runs.add()
        torn = runs.add(steps={10: 0.5})
        runs.artifact(torn, "checkpoints/step_00000010/manifest.json").unlink()
        runs.add(steps={})
        assert resume(runs, "latest").run_id == good

    def test_without_any_is_a_config_error(self, runs: Runs) -> None:
        """The message names the model, the hint the variables that decide where runs are looked for."""
        runs.add(model="rec")
        with pytest.raises(ConfigError, match="no run of the model 'det'") as caught:
            resume(runs, "latest")
        assert caught.value.exit_code == 2
        assert "MLFLOW_EXPERIMENT_NAME" in caught.value.hint


class TestBest:
    """resume=best."""

    def test_takes_the_highest_score_on_the_same_data(self, runs: Runs) -> None:
        """Not the newest run, not other data, not another model: the best score of comparable runs."""
        runs.add(steps={10: 0.5, 20: 0.6}, best=20)
        best = runs.add(steps={10: 0.8, 20: 0.7}, best=10)
        runs.add(steps={10: 0.3}, best=10)
        runs.add(steps={10: 0.95}, best=10, digest="other data")
        runs.add(steps={10: 0.99}, best=10, model="rec")
        point = resume(runs, "best")
        assert (point.run_id, point.step, point.best) == (best, 10, 0.8)

    def test_skips_a_better_run_without_its_checkpoint(self, runs: Runs) -> None:
        """A score whose weights were never stored whole is no use."""
        good = runs.add(steps={10: 0.5}, best=10)
        torn = runs.add(steps={10: 0.9}, best=10)
        runs.artifact(torn, "checkpoints/best.json").unlink()
        assert resume(runs, "best").run_id == good

    def test_without_any_on_this_data_is_a_config_error(self, runs: Runs) -> None:
        """The hint shows how to name a run of other data."""
        runs.add(steps={10: 0.9}, best=10, digest="other data")
        with pytest.raises(ConfigError, match="on this dataset") as caught:
            resume(runs, "best")
        assert caught.value.exit_code == 2
        assert "<run id>:best" in caught.value.hint


class TestLocal:
    """resume=<path>."""

    @pytest.mark.parametrize("ending", ["", ".pdparams"])
    def test_a_prefix_of_paddleocr(self, runs: Runs, ending: str) -> None:
        """With or without .pdparams; it is copied, so that training into the same folder does not touch it."""
        prefix = write_checkpoint(
            runs.folder / "old" / "iter_epoch_3", epoch=3, step=30, metrics={"hmean": 0.7}
        )
        point = resume(runs, f"{prefix}{ending}")
        assert (point.step, point.epoch, point.best, point.run_id) == (30, 3, 0.7, "")
        assert point.source == str(prefix)
        assert set_bytes(point.prefix) == set_bytes(prefix)
        assert point.prefix == runs.folder / "resume" / "model"

    @pytest.mark.parametrize("name", ["latest", "best_accuracy", "model"])
    def test_a_folder_of_the_trainer(self, runs: Runs, name: str) -> None:
        """A folder stands for the set in it."""
        write_checkpoint(runs.folder / "old" / name, epoch=3)
        assert resume(runs, str(runs.folder / "old")).epoch == 3

    def test_a_downloaded_checkpoint_goes_on_at_the_runs_step(self, runs: Runs) -> None:
        """Beside a manifest its step counts: the `.states` of a resumed run starts again at 0."""
        run_id = runs.add(steps={20: 0.4})
        folder = runs.folder / "downloaded"
        shutil.copytree(runs.artifact(run_id, "checkpoints/step_00000020"), folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "step": 120}))
        point = resume(runs, str(folder))
        assert (point.step, point.epoch) == (120, 2)

    def test_a_relative_path_counts_from_here(self, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
        """As everywhere on a command line."""
        write_checkpoint(runs.folder / "old" / "latest", epoch=2)
        monkeypatch.chdir(runs.folder)
        assert resume(runs, "old/latest").epoch == 2

    @pytest.mark.parametrize("suffix", [".pdopt", ".states"])
    def test_an_incomplete_set_is_a_data_error(self, runs: Runs, suffix: str) -> None:
        """PaddleOCR would only warn, or say nothing, and start with a fresh optimizer: we say what to do."""
        prefix = write_checkpoint(runs.folder / "old" / "latest")
        Path(f"{prefix}{suffix}").unlink()
        with pytest.raises(DataError, match=rf"has no \{suffix}") as caught:
            resume(runs, str(prefix))
        assert caught.value.exit_code == 3
        assert "weights_only=true" in caught.value.hint
        assert not (runs.folder / "resume").exists()

    def test_a_hostile_states_file_is_a_data_error(self, runs: Runs) -> None:
        """A checkpoint from elsewhere is read before PaddleOCR is let near it."""
        prefix = write_checkpoint(runs.folder / "old" / "latest")
        Path(f"{prefix}.states").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
        with pytest.raises(DataError, match=r"would import 'os\.system'"):
            resume(runs, str(prefix))
        assert not (runs.folder / "resume").exists()

    @pytest.mark.parametrize("text", ["nowhere/latest", "abc123", "F" * 32, "newest"])
    def test_what_is_nothing_is_a_config_error(self, runs: Runs, text: str) -> None:
        """Neither id, word nor path: the message quotes it and says what was looked for."""
        with pytest.raises(ConfigError, match="is not a run id, not auto, latest or best") as caught:
            resume(runs, text)
        assert caught.value.exit_code == 2
        assert repr(text) in caught.value.problem
        assert f"{text}.pdparams" in caught.value.problem
        assert "run id" in caught.value.hint


class TestNothingLeft:
    """A checkpoint that is at the end already: PaddleOCR would exit 0 without training."""

    @pytest.mark.parametrize("epochs", [1, 2])
    def test_at_the_last_epoch_is_a_config_error(self, runs: Runs, epochs: int) -> None:
        """The message has both numbers, the hint says what epochs counts."""
        run_id = runs.add()
        with pytest.raises(ConfigError, match=f"at epoch 2, and epochs={epochs}") as caught:
            resume(runs, run_id, epochs=epochs)
        assert caught.value.exit_code == 2
        assert "more than 2" in caught.value.hint

    def test_one_epoch_left_is_enough(self, runs: Runs) -> None:
        """epochs=3 after epoch 2 trains one."""
        assert resume(runs, runs.add(), epochs=3).epoch == 2

    def test_a_local_set_at_the_last_epoch_too(self, runs: Runs) -> None:
        """The same for a set on this machine."""
        prefix = write_checkpoint(runs.folder / "old" / "latest", epoch=9)
        with pytest.raises(ConfigError, match="nothing is left to train"):
            resume(runs, str(prefix))
