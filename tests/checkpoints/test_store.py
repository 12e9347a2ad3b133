"""Checkpoints: reading foreign pickles, snapshots, the store and its manifests, the way back for a resume."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.checkpoints import snapshots
from ocr_train.checkpoints.manifest import BEST, LATEST, CheckpointManifest, StoredFile
from ocr_train.checkpoints.reader import find, restore
from ocr_train.checkpoints.snapshots import take_snapshot
from ocr_train.checkpoints.states_file import read_states
from ocr_train.disk import sha256_of
from ocr_train.errors import DataError, TrackingError
from ocr_train.trainer.files import SUFFIXES
from tests.builders import (
    FolderArtifacts,
    read_manifest,
    set_bytes,
    snapshot_of,
    states_bytes,
    store_on,
    write_checkpoint,
)


class Runs:
    """Pickles to a call of `function` when it is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def states_file(folder: Path, data: bytes) -> Path:
    """A `.states` file with `data`."""
    path = folder / "latest.states"
    path.write_bytes(data)
    return path


class TestReadStates:
    """PaddleOCR's `.states` pickle."""

    def test_reads_epoch_step_and_numpy_scores(self, tmp_path: Path) -> None:
        """Epoch, global step and the best scores come out; counters and bools are no scores."""
        path = states_file(
            tmp_path, states_bytes(epoch=3, step=120, metrics={"hmean": 0.75, "precision": 0.8})
        )
        states = read_states(path)
        assert (states.epoch, states.step) == (3, 120)
        assert states.metrics == {"hmean": 0.75, "precision": 0.8, "fps": 12.5}
        assert all(type(value) is float for value in states.metrics.values())

    def test_reads_a_set_without_scores(self, tmp_path: Path) -> None:
        """A checkpoint saved before the first evaluation has an empty best_model_dict."""
        path = states_file(
            tmp_path, pickle.dumps({"best_model_dict": {}, "epoch": 1, "global_step": 5}, protocol=2)
        )
        assert read_states(path).metrics == {}

    @pytest.mark.parametrize(
        ("best", "metrics"),
        [
            ({"acc": 0}, {}),
            ({"acc": 0, "is_float16": False, "start_epoch": 3}, {}),
            ({"acc": 0.0, "norm_edit_dis": 0.5, "best_epoch": 2, "start_epoch": 3}, {"norm_edit_dis": 0.5}),
            ({"hmean": 0.5, "acc": 0.0, "best_epoch": 2, "start_epoch": 3}, {"hmean": 0.5}),
            ({"acc": 0.0, "best_epoch": 3, "start_epoch": 3}, {"acc": 0.0}),
            ({"acc": 0.0, "best_epoch": 1}, {"acc": 0.0}),
        ],
    )
    def test_an_initial_value_is_no_score(
        self, tmp_path: Path, best: dict[str, object], metrics: dict[str, float]
    ) -> None:
        """PaddleOCR begins with a best of 0 and puts it back there at a resume; a 0 of an evaluation is one."""
        data = pickle.dumps({"best_model_dict": best, "epoch": 3, "global_step": 5}, protocol=2)
        assert read_states(states_file(tmp_path, data)).metrics == metrics

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_refuses_a_pickle_that_would_run_a_command(self, tmp_path: Path, protocol: int) -> None:
        """os.system is named and not run, whichever pickle protocol carries it; plain pickle does run it."""
        canary = tmp_path / "canary"
        evil = {"best_model_dict": Runs(os.system, f"touch {canary}"), "epoch": 1, "global_step": 1}
        data = pickle.dumps(evil, protocol=protocol)
        with pytest.raises(DataError, match=r"would import \w+\.system") as caught:
            read_states(states_file(tmp_path, data))
        assert not canary.exists()
        assert caught.value.hint
        pickle.loads(data)  # noqa: S301 - shows that the canary would have appeared
        assert canary.exists()

    @pytest.mark.parametrize("function", [eval, exec, __import__, getattr, print])
    def test_refuses_every_other_import(self, tmp_path: Path, function: Callable[..., Any]) -> None:
        """What is not on the short list of numpy's own is refused, harmless or not."""
        data = pickle.dumps({"best_model_dict": Runs(function, "1"), "epoch": 1})
        with pytest.raises(DataError, match="would import builtins"):
            read_states(states_file(tmp_path, data))

    def test_refuses_a_file_cut_off_anywhere(self, tmp_path: Path) -> None:
        """A torn file is a DataError at every length."""
        data = states_bytes(epoch=3, step=120)
        for length in range(len(data)):
            with pytest.raises(DataError):
                read_states(states_file(tmp_path, data[:length]))

    @pytest.mark.parametrize(
        "document",
        [[], "text", 7, None, {}, {"epoch": None}, {"epoch": "x"}, {"epoch": 1, "best_model_dict": [1]}],
    )
    def test_refuses_another_document(self, tmp_path: Path, document: object) -> None:
        """A pickle of something else is a DataError that names the file."""
        path = states_file(tmp_path, pickle.dumps(document))
        with pytest.raises(DataError, match=r"not a PaddleOCR \.states file") as caught:
            read_states(path)
        assert str(path) in caught.value.problem

    def test_a_missing_file_is_a_data_error(self, tmp_path: Path) -> None:
        """No file, no traceback."""
        with pytest.raises(DataError, match=r"nothing\.states"):
            read_states(tmp_path / "nothing.states")


