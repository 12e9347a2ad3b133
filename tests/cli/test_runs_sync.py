"""The commands sync and checkpoints: what they refuse, what they answer, with which exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.runs.offline import OfflineClient
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, snapshot_of, store_on
from tests.cli_run import command
from tests.commands import environment, only_run, points, store

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


@pytest.fixture
def offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a finished run without a server, with three checkpoints of which the first is the best."""
    monkeypatch.chdir(tmp_path)
    tracker = Tracker.start(OfflineClient(), tmp_path / "outputs", name="x", offline=True)
    store = store_on(tracker.artifacts)
    for step in (10, 20, 30):
        put = store.put(snapshot_of(tmp_path, step=step, seed=step), step=step, epoch=step // 10)
        if step == 10:
            store.point(BEST, put)
    store.point(LATEST, put)
    tracker.log_metrics({"train/loss": 0.5}, step=1, time_ms=1_700_000_000_000)
    tracker.finish("FINISHED")
    return tracker.folder


def test_nothing_to_sync_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even where there is no folder with runs."""
    monkeypatch.chdir(tmp_path)
    ran = command(capsys, "sync", "--json", "-")
    assert (ran.code, ran.json) == (0, {"runs": [], "pending": 0})


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_that_is_no_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """With what a run's folder looks like."""
    monkeypatch.chdir(tmp_path)
    ran = command(capsys, "sync", name)
    assert ran.code == 2
    assert "run.json" in ran.err


def test_a_server_that_is_away_leaves_it_pending(
    offline_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 8, with what is pending and why; no password is shown."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:open-sesame@127.0.0.1:9")
    ran = command(capsys, "sync", "--json", "-")
    assert ran.code == 8
    (result,) = ran.json["runs"]
    assert (result["complete"], result["pending_items"]) == (False, 1)
    assert result["pending_bytes"] > 0
    assert "no MLflow server answers" in result["error"]
    assert "open-sesame" not in ran.out + ran.err


def test_a_broken_folder_does_not_hide_the_others(
    offline_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an argument it is passed over; named, it is an error."""
    broken = offline_run.parent / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert len(command(capsys, "sync", "--json", "-").json["runs"]) == 1
    ran = command(capsys, "sync", broken)
    assert (ran.code, "run.json does not say" in ran.err) == (3, True)


def test_checkpoints_of_a_folder_are_a_table(offline_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Step, epoch, kind, aliases, size, whether whole, and metrics."""
    ran = command(capsys, "checkpoints", offline_run)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["step", "epoch", "kind", "alias", "size", "whole", "metrics"]
    assert lines[1].split()[:4] == ["10", "1", "latest", "best"]
    assert "hmean=0.5" in lines[1]
    assert lines[3].split()[3] == "latest"


def test_a_flipped_byte_is_exit_3(offline_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only with --verify are bytes read."""
    weights = offline_run / "artifacts/checkpoints/step_00000020/model.pdparams"
    body = weights.read_bytes()
    weights.write_bytes(body[:7] + bytes([body[7] ^ 1]) + body[8:])
    assert command(capsys, "checkpoints", offline_run).code == 0
    ran = command(capsys, "checkpoints", offline_run.name, "--verify", "--json", "-")
    assert ran.code == 3
    found = {entry["step"]: entry["whole"] for entry in ran.json["checkpoints"]}
    assert found == {10: True, 20: False, 30: True}
    assert "step_00000020/model.pdparams is damaged" in ran.err


def test_pruning_shows_first(offline_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run names what would go and touches nothing; without it exactly that goes."""
    prune = ("checkpoints", offline_run, "--prune", "--keep-last", "1", "--json", "-")
    shown = command(capsys, *prune, "--dry-run")
    assert (shown.code, shown.json["pruned"], shown.json["dry_run"]) == (0, [20], True)
    assert shown.json["kept"] == {"10": "best", "30": "latest"}
    assert (offline_run / "artifacts/checkpoints/step_00000020/manifest.json").is_file()
    assert command(capsys, *prune).json["pruned"] == [20]
    left = command(capsys, "checkpoints", offline_run, "--json", "-").json["checkpoints"]
    assert [entry["step"] for entry in left] == [10, 30]


@pytest.mark.parametrize("options", [["--prune"], ["--keep-last", "2"], ["--dry-run"]])
def test_half_a_pruning_is_refused(
    offline_run: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """Nobody deletes by accident."""
    ran = command(capsys, "checkpoints", offline_run, *options)
    assert (ran.code, "--prune --keep-last N --dry-run" in ran.err) == (2, True)


def test_what_is_no_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither an id nor a folder."""
    monkeypatch.chdir(tmp_path)
    ran = command(capsys, "checkpoints", "latest")
    assert (ran.code, "is not a run id" in ran.err) == (2, True)


def test_a_run_without_a_server_keeps_its_records(offline_run: Path) -> None:
    """Its facts say that nothing has been delivered."""
    facts = json.loads((offline_run / "run.json").read_text())
    assert (facts["offline"], facts["status"], facts["status_set"]) == (True, "FINISHED", False)
    assert facts["server_run_id"] == ""


def test_a_server_cannot_be_asked_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """resume=latest needs a server; the message says what does not."""
    from ocr_train.errors import TrackingError
    from ocr_train.tracking.mlflow_client import runs_of_model

    with pytest.raises(TrackingError, match="offline=true"):
        runs_of_model(OfflineClient(), "det")


KILLED = """
import os, sys
from pathlib import Path
from ocr_train.runs.offline import OfflineClient
from ocr_train.tracking.tracker import Tracker
tracker = Tracker.start(OfflineClient(), Path("outputs"), name="x", offline=True)
log = tracker.folder / "train.log"
tracker.begin_log(log)
lines = [f"ppocr INFO: epoch: [1/4], global_step: {step}, loss: {9 - step}.5, ips: 20.0 samples/s,  " for step in (1, 2)]
log.write_text("\\n".join(lines) + "\\n")
tracker.log_metrics({"train/loss": 8.5}, step=1, time_ms=1_700_000_000_000)
os._exit(9)
"""


def test_what_a_killed_tracker_had_read_and_not_noted_is_brought_once(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second step is in the log alone: `sync` brings it, and a second `sync` changes nothing."""
    monkeypatch.chdir(store_folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(store_folder))
    subprocess.run([sys.executable, "-c", KILLED], cwd=store_folder, env=environment(), check=False)
    for _ in range(2):
        ran = command(capsys, "sync")
        assert ran.code == 0, ran.out + ran.err
    run = only_run(store(store_folder))
    assert (run.info.status, run.data.tags["failure_reason"]) == ("KILLED", "tracker_lost")
    assert points(store(store_folder), run.info.run_id, "train/loss") == [(1, 8.5), (2, 7.5)]
