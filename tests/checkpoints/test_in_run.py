"""Which checkpoint of which run a resume takes, and what it takes over, against runs in MLflow's own store."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocr_train.checkpoints.manifest import BEST, CheckpointManifest
from ocr_train.errors import ConfigError, DataError
from ocr_train.resume.lineage import inherit_best
from ocr_train.resume.resolve import resolve
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, set_bytes, write_checkpoint
from tests.resume.test_resolve import REQUEST, Runs, resume, runs, store_uri

__all__ = ["runs", "store_uri"]
pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


def damage(path: Path) -> None:
    """Flip the last byte."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def register(runs: Runs, name: str, source: str, run_id: str = "") -> str:
    """A version of the registered model `name` with the alias "champion"; its number."""
    runs.client.create_registered_model(name)
    version = runs.client.create_model_version(name, source, run_id or None)
    runs.client.set_registered_model_alias(name, "champion", version.version)
    return str(version.version)


class TestSteps:
    """resume=<run id>:step N and runs:/ addresses."""

    @pytest.mark.parametrize("form", ["{}:step 10", "runs:/{}/checkpoints/step_00000010"])
    def test_the_named_step(self, runs: Runs, form: str) -> None:
        """Not the newest one."""
        run_id = runs.add(steps={10: 0.2, 20: 0.4, 30: 0.5})
        assert resume(runs, form.format(run_id)).step == 10

    def test_a_step_that_is_not_there_names_those_that_are(self, runs: Runs) -> None:
        """A slip of the finger is no reason to take another one."""
        run_id = runs.add(steps={10: 0.2, 20: 0.4})
        with pytest.raises(ConfigError, match="no checkpoint at step 15") as caught:
            resume(runs, f"{run_id}:step 15")
        assert "10, 20" in caught.value.hint

    @pytest.mark.parametrize("how", ["flipped", "torn"])
    def test_a_bad_one_gives_way_to_the_one_before_and_that_is_said(self, runs: Runs, how: str) -> None:
        """Newest good one before it, not a newer one."""
        run_id = runs.add(steps={10: 0.2, 20: 0.4, 30: 0.5})
        folder = runs.artifact(run_id, "checkpoints/step_00000020")
        if how == "flipped":
            damage(folder / "model.pdopt")
        else:
            (folder / "manifest.json").unlink()
        point = resume(runs, f"{run_id}:step 20")
        assert point.step == 10
        assert "step_00000020" in point.source
        assert len(point.passed_over) == 1

    def test_a_torn_newest_one_is_named(self, runs: Runs) -> None:
        """The alias did not move to it: it says so all the same."""
        run_id = runs.add(steps={10: 0.2})
        torn = runs.artifact(run_id, "checkpoints/step_00000020")
        torn.mkdir()
        (torn / "model.pdparams").write_bytes(b"half")
        point = resume(runs, run_id)
        assert point.step == 10
        assert "step_00000020 has no complete manifest" in point.source

    def test_a_damaged_best_gives_way_to_one_before_it(self, runs: Runs) -> None:
        """Never to what came after it."""
        run_id = runs.add(steps={10: 0.2, 20: 0.6, 30: 0.5}, best=20)
        damage(runs.artifact(run_id, "checkpoints/step_00000020/model.pdparams"))
        point = resume(runs, f"{run_id}:best")
        assert point.step == 10
        assert "step_00000020/model.pdparams is damaged" in point.source

    def test_a_set_without_optimizer_gives_way_too(self, runs: Runs) -> None:
        """PaddleOCR would go on with a cold one and a warning."""
        run_id = runs.add(steps={10: 0.2, 20: 0.4})
        without(runs, run_id, 20, ".pdopt")
        point = resume(runs, run_id)
        assert point.step == 10
        assert "has no .pdopt" in point.source


def without(runs: Runs, run_id: str, step: int, suffix: str) -> None:
    """Take a file out of a stored set and its manifest."""
    path = runs.artifact(run_id, f"checkpoints/step_{step:08d}/manifest.json")
    values = json.loads(path.read_text())
    values["files"] = [entry for entry in values["files"] if not entry["name"].endswith(suffix)]
    path.write_text(json.dumps(values))


