"""Hostile and damaged input to checkpoints, resume and tracking: each was a bug once."""

from __future__ import annotations

import json
import pickle
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callbacks.system import SystemMetricsCallback
from ocr_train.checkpoints.manifest import BEST, LATEST, CheckpointManifest
from ocr_train.checkpoints.reader import find, restore
from ocr_train.checkpoints.snapshots import take_snapshot
from ocr_train.checkpoints.states_file import read_states
from ocr_train.errors import DataError, TrackingError
from ocr_train.run import Results
from ocr_train.tracking.metric_names import MetricNames, legal_name
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.tracker import Tracker
from tests.builders import (
    MLFLOW_WARNING,
    FolderArtifacts,
    make_run,
    read_manifest,
    set_bytes,
    snapshot_of,
    states_bytes,
    store_on,
    write_checkpoint,
)
from tests.callbacks.test_checkpoints_callback import Training
from tests.callbacks.test_system import Sink
from tests.checkpoints.test_store import states_file, three_steps  # noqa: F401
from tests.resume.test_resolve import Runs, resume, runs, store_uri  # noqa: F401
from tests.tracking.test_tracker import SECRET, NotMlflow, environment, other_server  # noqa: F401

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


def test_the_first_cpu_value_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil's first answer in a thread is 0 by convention: with a core at work it must not be logged."""
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.5")
    sink = Sink()
    callback = SystemMetricsCallback(sink)
    callback.open(make_run(tmp_path))
    end = time.monotonic() + 20
    while not sink.got_one.is_set() and time.monotonic() < end:
        pass  # keeps one core busy
    callback.close()
    assert sink.samples[0][0]["system/cpu_utilization_percentage"] > 0


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({"epoch": float("inf")}),
        pickle.dumps({"epoch": 1, "best_model_dict": {"acc": 10**400}}),
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00nopetR.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x0f.",
        pickle.dumps({"epoch": 1, "global_step": -5}),
    ],
    ids=["infinite epoch", "huge score", "unknown codec", "exabytes", "negative step"],
)
def test_refuses_hostile_values(tmp_path: Path, data: bytes) -> None:
    """Whatever a pickle makes Python raise becomes a DataError."""
    with pytest.raises(DataError):
        read_states(states_file(tmp_path, data))


def test_a_pickle_that_asks_for_all_memory_is_refused(tmp_path: Path) -> None:
    """A memo index of 16 million in a file of 7 bytes would cost 256 MB (4 billion: 64 GB, and the OOM killer)."""
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_states(states_file(tmp_path, b"Nr\x00\x00\x00\x01."))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


REAL = states_bytes(epoch=3, step=120)
damaged = st.tuples(st.integers(0, len(REAL) - 1), st.binary(min_size=1, max_size=6)).map(
    lambda change: REAL[: change[0]] + change[1] + REAL[change[0] + len(change[1]) :]
)


@given(st.binary(max_size=300) | damaged | st.binary(max_size=60).map(lambda tail: REAL[:-1] + tail))
@example(b"N.")
def test_damaged_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Any bytes are a DataError or plain values, never another exception."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.states"
    path.write_bytes(data)
    try:
        states = read_states(path)
    except DataError:
        return
    assert type(states.epoch) is int
    assert all(type(value) is float for value in states.metrics.values())