class TestTakeSnapshot:
    """Copying a set that the trainer will overwrite."""

    def test_copies_the_whole_set(self, tmp_path: Path) -> None:
        """All three files come along as model.*, with what the `.states` says."""
        prefix = write_checkpoint(tmp_path / "latest", epoch=2, step=40, metrics={"hmean": 0.25})
        snapshot = take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        assert [path.name for path in snapshot.files] == ["model.pdopt", "model.pdparams", "model.states"]
        assert set_bytes(snapshot.folder / "model") == set_bytes(prefix)
        assert (snapshot.epoch, snapshot.step, snapshot.metrics["hmean"]) == (2, 40, 0.25)
        assert (snapshot.kind, snapshot.name) == ("latest", "latest")

    def test_a_later_save_does_not_reach_the_copy(self, tmp_path: Path) -> None:
        """PaddleOCR writes in place: a hard link would change with it, a copy does not."""
        prefix = write_checkpoint(tmp_path / "latest", seed=1)
        before = set_bytes(prefix)
        snapshot = take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        write_checkpoint(prefix, epoch=2, step=20, seed=2)
        assert set_bytes(prefix) != before
        assert set_bytes(snapshot.folder / "model") == before

    def test_a_set_that_changes_while_it_is_copied_is_taken_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A save by another thread in the middle of the copy leads to the new set, not to half of each."""
        prefix = write_checkpoint(tmp_path / "latest", epoch=1, step=10, seed=1)
        old = set_bytes(prefix)
        copied_first = threading.Event()
        trainer = threading.Thread(
            target=lambda: copied_first.wait(10) and write_checkpoint(prefix, epoch=2, step=20, seed=2)
        )
        trainer.start()
        real = shutil.copyfile

        def copy_then_let_the_trainer_save(source: Path, target: Path) -> None:
            real(source, target)
            if not copied_first.is_set():
                copied_first.set()
                trainer.join()

        monkeypatch.setattr("ocr_train.checkpoints.snapshots.shutil.copyfile", copy_then_let_the_trainer_save)
        monkeypatch.setattr(snapshots, "SNAPSHOT_PAUSE_S", 0.0)
        snapshot = take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        copies = set_bytes(snapshot.folder / "model")
        assert copies == set_bytes(prefix)
        assert all(new != before for new, before in zip(copies, old, strict=True))
        assert snapshot.step == 20

    def test_a_set_that_never_rests_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A trainer that saves during each try ends in a DataError, and no copy stays behind."""
        prefix = write_checkpoint(tmp_path / "latest")
        real = shutil.copyfile
        saves = iter(range(100))

        def copy_while_the_trainer_saves(source: Path, target: Path) -> None:
            real(source, target)
            changed = Path(f"{prefix}.states")
            changed.write_bytes(changed.read_bytes() + bytes([next(saves)]))

        monkeypatch.setattr("ocr_train.checkpoints.snapshots.shutil.copyfile", copy_while_the_trainer_saves)
        monkeypatch.setattr(snapshots, "SNAPSHOT_PAUSE_S", 0.0)
        with pytest.raises(DataError, match="changed each time"):
            take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        assert not list((tmp_path / "snapshots").iterdir())

    def test_a_set_without_weights_is_refused(self, tmp_path: Path) -> None:
        """No .pdparams, no checkpoint; the message names the prefix, and no folder stays behind."""
        prefix = write_checkpoint(tmp_path / "latest")
        Path(f"{prefix}.pdparams").unlink()
        with pytest.raises(DataError, match=r"has no \.pdparams") as caught:
            take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        assert str(prefix) in caught.value.problem
        assert not list((tmp_path / "snapshots").iterdir())

    def test_a_set_without_states_says_neither_epoch_nor_step(self, tmp_path: Path) -> None:
        """Where PaddleOCR wrote no `.states` the weights are kept anyway."""
        prefix = write_checkpoint(tmp_path / "latest")
        Path(f"{prefix}.states").unlink()
        snapshot = take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        assert (snapshot.epoch, snapshot.step, snapshot.metrics) == (None, None, {})

    def test_two_snapshots_of_one_prefix_do_not_meet(self, tmp_path: Path) -> None:
        """Each has a folder of its own, and discarding one leaves the other."""
        prefix = write_checkpoint(tmp_path / "latest")
        first = take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        second = take_snapshot(prefix, LATEST, tmp_path / "snapshots")
        first.discard()
        first.discard()
        assert not first.folder.exists()
        assert set_bytes(second.folder / "model") == set_bytes(prefix)


