"""A server that takes nothing for a run: nothing is lost, it is said why, and `sync` delivers it later.

Runs in MLflow's own sqlite store; that it does not let somebody write is played by a client that says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocr_train.checkpoints.reader import find
from ocr_train.checkpoints.snapshots import take_snapshot
from ocr_train.errors import TrackingError
from ocr_train.runs.sync import Synced, sync_run
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.refusals import RunRefused, RunUnknown, check_run
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, mlflow_store, store_on, write_checkpoint

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


def store(folder: Path, template: Path) -> str:
    """The address of an empty store in a new folder."""
    folder.mkdir()
    return mlflow_store(folder, template)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _store_template: Path) -> Any:
    """A client on a store of its own, with an experiment of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(tmp_path / "store", _store_template))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "pages")
    monkeypatch.setattr("ocr_train.tracking.journal_delivery.RETRY_S", (0.05,))
    connected = connect()
    connected.create_experiment("pages", artifact_location=str(tmp_path / "artifacts"))
    return connected


@pytest.fixture
def other(tmp_path: Path, _store_template: Path) -> Any:
    """A client on another store, which knows no run; its experiment 1 is another."""
    import mlflow

    empty = mlflow.MlflowClient(tracking_uri=store(tmp_path / "other", _store_template))
    empty.create_experiment("another", artifact_location=str(tmp_path / "another"))
    empty.create_experiment("pages", artifact_location=str(tmp_path / "other artifacts"))
    return empty


def trained(client: Any, folder: Path, between: Callable[[Any, str], None]) -> Tracker:
    """A run of 8 points that has ended, where `between` happens after the fourth."""
    tracker = Tracker.start(client, folder, name="det demo")
    for step in range(1, 9):
        tracker.log_metrics({"train/loss": 1 / step}, step=step, time_ms=1_700_000_000_000 + step)
        if step == 4:
            assert tracker._delivery.flush(10)
            between(client, tracker.run_id)
    return tracker


def steps(client: Any, run_id: str) -> list[int]:
    """The steps of the loss in MLflow."""
    return sorted(point.step for point in client.get_metric_history(run_id, "train/loss"))


def synced(tracker: Tracker, client: Any, *, new_run: bool = False) -> Synced:
    """What `sync` of the run's folder gives with this client."""
    return sync_run(tracker.folder, lambda _uri: client, lambda _text: None, new_run=new_run)


def delete_run(client: Any, run_id: str) -> None:
    """As the page's button does."""
    client.delete_run(run_id)


def delete_experiment(client: Any, run_id: str) -> None:
    """With all of its runs."""
    client.delete_experiment(client.get_run(run_id).info.experiment_id)


def restore_run(client: Any, run_id: str) -> None:
    """What the message says."""
    client.restore_run(run_id)


def restore_experiment(client: Any, run_id: str) -> None:
    """What the message says."""
    client.restore_experiment(client.get_run(run_id).info.experiment_id)


@pytest.mark.parametrize(
    ("delete", "restore", "named"),
    [
        (delete_run, restore_run, "mlflow runs restore --run-id {run_id}"),
        (delete_experiment, restore_experiment, "mlflow experiments restore --experiment-id 1"),
    ],
)
def test_a_deleted_run_loses_nothing(
    client: Any,
    tmp_path: Path,
    delete: Callable[[Any, str], None],
    restore: Callable[[Any, str], None],
    named: str,
) -> None:
    """No record counts as refused; the end and `sync` name the command; once restored, everything arrives."""
    tracker = trained(client, tmp_path / "runs", delete)
    delivered = tracker.finish("FINISHED", timeout_s=0.5)
    assert (delivered.refused, delivered.status_set) == (0, False)
    assert delivered.pending_bytes > 0
    assert named.format(run_id=tracker.run_id) in delivered.last_error
    before = synced(tracker, client)
    assert not before.complete
    assert named.format(run_id=tracker.run_id) in before.error
    restore(client, tracker.run_id)
    after = synced(tracker, client)
    assert (after.complete, after.refused, after.error) == (True, 0, "")
    assert steps(client, tracker.run_id) == list(range(1, 9))
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