def test_a_store_that_cannot_be_opened_is_a_tracking_error(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that is no database."""
    (tmp_path / "mlflow.db").write_bytes(b"this is no sqlite database, by any measure" * 100)
    environment.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(TrackingError, match="cannot be opened"):
        connect()


@pytest.mark.parametrize(
    "uri", ["http://localhost:99999", "http://localhost:50oo", "http://[bad", "./mlruns", "ftp://host/x"]
)
def test_an_address_that_is_none_is_a_tracking_error(environment: pytest.MonkeyPatch, uri: str) -> None:
    """A slip of the pen in MLFLOW_TRACKING_URI is no traceback."""
    environment.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError) as caught:
        connect()
    assert "MLFLOW_TRACKING_URI" in caught.value.hint


@pytest.mark.parametrize("other_server", [503], indirect=True)
def test_a_failing_server_does_not_give_the_password_away(
    environment: pytest.MonkeyPatch, other_server: int
) -> None:
    """MLflow's own message quotes the whole address."""
    environment.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    environment.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:{other_server}")
    with pytest.raises(TrackingError) as caught:
        connect()
    assert SECRET not in str(caught.value)


def test_a_pending_delivery_does_not_give_the_password_away(tmp_path: Path) -> None:
    """The summary prints the last error."""

    class Client:
        def log_batch(self, *args: Any, **kwargs: Any) -> None:
            raise ConnectionError(f"API request to http://me:{SECRET}@host:5000/api failed")

    tracker = Tracker(Client(), "r", "0", tmp_path)
    tracker.log_metrics({"a": 1.0}, step=1, time_ms=1)
    delivered = tracker.finish("FINISHED", timeout_s=0.3)
    assert "host:5000" in delivered.last_error
    assert SECRET not in delivered.last_error


def test_a_port_that_never_answers_fails_within_seconds(environment: pytest.MonkeyPatch) -> None:
    """A port that accepts and says nothing: not 3 times 30 s."""
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        environment.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(TrackingError):
            connect()
        assert time.monotonic() - started < 15


@pytest.mark.parametrize("name", ["a" * 249 + "/b", "a" * 247 + "/..b", "a" * 248 + "/.b", "a" * 400])
def test_a_long_name_is_accepted_too(name: str) -> None:
    """Cut at 250 characters, and what is left is still a legal path."""
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(legal_name(name))
    assert len(legal_name(name)) <= 250


def test_long_names_that_collide_stay_within_the_limit() -> None:
    """The number that tells them apart counts too."""
    names = MetricNames()
    legal = [names.legal("x" * 260 + end) for end in "abc"]
    assert len(set(legal)) == 3
    assert max(map(len, legal)) <= 250


GOOD = {
    "step": 1,
    "epoch": 1,
    "kind": "latest",
    "metrics": {},
    "files": [{"name": "a", "size": 1, "sha256": "x"}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"step": "x"},
        {"step": -1},
        {"step": None},
        {"step": 1.5},
        {"epoch": "1"},
        {"metrics": None},
        {"metrics": [1]},
        {"metrics": {"a": "b"}},
        {"files": [{"name": 5, "size": 1, "sha256": "x"}]},
        {"files": [{"name": "a", "size": 1, "sha256": None}]},
        {"files": [{"name": "a", "size": 1, "sha256": "x", "path": 3}]},
    ],
    ids=str,
)
def test_a_value_of_another_type_is_a_data_error(change: dict[str, Any]) -> None:
    """What is not of its type is refused when read, not found out by a traceback later."""
    with pytest.raises(DataError, match="not a checkpoint manifest"):
        CheckpointManifest.from_json(json.dumps({**GOOD, **change}))


def test_states_without_global_step_do_not_say_the_step(tmp_path: Path) -> None:
    """PaddleOCR before 2.5 wrote none: unknown is not 0."""
    assert read_states(states_file(tmp_path, states_bytes(epoch=3, step=None))).step is None


def test_sets_without_global_step_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """Each is stored at the step of the progress line before it."""
    from ocr_train.events import CheckpointSaved, TrainProgress

    training = Training(tmp_path)
    for step in (10, 20):
        prefix = write_checkpoint(training.run.folder / "trainer" / "iter_epoch_1", step=None, seed=step)
        training.callback.handle(TrainProgress(epoch=1, epochs=4, step=step))
        training.callback.handle(CheckpointSaved(name="iter_epoch_1", kind="epoch", prefix=str(prefix)))
    training.callback.close()
    assert training.callback.stored == {10, 20}