class Corrupting(FolderArtifacts):
    """A store that returns other bytes than it was given."""

    def download(self, path: str, folder: Path) -> Path:
        """The artifact with its last byte changed."""
        got = super().download(path, folder)
        data = bytearray(got.read_bytes())
        data[-1] ^= 1
        got.write_bytes(bytes(data))
        return got


class TestStore:
    """What `put` and `point` leave in the artifact store."""

    def test_the_manifest_is_written_last(self, tmp_path: Path) -> None:
        """Whoever sees a manifest can rely on everything it names, configuration included."""
        artifacts = FolderArtifacts(tmp_path / "artifacts")
        config = tmp_path / "config.yml"
        config.write_text("Global: {}")
        store_on(artifacts, common=[config]).put(snapshot_of(tmp_path), step=10, epoch=1)
        assert artifacts.uploads[-1] == "checkpoints/step_00000010/manifest.json"
        assert set(artifacts.uploads[:-1]) == {
            "checkpoints/step_00000010/model.pdparams",
            "checkpoints/step_00000010/model.pdopt",
            "checkpoints/step_00000010/model.states",
            "checkpoints/config.yml",
        }

    def test_the_manifest_has_the_documented_shape(self, tmp_path: Path) -> None:
        """Machines rely on exactly these keys; sizes and sums are those of the stored files."""
        artifacts = FolderArtifacts(tmp_path / "artifacts")
        snapshot = snapshot_of(tmp_path, epoch=2, metrics={"hmean": 0.5})
        store_on(artifacts).put(snapshot, step=10, epoch=2)
        folder = artifacts.root / "checkpoints/step_00000010"
        document = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        files = document.pop("files")
        assert document == {
            "step": 10,
            "epoch": 2,
            "kind": "latest",
            "metrics": {"hmean": 0.5, "fps": 12.5},
            "model": "det",
            "dataset_digest": "digest-1",
            "versions": {"paddle": "3.0.0"},
        }
        assert {entry["name"] for entry in files} == {"model.pdparams", "model.pdopt", "model.states"}
        for entry in files:
            data = (folder / entry["name"]).read_bytes()
            assert entry == {
                "name": entry["name"],
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }

    def test_one_step_saved_three_times_is_stored_once(self, tmp_path: Path) -> None:
        """best, latest and iter_epoch_N of one step are the same weights: they go up once."""
        artifacts = FolderArtifacts(tmp_path / "artifacts")
        store = store_on(artifacts)
        manifests = [
            store.put(snapshot_of(tmp_path, kind=kind, seed=7), step=10, epoch=1)
            for kind in (BEST, LATEST, "epoch")
        ]
        assert manifests[0] == manifests[1] == manifests[2]
        assert artifacts.uploads.count("checkpoints/step_00000010/model.pdparams") == 1
        assert artifacts.uploads.count("checkpoints/step_00000010/model.pdopt") == 1
        assert artifacts.uploads.count("checkpoints/step_00000010/manifest.json") == 1

    def test_the_same_bytes_at_another_step_are_named_not_stored_again(self, tmp_path: Path) -> None:
        """Two steps with the same weights (learning rate 0) share them, and both can be restored."""
        artifacts = FolderArtifacts(tmp_path / "artifacts")
        store = store_on(artifacts)
        store.put(snapshot_of(tmp_path, step=10, seed=7), step=10, epoch=1)
        second = store.put(snapshot_of(tmp_path, step=20, seed=7), step=20, epoch=1)
        entry = next(entry for entry in second.files if entry.name == "model.pdparams")
        assert entry.path == "checkpoints/step_00000010/model.pdparams"
        assert "checkpoints/step_00000020/model.pdparams" not in artifacts.uploads
        prefix = restore(artifacts, read_manifest(artifacts, 20), tmp_path / "back")
        assert set_bytes(prefix) == set_bytes(tmp_path / "trainer" / "latest")

    def test_configuration_and_dictionary_are_stored_once_a_run(self, tmp_path: Path) -> None:
        """Every manifest names them, each at its one place."""
        artifacts = FolderArtifacts(tmp_path / "artifacts")
        common = [tmp_path / "config.yml", tmp_path / "dict.txt"]
        for path in common:
            path.write_text(f"the {path.name}")
        store = store_on(artifacts, common=common)
        for step in (10, 20):
            store.put(snapshot_of(tmp_path, step=step, seed=step), step=step, epoch=1)
            places = {entry.name: entry.path for entry in read_manifest(artifacts, step).files}
            assert places["config.yml"] == "checkpoints/config.yml"
            assert places["dict.txt"] == "checkpoints/dict.txt"
        assert [name for name in artifacts.uploads if name.endswith((".yml", ".txt"))] == [
            "checkpoints/config.yml",
            "checkpoints/dict.txt",
        ]

    def test_bytes_that_come_back_changed_leave_no_manifest(self, tmp_path: Path) -> None:
        """A store that damages what it is given is noticed before the checkpoint is called whole."""
        artifacts = Corrupting(tmp_path / "artifacts")
        with pytest.raises(TrackingError, match="other bytes than were sent"):
            store_on(artifacts).put(snapshot_of(tmp_path), step=10, epoch=1)
        assert not [name for name in artifacts.uploads if name.endswith("manifest.json")]
        assert find(artifacts, LATEST) is None

    def test_a_failed_put_can_be_repeated(self, tmp_path: Path) -> None:
        """After an interruption the second try uploads what is missing, and only that."""
        artifacts = FolderArtifacts(tmp_path / "artifacts")
        store = store_on(artifacts)
        snapshot = snapshot_of(tmp_path)
        real = artifacts.upload

        def fail_at_the_weights(local: Path, folder: str = "") -> None:
            if local.suffix == ".pdparams":
                raise TrackingError("connection lost")
            real(local, folder)

        artifacts.upload = fail_at_the_weights  # type: ignore[method-assign]
        with pytest.raises(TrackingError):
            store.put(snapshot, step=10, epoch=1)
        artifacts.upload = real  # type: ignore[method-assign]
        store.put(snapshot, step=10, epoch=1)
        assert len(artifacts.uploads) == len(set(artifacts.uploads)) == 4
        assert set_bytes(restore(artifacts, read_manifest(artifacts, 10), tmp_path / "back")) == set_bytes(
            snapshot.folder / "model"
        )

    def test_an_alias_names_its_manifest_and_the_sum_of_it(self, tmp_path: Path) -> None:
        """best.json says step, epoch, place, scores, and the SHA-256 of the manifest's very bytes."""
        artifacts = FolderArtifacts(tmp_path / "artifacts")
        store = store_on(artifacts)
        manifest = store.put(snapshot_of(tmp_path, epoch=3, kind=BEST), step=10, epoch=3)
        store.point(BEST, manifest)
        alias = json.loads((artifacts.root / "checkpoints/best.json").read_text(encoding="utf-8"))
        assert alias == {
            "step": 10,
            "epoch": 3,
            "path": "checkpoints/step_00000010",
            "metrics": {"hmean": 0.5, "fps": 12.5},
            "manifest_sha256": sha256_of(artifacts.root / "checkpoints/step_00000010/manifest.json"),
        }


