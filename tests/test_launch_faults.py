"""What goes wrong before the first record of a run is delivered: nothing is left RUNNING, and nothing is a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocr_train.cli import main as cli
from ocr_train.errors import StorageError, TrackingError
from ocr_train.runs import listing
from ocr_train.tracking import tracker as tracking
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.run_folder import RunLock, require_writable
from tests.builders import MLFLOW_WARNING
from tests.commands import (
    REPO,
    all_runs,
    client,
    environment,
    ocr_train_here,
    only_run,
    store,
    train_arguments,
)

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nobody, root neither, can make anything."""
    folder = tmp_path / "immutable"
    folder.mkdir()
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", folder], check=False).returncode:
        pytest.skip("chattr +i does not work here")
    yield folder
    subprocess.run(["chattr", "-i", folder], check=True)


@pytest.fixture
def mlflow_run_id(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The run that `mlflow run` has made for us."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(store_folder))
    monkeypatch.chdir(store_folder)
    run_id = str(client(store(store_folder)).create_run("0").info.run_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


def test_a_folder_that_can_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """Trying it leaves nothing behind."""
    require_writable(tmp_path / "new" / "outputs")
    assert list((tmp_path / "new" / "outputs").iterdir()) == []
    require_writable(tmp_path / "outputs", "r" * 32)
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["r" * 32]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, immutable: Path) -> None:
    """A file in the way, a name too long, a loop of links, a folder that takes nothing: the path and why."""
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for folder, why in (
        (tmp_path / "file", "Not a directory"),
        (tmp_path / "file" / "outputs", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "loop", "Too many levels"),
        (immutable, "Operation not permitted"),
        (immutable / "outputs", "Operation not permitted"),
    ):
        with pytest.raises(StorageError, match=why) as caught:
            require_writable(folder)
        assert str(folder) in caught.value.problem


def test_a_run_that_another_process_has_is_not_tried(tmp_path: Path) -> None:
    """Its lock is held."""
    lock = RunLock(tmp_path)
    assert lock.take()
    with pytest.raises(TrackingError, match="another process is using"):
        require_writable(tmp_path.parent, tmp_path.name)
    lock.release()


def test_a_run_has_its_tags_from_its_first_moment(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the call that makes it, without secrets, short enough for older servers."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(store_folder))
    monkeypatch.setenv("MY_TOKEN", "open-sesame")
    made: list[dict[str, Any]] = []
    connected = connect()

    class Spy:
        def __getattr__(self, name: str) -> Any:
            return getattr(connected, name)

        def create_run(self, *args: Any, **options: Any) -> Any:
            made.append(options)
            return connected.create_run(*args, **options)

    tags = {"launch_command": "mlflow run . -P data=open-sesame " + "x" * 9000, "empty": ""}
    tracker = tracking.Tracker.start(Spy(), tmp_path / "outputs", name="x", tags=tags)
    tracker.finish("FINISHED")
    (given,) = made
    assert set(given["tags"]) == {"launch_command", "heartbeat", "tracked_by"}
    assert given["tags"]["launch_command"].startswith("mlflow run . -P data=*** x")
    assert all(len(value) <= 5000 for value in given["tags"].values())
    assert f'"pid": {os.getpid()}' in given["tags"]["tracked_by"]


def test_a_folder_that_fails_after_the_run_is_made_ends_it(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk fills up in that very moment: FAILED, with the reason."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(store_folder))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "run.json"))

    monkeypatch.setattr(tracking, "write_facts", full)
    with pytest.raises(StorageError, match="No space left on device"):
        tracking.Tracker.start(connect(), tmp_path / "outputs", name="x")
    run = only_run(store(store_folder))
    assert (run.info.status, run.data.tags["failure_reason"]) == ("FAILED", "storage_error")
    assert "No space left" in run.data.tags["failure_explanation"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "dett"), "unknown model 'dett'"),
        (("--epochs", "many"), "epochs"),
        (("--modle", "det"), "unknown option '--modle'"),
        (("--resume", "x", "--resume-mode", "same", "--weights-only", "true"), "exclude each other"),
        (("--output", "mlflow.db"), "cannot be used"),
        (("--trainer-python", "/nowhere/python"), "/nowhere/python"),
    ],
)
def test_a_launch_that_fails_at_once_says_why_in_the_run_of_mlflow_run(
    store_folder: Path, mlflow_run_id: str, arguments: tuple[str, ...], words: str
) -> None:
    """FAILED with a reason, whatever it was: the page shows more than a red dot."""
    try:
        code: object = cli.run(["train", *arguments])
    except SystemExit as exc:
        code = exc.code
    assert code in (2, 4, 5)
    run = client(store(store_folder)).get_run(mlflow_run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["failure_reason"] in ("config_error", "storage_error", "setup_error")
    assert words in run.data.tags["failure_explanation"]


def test_a_run_that_another_process_tracks_is_left_alone(store_folder: Path, mlflow_run_id: str) -> None:
    """MLFLOW_RUN_ID may be left over in a shell, or name a run that goes on elsewhere."""
    other = '{"host": "h", "pid": 1, "folder": "/", "token": "t", "since": 1}'
    client(store(store_folder)).set_tag(mlflow_run_id, "tracked_by", other)
    assert cli.run(["train", "--model", "dett"]) == 2
    run = client(store(store_folder)).get_run(mlflow_run_id)
    assert (run.info.status, run.data.tags.get("failure_reason")) == ("RUNNING", None)


def made_by_mlflow_run(folder: Path, monkeypatch: pytest.MonkeyPatch, project: Path) -> str:
    """What MLflow's own code makes before it starts a project's command; the run's id."""
    from mlflow.projects import utils

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(folder))
    run = utils._create_run(str(project), "0", str(project), None, "main", {"model": "rec"})
    return str(run.info.run_id)