def test_other_weights_at_the_same_step_do_not_harm_those_that_name_the_first(tmp_path: Path) -> None:
    """Bytes that a manifest names are never overwritten, nor is the manifest: an alias may name it."""
    artifacts = FolderArtifacts(tmp_path / "artifacts")
    store = store_on(artifacts)
    store.put(snapshot_of(tmp_path, seed=1), step=10, epoch=1)
    first = set_bytes(tmp_path / "trainer" / "latest")
    manifest = store.put(snapshot_of(tmp_path, seed=2), step=10, epoch=1)
    second = set_bytes(tmp_path / "trainer" / "latest")
    store.put(snapshot_of(tmp_path, seed=1), step=20, epoch=2)
    assert set_bytes(restore(artifacts, read_manifest(artifacts, 10), tmp_path / "a")) == first
    assert set_bytes(restore(artifacts, manifest, tmp_path / "c")) == second
    restore(artifacts, read_manifest(artifacts, 20), tmp_path / "b")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_error_costs_one_set_not_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in a client library: the set is kept and named, the next one is stored."""
    monkeypatch.setattr("callbacks.checkpoints.RETRY_S", (0.001,))
    training = Training(tmp_path)
    real = training.artifacts.upload

    def fail(local: Path, folder: str = "") -> None:
        if "00000010" in folder:
            raise ValueError("unexpected")
        real(local, folder)

    training.artifacts.upload = fail  # type: ignore[method-assign]
    training.save("epoch", step=10)
    training.save("epoch", step=20)
    training.callback.close()
    assert training.callback.stored == {20}
    assert len(training.callback.results(Results()).kept) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_broken_terminal_does_not_stop_the_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`report` prints: the pipe may be closed by now."""
    monkeypatch.setattr("callbacks.checkpoints.RETRY_S", (0.001,))
    training = Training(tmp_path)

    def broken(text: str) -> None:
        raise BrokenPipeError("closed")

    training.callback._report = broken
    training.artifacts.failures = 5
    training.save("epoch", step=10)
    training.save("epoch", step=20)
    try:
        training.callback.close()
    except BrokenPipeError:
        training.callback.close()
    assert training.callback.stored == {10, 20}


def test_a_local_folder_with_a_manifest_is_compared_with_it(runs: Runs) -> None:
    """Damage between download and resume is found: the sums are there."""
    import shutil

    run_id = runs.add(steps={20: 0.4})
    folder = runs.folder / "downloaded"
    shutil.copytree(runs.artifact(run_id, "checkpoints/step_00000020"), folder)
    weights = folder / "model.pdparams"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="damaged"):
        resume(runs, str(folder))


def test_hostile_states_in_a_run_are_a_data_error(runs: Runs) -> None:
    """The sums say that the bytes are the stored ones, not that they are harmless: read before PaddleOCR does."""
    import hashlib

    run_id = runs.add(steps={20: 0.4})
    evil = b"cos\nsystem\n(S'true'\ntR."
    runs.artifact(run_id, "checkpoints/step_00000020/model.states").write_bytes(evil)
    path = runs.artifact(run_id, "checkpoints/step_00000020/manifest.json")
    manifest = CheckpointManifest.from_json(path.read_text())
    files = [
        replace(entry, sha256=hashlib.sha256(evil).hexdigest()) if entry.name.endswith(".states") else entry
        for entry in manifest.files
    ]
    path.write_text(replace(manifest, files=files).to_json())
    with pytest.raises(DataError, match=r"would import 'os\.system'"):
        resume(runs, run_id)


def test_latest_falls_back_to_an_older_whole_checkpoint(runs: Runs) -> None:
    """The newest set is damaged: the one before is whole, and there is no other way to name it."""
    run_id = runs.add(steps={10: 0.4, 20: 0.5})
    weights = runs.artifact(run_id, "checkpoints/step_00000020/model.pdparams")
    weights.write_bytes(weights.read_bytes()[:-1])
    assert resume(runs, run_id).step == 10


def test_an_alias_of_another_manifest_is_broken(three_steps: FolderArtifacts) -> None:
    """manifest_sha256 is there to be compared."""
    path = three_steps.root / "checkpoints/best.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "manifest_sha256": "0" * 64}))
    assert find(three_steps, BEST) is None


def test_a_torn_states_file_leaves_no_copy_behind(tmp_path: Path) -> None:
    """Snapshots are as large as the model."""
    prefix = write_checkpoint(tmp_path / "latest")
    Path(f"{prefix}.states").write_bytes(b"\x80\x02}")
    with pytest.raises(DataError):
        take_snapshot(prefix, LATEST, tmp_path / "snapshots")
    assert not list((tmp_path / "snapshots").iterdir())