names = st.text(min_size=1, max_size=12)
manifests = st.builds(
    CheckpointManifest,
    step=st.integers(0, 10**9),
    epoch=st.integers(0, 10**4),
    kind=st.sampled_from(["latest", "best", "epoch"]),
    metrics=st.dictionaries(names, st.floats(allow_nan=False), max_size=3),
    files=st.lists(
        st.builds(StoredFile, name=names, size=st.integers(0), sha256=names, path=st.just("") | names),
        max_size=3,
    ).map(tuple),
    model=names,
    dataset_digest=names,
    versions=st.dictionaries(names, names, max_size=2),
)


class TestManifest:
    """manifest.json, written and read."""

    @given(manifests)
    def test_what_is_written_is_read(self, manifest: CheckpointManifest) -> None:
        """Any manifest survives its own JSON, Thai and infinities included."""
        assert CheckpointManifest.from_json(manifest.to_json()) == manifest

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "7", "null", "{}", '{"files": 3}', '{"files": [], "step": 1}', '{"files": [{}]}'],
    )
    def test_anything_else_is_a_data_error(self, text: str) -> None:
        """Broken or foreign JSON is refused with a message, not a traceback."""
        with pytest.raises(DataError, match="not a checkpoint manifest"):
            CheckpointManifest.from_json(text)

    def test_an_unknown_key_is_a_data_error(self) -> None:
        """A manifest from a later version is not half understood."""
        text = '{"step": 1, "epoch": 1, "kind": "latest", "metrics": {}, "files": [], "surprise": 1}'
        with pytest.raises(DataError, match="surprise"):
            CheckpointManifest.from_json(text)


