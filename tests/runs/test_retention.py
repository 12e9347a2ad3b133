"""Which checkpoints may go, and that those alone do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocr_train.checkpoints.listing import list_checkpoints
from ocr_train.checkpoints.manifest import BEST, LATEST, CheckpointManifest, StoredFile
from ocr_train.checkpoints.reader import restore
from ocr_train.checkpoints.store import CheckpointStore
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.errors import TrackingError
from ocr_train.run import Retention
from ocr_train.runs.retention import Pinned, pinned_by_others, pinned_by_registry, plan, plan_for, prune
from ocr_train.runs.sync import sync_run
from ocr_train.tracking.artifacts import FolderArtifacts
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.outbox import Checkpoint
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, mlflow_store, set_bytes, snapshot_of, store_on
from tests.commands import SCRIPTED, artifacts, ocr_train_here, only_run

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


def manifest(step: int, *, bytes_of: int | None = None) -> CheckpointManifest:
    """A checkpoint whose weights are its own, or those that are stored with another one."""
    path = "" if bytes_of is None else f"checkpoints/step_{bytes_of:08d}/model.pdparams"
    files = (StoredFile(name="model.pdparams", size=1, sha256="0" * 64, path=path),)
    return CheckpointManifest(step=step, epoch=step // 10, kind="latest", metrics={}, files=files)


STEPS = [manifest(step) for step in (10, 20, 30, 40)]


def gone(
    *manifests: CheckpointManifest, keep_last: int = 1, pinned: Pinned | None = None, **aliases: int
) -> list[int]:
    """The steps that go."""
    planned = plan(manifests, aliases, pinned or Pinned(), Retention(keep_last))
    assert not {entry.step for entry in planned.prune} & set(planned.keep)
    return [entry.step for entry in planned.prune]


def test_the_newest_stay() -> None:
    """As many as are asked for; asking for more than there are keeps all."""
    assert gone(*STEPS, keep_last=2) == [10, 20]
    assert gone(*STEPS, keep_last=9) == []


def test_all_checkpoints_of_a_step_go_together() -> None:
    """A run that was resumed has two at the step it came by again: neither is forgotten."""
    again = replace(manifest(20), place="checkpoints/step_00000020_abcdef")
    assert gone(manifest(10), manifest(20), again, manifest(30)) == [10, 20, 20]
    assert gone(manifest(10), manifest(20), again, keep_last=1) == [10]


def test_bytes_of_every_checkpoint_of_a_kept_step_stay() -> None:
    """Not only of the one that is listed last."""
    again = replace(manifest(40), place="checkpoints/step_00000040_abcdef")
    assert gone(manifest(10), manifest(30), manifest(40, bytes_of=10), again) == [30]


def test_what_an_alias_names_stays() -> None:
    """However old it is."""
    assert gone(*STEPS, best=10, latest=40) == [20, 30]


def test_what_the_registry_names_stays() -> None:
    """One checkpoint, or all where it does not say which."""
    assert gone(*STEPS, pinned=Pinned(steps={20: "registered as det version 3"})) == [10, 30]
    assert gone(*STEPS, pinned=Pinned(all_reason="registered as det version 3")) == []


def test_bytes_that_a_kept_checkpoint_refers_to_stay() -> None:
    """Through as many steps as it takes."""
    chain = [manifest(10), manifest(20, bytes_of=10), manifest(30), manifest(40, bytes_of=20)]
    assert gone(*chain) == [30]


def test_reasons_are_said() -> None:
    """For each that stays."""
    planned = plan(STEPS, {"best": 20}, Pinned(steps={10: "registered as det version 3"}), Retention(1))
    assert planned.keep == {10: "registered as det version 3", 20: "best", 40: "among the last 1"}


@pytest.fixture
def stored(tmp_path: Path) -> tuple[FolderArtifacts, CheckpointStore]:
    """Steps 10 to 40 in a folder: 10 is the best, 40 has the weights of 20."""
    kept = FolderArtifacts(tmp_path / "artifacts")
    store = store_on(kept)
    for step, seed in ((10, 1), (20, 2), (30, 3), (40, 2)):
        put = store.put(snapshot_of(tmp_path, step=step, epoch=step // 10, seed=seed), step=step, epoch=1)
        if step == 10:
            store.point(BEST, put)
    store.point(LATEST, put)
    return kept, store


def test_pruning_leaves_whole_checkpoints(
    stored: tuple[FolderArtifacts, CheckpointStore], tmp_path: Path
) -> None:
    """The best and the referenced bytes are there, each whole; the rest is gone from the store."""
    kept, store = stored
    planned = plan_for(kept, Pinned(), Retention(1))
    assert prune(kept, planned.prune) == ["checkpoints/step_00000030"]
    entries = list_checkpoints(kept, verify=True)
    assert [(entry.step, entry.problems) for entry in entries] == [(10, []), (20, []), (40, [])]
    wanted = set_bytes(tmp_path / "trainer" / "latest")
    last = next(entry for entry in plan_for(kept, Pinned(), Retention(9)).keep if entry == 40)
    assert set_bytes(restore(kept, replace(store_manifest(store, last)), tmp_path / "back")) == wanted
    assert not (kept.root / "checkpoints/step_00000030").exists()


def store_manifest(store: CheckpointStore, step: int) -> CheckpointManifest:
    """What the store knows of a step."""
    return store._manifests[step]


def test_bytes_that_were_pruned_are_stored_again(
    stored: tuple[FolderArtifacts, CheckpointStore], tmp_path: Path
) -> None:
    """A later set with the same weights must not rely on what is gone."""
    kept, store = stored
    for folder in prune(kept, plan_for(kept, Pinned(), Retention(1)).prune):
        store.forget(folder)
    again = store.put(snapshot_of(tmp_path, step=50, epoch=5, seed=3), step=50, epoch=5)
    assert set_bytes(restore(kept, again, tmp_path / "back")) == set_bytes(tmp_path / "trainer" / "latest")


def test_a_store_that_is_opened_again_knows_what_is_there(
    stored: tuple[FolderArtifacts, CheckpointStore], tmp_path: Path
) -> None:
    """Another process stores no bytes twice and no checkpoint anew."""
    kept, _ = stored
    again = store_on(kept).put(snapshot_of(tmp_path, step=50, epoch=5, seed=3), step=50, epoch=5)
    weights = next(entry for entry in again.files if entry.name == "model.pdparams")
    assert weights.path == "checkpoints/step_00000030/model.pdparams"


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_verify_finds_damage(stored: tuple[FolderArtifacts, CheckpointStore], damage: str) -> None:
    """One flipped byte, a cut file, a missing one: the checkpoints that need it are named, the others not."""
    kept, _ = stored
    weights = kept.root / "checkpoints/step_00000020/model.pdparams"
    body = weights.read_bytes()
    if damage == "flip":
        weights.write_bytes(body[:5] + bytes([body[5] ^ 1]) + body[6:])
    elif damage == "cut":
        weights.write_bytes(body[:-1])
    else:
        weights.unlink()
    entries = list_checkpoints(kept, verify=True)
    assert [entry.step for entry in entries if entry.problems] == [20, 40]
    assert bool([entry for entry in list_checkpoints(kept, verify=False) if entry.problems]) == (
        damage != "flip"
    )


def test_a_set_without_a_manifest_is_listed_as_torn(
    stored: tuple[FolderArtifacts, CheckpointStore],
) -> None:
    """A run that died in the middle of an upload."""
    kept, _ = stored
    (kept.root / "checkpoints/step_00000030/manifest.json").unlink()
    torn = list_checkpoints(kept, verify=False)[-1]
    assert (torn.step, torn.folder, torn.problems) == (
        None,
        "checkpoints/step_00000030",
        ("it has no complete manifest",),
    )


class TestRegistry:
    """What MLflow's registry relies on, in a real store."""

    @pytest.fixture
    def tracker(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _store_template: Path
    ) -> Iterator[Tracker]:
        """A finished run with three checkpoints."""
        uri = mlflow_store(tmp_path, _store_template)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        client = connect()
        client.create_experiment("x", artifact_location=str(tmp_path / "artifacts"))
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "x")
        tracker = Tracker.start(client, tmp_path / "runs", name="x")
        store = store_on(tracker.artifacts)
        for step in (10, 20, 30):
            store.put(snapshot_of(tmp_path, step=step, seed=step), step=step, epoch=1)
        yield tracker
        tracker.finish("FINISHED")

    def register(self, client: Any, source: str, run_id: str) -> None:
        """A version of the model "wires"."""
        client.create_registered_model("wires")
        client.create_model_version("wires", source, run_id)

    def test_a_version_made_from_a_checkpoint_keeps_it(self, tracker: Tracker) -> None:
        """Its source names the step."""
        source = f"{tracker.client.get_run(tracker.run_id).info.artifact_uri}/checkpoints/step_00000010"
        self.register(tracker.client, source, tracker.run_id)
        pinned = pinned_by_registry(tracker.client, tracker.run_id)
        assert pinned == Pinned(steps={10: "registered as wires version 1"})
        planned = plan_for(tracker.artifacts, pinned, Retention(1))
        assert [entry.step for entry in planned.prune] == [20]

    def test_a_version_that_does_not_say_which_keeps_all(self, tracker: Tracker) -> None:
        """Rather too much than too little."""
        source = f"{tracker.client.get_run(tracker.run_id).info.artifact_uri}/model"
        self.register(tracker.client, source, tracker.run_id)
        pinned = pinned_by_registry(tracker.client, tracker.run_id)
        assert plan_for(tracker.artifacts, pinned, Retention(1)).prune == ()

    def test_a_logged_model_keeps_the_checkpoint_it_names(self, tracker: Tracker) -> None:
        """In a tag."""
        tracker.client.create_logged_model(
            tracker.experiment_id,
            name="exported",
            source_run_id=tracker.run_id,
            tags={"checkpoint": "checkpoints/step_00000020"},
        )
        pinned = pinned_by_registry(tracker.client, tracker.run_id)
        assert pinned.steps == {20: "logged model exported"}

    def test_the_best_of_a_line_of_runs_stays(self, tracker: Tracker, tmp_path: Path) -> None:
        """A run that went on from one that went on from this one still names this one's step 10 as its best."""
        origin = tracker.run_id
        for step in (20, 10):  # the first child's best is its own: it names no other run's
            child = Tracker.start(tracker.client, tmp_path / "runs", name="child")
            child.set_tags({"resumed_from": origin})
            owner = tracker.run_id if step == 10 else child.run_id
            alias = tmp_path / "best.json"
            alias.write_text(json.dumps({"step": step, "run_id": owner}), encoding="utf-8")
            child.artifacts.upload(alias, "checkpoints")
            child.finish("FINISHED")
            origin = child.run_id
        pinned = pinned_by_others(tracker.client, tracker.run_id)
        assert list(pinned.steps) == [10]
        assert child.run_id in pinned.steps[10]
        assert [one.step for one in plan_for(tracker.artifacts, pinned, Retention(1)).prune] == [20]

    def test_what_cannot_be_asked_is_an_error(self, tracker: Tracker) -> None:
        """Then nothing is deleted."""
        with pytest.raises(TrackingError, match="could not be read"):
            pinned_by_registry(tracker.client, "f" * 32)

    def test_sync_prunes_as_the_run_would_have(self, tracker: Tracker) -> None:
        """A checkpoint that waited through an outage is stored, and the older ones that it replaces go."""
        snapshot = snapshot_of(tracker.folder, step=40, seed=40)
        path = str(snapshot.folder.relative_to(tracker.folder))
        waiting = Checkpoint(path=path, name="latest", kind="latest", step=40, epoch=4, keep_last=2)
        tracker.outbox.add(waiting)
        tracker.finish("FINISHED", timeout_s=1)
        done = sync_run(tracker.folder, lambda _uri: tracker.client, lambda _text: None)
        assert done.complete, done.error
        steps = {name for name in tracker.artifacts.list("checkpoints") if name.endswith("/")}
        assert steps == {"checkpoints/step_00000030/", "checkpoints/step_00000040/"}

    def test_pruned_artifacts_are_gone(self, tracker: Tracker) -> None:
        """From the run's own artifacts, manifest and all."""
        going = plan_for(tracker.artifacts, Pinned(), Retention(1)).prune
        prune(tracker.artifacts, going)
        assert set(tracker.artifacts.list("checkpoints")) == {"checkpoints/step_00000030/"}


@pytest.mark.slow
def test_a_run_that_keeps_the_last_one_keeps_the_best_too(store_folder: Path) -> None:
    """keep_last=1 over four epochs of which the first is the best: steps 4 and 16 are there at the end."""
    make_demo(store_folder / "words", DemoSpec(task="rec", train=16, val=4))
    done = ocr_train_here(
        *(
            "train",
            "--model",
            "rec_mv3_none_bilstm_ctc",
            "--data",
            "words",
            "--paddleocr",
            str(SCRIPTED),
            "--epochs",
            "4",
        ),
        *("--batch-size", "4", "--keep-last", "1"),
        cwd=store_folder,
        env={"SCRIPTED_SCORES": "0.4,0.3,0.2,0.1", "SCRIPTED_PAUSE_S": "0.1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    uri = f"sqlite:///{store_folder / 'mlflow.db'}"
    run_id = only_run(uri).info.run_id
    stored = artifacts(uri, run_id, "checkpoints")
    assert {path.split("/")[1] for path in stored if "step_" in path} == {"step_00000004", "step_00000016"}
    verified = ocr_train_here("checkpoints", run_id, "--verify", cwd=store_folder)
    assert verified.returncode == 0, verified.stdout + verified.stderr