class TestWeightsOnly:
    """weights_only=true: another training, from these weights."""

    def test_counts_from_nothing(self, runs: Runs) -> None:
        """Steps, epochs and best begin anew; the number of epochs of the old one does not matter."""
        run_id = runs.add(steps={10: 0.6, 20: 0.4}, best=10)
        point = resume(runs, run_id, weights_only=True, epochs=1)
        assert (point.step, point.epoch, point.best, point.best_alias) == (0, 0, None, None)
        assert Path(f"{point.prefix}.pdparams").is_file()
        assert not Path(f"{point.prefix}.pdopt").exists()

    @pytest.mark.parametrize("suffix", [".pdopt", ".states"])
    def test_needs_the_weights_alone(self, runs: Runs, suffix: str) -> None:
        """Of a run as of a path."""
        run_id = runs.add(steps={10: 0.2})
        without(runs, run_id, 10, suffix)
        with pytest.raises(DataError, match=rf"has no \{suffix}"):
            resume(runs, run_id)
        assert "step 10" in resume(runs, run_id, weights_only=True).source
        prefix = write_checkpoint(runs.folder / "old" / "latest")
        Path(f"{prefix}{suffix}").unlink()
        assert resume(runs, str(prefix), weights_only=True).weights_only

    def test_weights_are_screened(self, runs: Runs) -> None:
        """PaddleOCR loads them with pickle, too."""
        prefix = write_checkpoint(runs.folder / "old" / "latest")
        Path(f"{prefix}.pdparams").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
        with pytest.raises(DataError, match=r"os\.system"):
            resume(runs, str(prefix), weights_only=True)


@pytest.mark.parametrize("suffix", [".pdparams", ".pdopt", ".states"])
def test_every_file_of_a_set_is_screened(runs: Runs, suffix: str) -> None:
    """Nothing of it stays behind on this machine."""
    prefix = write_checkpoint(runs.folder / "old" / "latest")
    Path(f"{prefix}{suffix}").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"would import 'os\.system'"):
        resume(runs, str(prefix))
    assert not (runs.folder / "resume").exists()


class TestLineOfBest:
    """The best of a run and of those it went on from."""

    def child(self, runs: Runs, parent: str, **values: Any) -> str:
        """A run that went on from `parent`."""
        run_id = runs.add(**values)
        point = resume(runs, parent)
        tracker = Tracker(runs.client, run_id, runs.experiment_id, runs.folder / f"again-{run_id}")
        if "best" not in values:
            inherit_best(point, tracker, print)
        tracker.finish("FINISHED")
        return run_id

    def test_a_child_that_never_beat_its_parent_has_its_parents_best(self, runs: Runs) -> None:
        """resume=<child>:best is the parent's checkpoint, byte for byte."""
        parent = runs.add(steps={10: 0.6, 20: 0.4}, best=10)
        child = self.child(runs, parent, steps={30: 0.5})
        point = resume(runs, f"{child}:best")
        assert (point.run_id, point.step, point.best) == (parent, 10, 0.6)
        stored = runs.artifact(parent, "checkpoints/step_00000010/model")
        assert set_bytes(point.prefix) == set_bytes(stored)

    def test_so_has_a_grandchild(self, runs: Runs) -> None:
        """The alias is handed on; the score to beat is still the first one's."""
        parent = runs.add(steps={10: 0.6}, best=10)
        child = self.child(runs, parent, steps={30: 0.5})
        grandchild = self.child(runs, child, steps={40: 0.55})
        assert resume(runs, grandchild).best == 0.6
        assert resume(runs, f"{grandchild}:best").run_id == parent

    def test_a_child_that_beat_it_has_its_own(self, runs: Runs) -> None:
        """And hands that on."""
        parent = runs.add(steps={10: 0.6}, best=10)
        child = self.child(runs, parent, steps={30: 0.7}, best=30)
        point = resume(runs, f"{child}:best")
        assert (point.run_id, point.step, point.best) == (child, 30, 0.7)

    def test_when_the_parent_is_gone_the_child_says_so(self, runs: Runs) -> None:
        """Its own checkpoints go on all the same."""
        parent = runs.add(steps={10: 0.6}, best=10)
        child = self.child(runs, parent, steps={30: 0.5})
        shutil.rmtree(runs.artifact(parent, "checkpoints"))
        with pytest.raises(ConfigError, match="no complete checkpoint"):
            resume(runs, f"{child}:best")
        assert resume(runs, child).best == 0.5

    def test_who_goes_back_to_a_step_starts_a_branch_there(self, runs: Runs) -> None:
        """What came after that step is not in the way of the branch's best."""
        run_id = runs.add(steps={10: 0.2, 20: 0.6, 30: 0.5}, best=20)
        assert resume(runs, f"{run_id}:step 10").best == 0.2
        assert resume(runs, f"{run_id}:step 30").best == 0.6