def test_a_run_that_is_restored_in_time_is_delivered_by_itself(client: Any, tmp_path: Path) -> None:
    """The end of the run needs no `sync`."""
    tracker = trained(client, tmp_path / "runs", delete_run)
    client.restore_run(tracker.run_id)
    assert tracker.finish("FINISHED", timeout_s=10).complete
    assert steps(client, tracker.run_id) == list(range(1, 9))


class Forbidden:
    """MLflow's client with an account that may only read: a server with accounts answers writes so."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name in ("log_batch", "set_terminated", "log_inputs", "set_tag"):
            return self._refuse
        return getattr(self._client, name)

    def _refuse(self, *_args: object, **_kwargs: object) -> None:
        from mlflow.exceptions import RestException

        raise RestException({"error_code": "PERMISSION_DENIED", "message": "Permission denied"})


def test_credentials_that_may_not_write_lose_nothing(client: Any, tmp_path: Path) -> None:
    """Everything waits until they may, and the message names what to set."""
    tracker = Tracker.start(client, tmp_path / "runs", name="det demo")
    tracker.client = Forbidden(client)
    tracker.log_metrics({"train/loss": 0.5}, step=1, time_ms=1)
    delivered = tracker.finish("FINISHED", timeout_s=0.5)
    assert (delivered.refused, delivered.status_set) == (0, False)
    assert "MLFLOW_TRACKING_TOKEN" in delivered.last_error
    assert "MLFLOW_TRACKING_TOKEN" in synced(tracker, Forbidden(client)).error
    assert synced(tracker, client).complete
    assert steps(client, tracker.run_id) == [1]


def test_a_run_that_the_server_has_lost_is_made_anew(client: Any, other: Any, tmp_path: Path) -> None:
    """Its experiment is found by name, its times are its own, its files and checkpoints come from its folder; without
    the option it is only said, and doing it again changes nothing."""
    tracker = trained(client, tmp_path / "runs", lambda _client, _run_id: None)
    tracker.log_params({"epochs": 4})
    note = tracker.folder / "note.txt"
    note.write_text("as it was", encoding="utf-8")
    tracker.log_file(note, "logs")
    write_checkpoint(tracker.folder / "trainer" / "iter_epoch_2", epoch=2, step=40)
    assert tracker.finish("FINISHED").complete
    shutil.copyfile(tracker.folder / "run.json", tmp_path / "run.json")
    assert synced(tracker, other).complete, "a run that is over is not asked after"
    done = synced(tracker, other, new_run=True)
    assert (done.complete, done.refused, done.error) == (True, 0, "")
    run_id = done.server_run_id
    assert run_id != tracker.run_id
    assert steps(other, run_id) == list(range(1, 9))
    run = other.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "det demo")
    assert run.info.start_time == client.get_run(tracker.run_id).info.start_time
    assert run.data.params["epochs"] == "4"
    assert other.get_experiment(run.info.experiment_id).name == "pages"
    assert {info.path for info in other.list_artifacts(run_id, "logs")} == {"logs/note.txt"}
    stored = find(RunArtifacts(other, run_id), "latest")
    assert stored is not None
    assert stored.step == 40
    assert synced(tracker, other, new_run=True) == Synced(
        folder=tracker.folder,
        run_id=tracker.run_id,
        server_run_id=run_id,
        status="FINISHED",
        status_set=True,
    )
    # One that died before it noted the new run finds it again.
    shutil.copyfile(tmp_path / "run.json", tracker.folder / "run.json")
    assert synced(tracker, other, new_run=True).server_run_id == run_id
    assert steps(other, run_id) == list(range(1, 9))


def test_a_lost_run_with_something_pending_names_the_option(client: Any, other: Any, tmp_path: Path) -> None:
    """`sync` alone makes no second run: the address may be wrong."""
    tracker = trained(client, tmp_path / "runs", delete_run)
    tracker.finish("FINISHED", timeout_s=0.1)
    done = synced(tracker, other)
    assert "sync --new-run" in done.error
    assert not done.complete
    assert not other.search_runs(["0", "1", "2"])
    assert synced(tracker, other, new_run=True).complete


def test_what_only_the_lost_server_had_is_named(client: Any, other: Any, tmp_path: Path) -> None:
    """A checkpoint that was stored and is not on this machine any more, and a file that is gone."""
    from ocr_train.tracking.outbox import Checkpoint

    tracker = trained(client, tmp_path / "runs", lambda _client, _run_id: None)
    gone = Checkpoint(path="snapshots/gone", name="iter_epoch_1", kind="epoch", step=20, epoch=1)
    tracker.outbox.done(tracker.outbox.add(gone))
    passing = tmp_path / "passing.txt"
    passing.write_text("x", encoding="utf-8")
    tracker.log_file(passing, "logs")
    assert tracker.finish("FINISHED").complete
    passing.unlink()
    done = synced(tracker, other, new_run=True)
    assert done.complete
    assert done.not_brought == ["the checkpoint at step 20", "the file logs/passing.txt"]


def test_a_server_that_is_away_is_not_said_to_have_a_run(client: Any, tmp_path: Path) -> None:
    """A run that is over is asked after with the option: without an answer it is not known to be there."""
    tracker = trained(client, tmp_path / "runs", lambda _client, _run_id: None)
    assert tracker.finish("FINISHED").complete

    def away(_uri: str) -> Any:
        raise TrackingError("no MLflow server answers")

    done = sync_run(tracker.folder, away, lambda _text: None, new_run=True)
    assert not done.complete
    assert "no MLflow server answers" in done.error


def test_a_deleted_run_is_not_made_anew(client: Any, tmp_path: Path) -> None:
    """It can be restored: a second one beside it would be a surprise."""
    tracker = trained(client, tmp_path / "runs", delete_run)
    tracker.finish("FINISHED", timeout_s=0.1)
    assert "restore" in synced(tracker, client, new_run=True).error


def test_a_run_is_asked_after(client: Any, tmp_path: Path) -> None:
    """One that is there, one that is deleted, one that never was."""
    tracker = Tracker.start(client, tmp_path / "runs", name="det demo")
    tracker.finish("FINISHED")
    assert check_run(client, tracker.run_id).info.run_id == tracker.run_id
    with pytest.raises(RunUnknown):
        check_run(client, "f" * 32)
    client.delete_run(tracker.run_id)
    with pytest.raises(RunRefused):
        check_run(client, tracker.run_id)


def test_a_checkpoint_is_not_stored_for_a_run_that_the_server_has_lost(
    client: Any, other: Any, tmp_path: Path
) -> None:
    """The artifact store takes its files all the same: they would be with no run, and the copy here would be gone."""
    tracker = trained(client, tmp_path / "runs", lambda _client, _run_id: None)
    lost = RunArtifacts(other, tracker.run_id)
    kept = RunArtifacts(client, tracker.run_id)
    lost.list, lost.upload = kept.list, kept.upload  # type: ignore[method-assign]
    lost.download, lost.read_back = kept.download, kept.read_back  # type: ignore[method-assign]
    snapshot = take_snapshot(write_checkpoint(tmp_path / "latest"), "latest", tmp_path / "snapshots")
    store = store_on(lost)
    for _ in range(2):
        with pytest.raises(RunUnknown, match="does not know the run"):
            store.put(snapshot, step=10, epoch=1)
    assert store_on(kept).put(snapshot, step=10, epoch=1).step == 10


def test_a_server_that_does_not_answer_says_nothing_about_the_run(client: Any, tmp_path: Path) -> None:
    """What went to the artifact store is with the run when it is back."""

    class Away:
        """A client of a server that is away."""

        def get_run(self, run_id: str) -> Any:
            """No answer."""
            raise ConnectionError(run_id)

    RunArtifacts(Away(), "run").require_run()
    tracker = trained(client, tmp_path / "runs", lambda _client, _run_id: None)
    RunArtifacts(client, tracker.run_id).require_run()
    client.delete_run(tracker.run_id)
    with pytest.raises(RunRefused, match="deleted"):
        RunArtifacts(client, tracker.run_id).require_run()