@pytest.fixture
def three_steps(tmp_path: Path) -> FolderArtifacts:
    """Checkpoints at the steps 10, 20 and 30; latest names 30, best names 20."""
    artifacts = FolderArtifacts(tmp_path / "artifacts")
    store = store_on(artifacts)
    for step in (10, 20, 30):
        manifest = store.put(snapshot_of(tmp_path, step=step, seed=step), step=step, epoch=step // 10)
        store.point(LATEST, manifest)
        if step == 20:
            store.point(BEST, manifest)
    return artifacts


class TestFind:
    """The newest or best whole checkpoint."""

    def test_follows_the_aliases(self, three_steps: FolderArtifacts) -> None:
        """latest and best are what their aliases name."""
        latest, best = find(three_steps, LATEST), find(three_steps, BEST)
        assert latest is not None and latest.step == 30
        assert best is not None and best.step == 20

    @pytest.mark.parametrize(
        "text", ["", "{", "[1]", "{}", '{"path": "checkpoints/step_00000099"}', '{"path": 5}']
    )
    def test_a_broken_latest_alias_leads_to_the_newest_whole_one(
        self, three_steps: FolderArtifacts, text: str
    ) -> None:
        """An alias torn by a crash does not hide the checkpoints."""
        (three_steps.root / "checkpoints/latest.json").write_text(text)
        found = find(three_steps, LATEST)
        assert found is not None and found.step == 30

    def test_a_checkpoint_without_manifest_does_not_exist(self, three_steps: FolderArtifacts) -> None:
        """An upload that did not get to its manifest is passed over for the one before."""
        (three_steps.root / "checkpoints/step_00000030/manifest.json").unlink()
        found = find(three_steps, LATEST)
        assert found is not None and found.step == 20

    def test_a_torn_manifest_does_not_exist(self, three_steps: FolderArtifacts) -> None:
        """The same for a manifest that is no JSON."""
        (three_steps.root / "checkpoints/step_00000030/manifest.json").write_bytes(b'{"step": \xff')
        found = find(three_steps, LATEST)
        assert found is not None and found.step == 20

    @pytest.mark.parametrize("change", ["remove the alias", "break the alias", "remove the manifest"])
    def test_best_has_no_second_choice(self, three_steps: FolderArtifacts, change: str) -> None:
        """Without its alias nobody knows which one was best: none is better than the wrong one."""
        alias = three_steps.root / "checkpoints/best.json"
        match change:
            case "remove the alias":
                alias.unlink()
            case "break the alias":
                alias.write_text("{")
            case _:
                (three_steps.root / "checkpoints/step_00000020/manifest.json").unlink()
        assert find(three_steps, BEST) is None

    @pytest.mark.parametrize("which", [LATEST, BEST])
    def test_a_run_without_checkpoints_has_none(self, tmp_path: Path, which: str) -> None:
        """No folder, no checkpoint, no error."""
        assert find(FolderArtifacts(tmp_path), which) is None


def everything_under(folder: Path) -> dict[str, bytes]:
    """All files under `folder` with their bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class TestRestore:
    """Back to this machine."""

    def test_brings_back_the_very_bytes(self, tmp_path: Path, three_steps: FolderArtifacts) -> None:
        """The prefix that comes back has the whole set of that step, and nothing else is left in the folder."""
        prefix = restore(three_steps, read_manifest(three_steps, 20), tmp_path / "back")
        assert prefix == tmp_path / "back" / "model"
        folder = three_steps.root / "checkpoints/step_00000020"
        stored = {name: data for name, data in everything_under(folder).items() if name != "manifest.json"}
        assert everything_under(tmp_path / "back") == stored
        assert read_states(tmp_path / "back/model.states").step == 20

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_damaged_file_is_refused(
        self, tmp_path: Path, three_steps: FolderArtifacts, suffix: str
    ) -> None:
        """One flipped bit in any of the three files, same size, is a DataError that names the file."""
        stored = three_steps.root / f"checkpoints/step_00000030/model{suffix}"
        data = bytearray(stored.read_bytes())
        data[len(data) // 2] ^= 1
        stored.write_bytes(bytes(data))
        with pytest.raises(DataError, match=rf"model\{suffix} is damaged") as caught:
            restore(three_steps, read_manifest(three_steps, 30), tmp_path / "back")
        assert "another checkpoint" in caught.value.hint
        assert not (tmp_path / "back" / f"model{suffix}").exists()

    def test_a_missing_file_is_a_tracking_error(self, tmp_path: Path, three_steps: FolderArtifacts) -> None:
        """What the manifest names and the store does not have."""
        (three_steps.root / "checkpoints/step_00000030/model.pdopt").unlink()
        with pytest.raises(TrackingError):
            restore(three_steps, read_manifest(three_steps, 30), tmp_path / "back")

    @pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", ".", "", "../../artifacts/x"])
    def test_a_hostile_name_is_refused(self, tmp_path: Path, three_steps: FolderArtifacts, name: str) -> None:
        """A manifest cannot make a resume write outside the folder it was given."""
        good = read_manifest(three_steps, 30)
        hostile = replace(good.files[0], name=name, path=f"{good.folder}/{good.files[0].name}")
        before = everything_under(tmp_path)
        with pytest.raises(DataError, match="is not a file name") as caught:
            restore(three_steps, replace(good, files=(hostile,)), tmp_path / "back")
        assert repr(name) in caught.value.problem
        assert everything_under(tmp_path) == before