def test_a_run_whose_launcher_was_killed_before_us_is_reaped(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After an hour, because environments take their time; another project's stays, whatever its age."""
    ours = made_by_mlflow_run(store_folder, monkeypatch, REPO)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "MLproject").write_text(
        "name: theirs\nentry_points:\n  main:\n    parameters:\n      model: {default: det}\n"
        "      resume: {default: x}\n    command: echo {model} {resume}\n"
    )
    theirs = made_by_mlflow_run(store_folder, monkeypatch, tmp_path / "theirs")
    mlflow = client(store(store_folder))
    assert listing.lost_runs(mlflow, now=time.time() + 1800) == []
    (lost,) = listing.lost_runs(mlflow, now=time.time() + 3700)
    assert lost.run_id == ours
    assert [info.run_id for info in listing.lost_runs(mlflow, older_than_s=60, now=time.time() + 61)] == [
        ours
    ]
    listing.reap(mlflow, lost)
    run = mlflow.get_run(ours)
    assert (run.info.status, run.data.tags["failure_reason"]) == ("KILLED", "tracker_lost")
    assert "start it again" in run.data.tags["failure_explanation"]
    assert mlflow.get_run(theirs).info.status == "RUNNING"


def test_a_run_that_was_taken_for_lost_runs_again(
    store_folder: Path, mlflow_run_id: str, tmp_path: Path
) -> None:
    """Its environment took two hours, somebody reaped it, and then it began."""
    mlflow = client(store(store_folder))
    mlflow.set_terminated(mlflow_run_id, status="KILLED")
    tracker = tracking.Tracker.start(connect(), tmp_path / "outputs", name="x")
    assert mlflow.get_run(mlflow_run_id).info.status == "RUNNING"
    tracker.finish("FINISHED")


@pytest.mark.slow
def test_a_kill_between_the_run_and_its_first_record_can_be_reaped(store_folder: Path, data: Path) -> None:
    """SIGKILL as soon as the server has made the run: `runs --reap` finds it."""
    script = (
        "import os, signal, sys\nfrom mlflow import MlflowClient\nmake = MlflowClient.create_run\n"
        "def make_and_die(*args, **options):\n    make(*args, **options)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "MlflowClient.create_run = make_and_die\nfrom ocr_train.cli import main as cli\ncli.main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *train_arguments(data)],
        cwd=store_folder,
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -9
    run = only_run(store(store_folder))
    assert run.info.status == "RUNNING"
    assert run.data.tags["launch_command"].startswith(
        "python -m ocr_train train --model rec_mv3_none_bilstm_ctc"
    )
    client(store(store_folder)).set_tag(run.info.run_id, "heartbeat", "2020-01-01T00:00:00Z")
    reaped = ocr_train_here("runs", "--reap", "--older-than", "1", cwd=store_folder)
    assert run.info.run_id in reaped.stdout, reaped.stderr
    assert only_run(store(store_folder)).info.status == "KILLED"


@pytest.mark.slow
def test_an_output_folder_that_takes_nothing_makes_no_run(
    store_folder: Path, data: Path, immutable: Path
) -> None:
    """Exit 4 with a sentence; there is no run at all."""
    done = ocr_train_here(*train_arguments(data, "--output", str(immutable)), cwd=store_folder)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert f"the folder for files of runs, {str(immutable)!r}, cannot be used" in done.stderr
    assert all_runs(store(store_folder)) == []


@pytest.mark.slow
@pytest.mark.parametrize(("size", "runs_made"), [("40k", 0), ("200k", 1)])
def test_a_disk_that_is_full_before_training_is_a_sentence(
    store_folder: Path, data: Path, size: str, runs_made: int
) -> None:
    """A real one, of a few kilobytes: exit 4 or 5, no traceback, no run left RUNNING."""
    full = store_folder / "full"
    full.mkdir()
    mount = f"mount -t tmpfs -o size={size} full {full}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    arguments = train_arguments(data, "--output", str(full))
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            f'{mount} && exec "$@"',
            "-",
            sys.executable,
            "-m",
            "ocr_train",
            *arguments,
        ],
        cwd=store_folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (4, 5), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "Free some space there" in done.stderr
    found = all_runs(store(store_folder))
    assert [run.info.status for run in found] == ["FAILED"] * runs_made
    assert all(run.data.tags["failure_reason"] in ("storage_error", "setup_error") for run in found)


@pytest.mark.slow
def test_two_machines_do_not_go_on_with_one_run(store_folder: Path, data: Path) -> None:
    """Two starts at once, with folders of their own: one trains, the other is refused and says who; no step twice."""
    first = ocr_train_here(*train_arguments(data), cwd=store_folder)
    assert first.returncode == 0, first.stderr
    run_id = only_run(store(store_folder)).info.run_id
    arguments = train_arguments(data, "--resume", run_id, "--resume-mode", "same")
    arguments[arguments.index("--epochs") + 1] = "9"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "ocr_train", *arguments, "--output", str(store_folder / name)],
            cwd=store_folder,
            env=environment({"SCRIPTED_PAUSE_S": "0.1"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "AB"
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2], answers
    refused = answers[codes.index(2)][1]
    winner = "AB"[codes.index(0)]
    assert "is being trained by another process (host " in refused
    assert f"files in {store_folder / winner}" in refused
    history = client(store(store_folder)).get_metric_history(run_id, "train/loss")
    assert sorted(point.step for point in history) == list(range(1, 37))
    assert only_run(store(store_folder)).info.status == "FINISHED"