class TestAuto:
    """resume=auto, of runs that were interrupted."""

    def interrupted(self, runs: Runs, steps: dict[int, float]) -> str:
        """A run of this very training that was killed."""
        run_id = runs.add(steps=steps)
        runs.client.set_tag(run_id, "config_digest", "c")
        runs.client.set_terminated(run_id, "KILLED")
        return run_id

    def test_goes_on_from_its_newest_checkpoint(self, runs: Runs) -> None:
        """As if it had been named."""
        run_id = self.interrupted(runs, {10: 0.2, 20: 0.4})
        point = resume(runs, "auto", config_digest="c", epochs=3)
        assert (point.run_id, point.step) == (run_id, 20)

    def test_one_that_was_killed_at_its_very_end_is_ended_well(self, runs: Runs) -> None:
        """From before its last epoch: to train all of it again would be a waste, and so would be an error."""
        self.interrupted(runs, {10: 0.2, 20: 0.4})
        assert resume(runs, "auto", config_digest="c", epochs=2).step == 10

    @pytest.mark.parametrize("how", ["one epoch", "damaged"])
    def test_starts_afresh_where_nothing_can_be_gone_on_from(self, runs: Runs, how: str) -> None:
        """An unattended machine trains rather than fails."""
        run_id = self.interrupted(runs, {20: 0.4})
        if how == "damaged":
            damage(runs.artifact(run_id, "checkpoints/step_00000020/model.pdparams"))
        epochs = 2 if how == "one epoch" else 9
        request = replace(REQUEST, text="auto", config_digest="c", epochs=epochs)
        assert resolve(request, runs.client, runs.folder / "resume") is None
        with pytest.raises(ConfigError, match="resume=auto"):
            resolve(replace(request, run_id=run_id), runs.client, runs.folder / "resume")


class TestModels:
    """resume=models:/..."""

    @pytest.mark.parametrize("ending", ["@champion", "/1"])
    @pytest.mark.parametrize("form", ["runs:/{}/checkpoints/step_00000010", "uri"])
    def test_a_version_whose_source_is_a_runs_checkpoint(self, runs: Runs, ending: str, form: str) -> None:
        """By alias and by number; the source as an artifact address or as runs:/."""
        run_id = runs.add(steps={10: 0.2, 20: 0.4})
        uri = str(runs.artifact(run_id, "checkpoints/step_00000010"))
        name = f"m{abs(hash((runs.experiment_id, ending, form)))}"
        register(runs, name, uri if form == "uri" else form.format(run_id), run_id)
        point = resume(runs, f"models:/{name}{ending}")
        assert (point.run_id, point.step) == (run_id, 10)

    def test_an_unknown_alias_is_a_config_error(self, runs: Runs) -> None:
        """The server's own words, and where to look."""
        with pytest.raises(ConfigError, match="nobody") as caught:
            resume(runs, "models:/nobody@champion")
        assert "Models page" in caught.value.hint

    def test_a_model_without_version_is_a_config_error(self, runs: Runs) -> None:
        """latest of a registered model is no good idea: it says what to give."""
        with pytest.raises(ConfigError, match="does not name a version"):
            resume(runs, "models:/rec")

    def test_a_logged_model(self, runs: Runs) -> None:
        """Its files are a checkpoint folder."""
        prefix = write_checkpoint(runs.folder / "made" / "model", epoch=3, step=30, metrics={"hmean": 0.7})
        model = runs.client.create_logged_model(runs.experiment_id, name="checkpoint")
        runs.client.log_model_artifacts(model.model_id, str(prefix.parent))
        runs.client.finalize_logged_model(model.model_id, "READY")
        point = resume(runs, f"models:/{model.model_id}")
        assert (point.step, point.epoch, point.best) == (30, 3, 0.7)
        assert set_bytes(point.prefix) == set_bytes(prefix)

    def test_a_logged_model_whose_upload_was_torn(self, runs: Runs) -> None:
        """PENDING is the mark of it."""
        model = runs.client.create_logged_model(runs.experiment_id, name="checkpoint")
        with pytest.raises(ConfigError, match="not finished"):
            resume(runs, f"models:/{model.model_id}")


def test_a_set_that_shares_bytes_with_an_earlier_one_is_found_on_disk(runs: Runs) -> None:
    """A downloaded checkpoints/ folder: equal bytes are stored once, and the manifest says where."""
    run_id = runs.add(steps={10: 0.2, 20: 0.4})
    home = runs.folder / "downloaded" / "checkpoints"
    shutil.copytree(runs.artifact(run_id, "checkpoints"), home)
    path = home / "step_00000020" / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["files"]:
        if entry["name"] == "model.pdopt":
            entry["path"] = "checkpoints/step_00000010/elsewhere/model.pdopt"
            target = home / "step_00000010" / "elsewhere" / "model.pdopt"
            target.parent.mkdir()
            (home / "step_00000020" / "model.pdopt").replace(target)
    path.write_text(json.dumps(manifest))
    assert resume(runs, str(home / "step_00000020")).step == 20


def test_a_manifest_of_a_run_that_came_by_a_step_again(runs: Runs) -> None:
    """Its place is written and read."""
    manifest = CheckpointManifest(
        step=3, epoch=1, kind=BEST, metrics={}, files=(), place="checkpoints/step_00000003_abc"
    )
    assert CheckpointManifest.from_json(manifest.to_json()) == manifest
    assert manifest.folder == "checkpoints/step_00000003_abc"
