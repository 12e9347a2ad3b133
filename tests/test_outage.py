"""Servers that go away while a run trains: what is in MLflow and S3 afterwards, point by point, byte by byte.

The trainer is a stand-in (tests/scripted_paddleocr); servers, stores and data are real. A training under which a server
goes away, or which is killed, is a process of its own; `sync` and what looks at the result run in this one.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ocr_train.checkpoints.states_file import read_states
from ocr_train.errors import DataError
from tests.commands import artifacts, client, environment, none_of, ocr_train_here, train_arguments
from tests.faults import EXPERIMENT, Servers, bad_line, may_mount, on_a_small_disk, slow_line

pytestmark = pytest.mark.slow
SLOW = {"SCRIPTED_PAUSE_S": "0.25"}
UNNAMED = {"MLFLOW_TRACKING_URI": ""}
"""A shell that does not name the server: the run's folder does."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, _store_template: Path) -> Iterator[Servers]:
    """MLflow with its artifacts in a folder; tests leave it running."""
    running = Servers(tmp_path_factory.mktemp("mlflow") / "server", _store_template)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@contextmanager
def training(data: Path, cwd: Path, env: dict[str, str], *more: str) -> Iterator[subprocess.Popen[str]]:
    """A run under way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_train", *train_arguments(data, *more)],
        cwd=cwd,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def end_of(process: subprocess.Popen[str]) -> str:
    """What it printed, once it has ended well."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def only_folder(cwd: Path) -> Path:
    """The folder of the only run."""
    (facts,) = cwd.glob("outputs/*/run.json")
    return facts.parent


def journal(cwd: Path) -> list[dict[str, Any]]:
    """The records on disk."""
    lines = [path.read_text() for path in cwd.glob("outputs/*/journal.jsonl")]
    return [json.loads(line) for line in "".join(lines).splitlines() if line.endswith("}")]


def until(seen: Callable[[], bool], process: subprocess.Popen[str], *, timeout_s: float = 60) -> None:
    """Wait for `seen()` while the process runs."""
    deadline = time.monotonic() + timeout_s
    while not seen():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def steps_seen(cwd: Path, count: int) -> Callable[[], bool]:
    """Whether the trainer has printed `count` steps."""
    return lambda: len([record for record in journal(cwd) if record["key"] == "train/loss"]) >= count


def assert_all_points_arrived(uri: str, run_id: str, cwd: Path) -> None:
    """Every metric of the journal is in MLflow once, with its value, step and timestamp, and no other is."""
    mlflow = client(uri)
    run = mlflow.get_run(run_id)
    wanted: dict[str, set[tuple[int, int, float]]] = {}
    for record in journal(cwd):
        if record["kind"] == "metric":
            point = (record["step"], record["time_ms"], float(record["value"]))
            wanted.setdefault(record["key"], set()).add(point)
    assert {step for step, _, _ in wanted["train/loss"]} == set(range(1, 17))
    assert set(run.data.metrics) == set(wanted)
    for key in [key for key in wanted if not key.startswith("system/")]:
        points = [(m.step, m.timestamp, m.value) for m in mlflow.get_metric_history(run_id, key)]
        assert len(points) == len(set(points))
        assert set(points) == wanted[key], key


def alias_steps(uri: str, run_id: str, scratch: Path) -> dict[str, int]:
    """The steps that the aliases name."""
    found = {}
    for alias in ("latest", "best"):
        path = client(uri).download_artifacts(run_id, f"checkpoints/{alias}.json", str(scratch))
        found[alias] = json.loads(Path(path).read_text())["step"]
    return found


def step_in(states: Path) -> int:
    """The step of a set that may be being written."""
    try:
        return read_states(states).step or 0
    except DataError:
        return 0


def assert_all_files_arrived(uri: str, run_id: str, cwd: Path) -> None:
    """Configuration, dataset, log and every checkpoint, whose bytes are those that the manifest names."""
    files = set(artifacts(uri, run_id))
    assert {
        "config/config.yml",
        "config/experiment.yaml",
        "dataset/manifest.jsonl",
        "logs/train.log",
    } <= files
    assert {f"checkpoints/step_{step:08d}/manifest.json" for step in (4, 8, 16)} <= files
    assert alias_steps(uri, run_id, cwd) == {"latest": 16, "best": 16}
    verified = ocr_train_here("checkpoints", run_id, "--verify", cwd=cwd, env={"MLFLOW_TRACKING_URI": uri})
    assert verified.returncode == 0, verified.stdout + verified.stderr
    final = only_folder(cwd) / "trainer" / "latest.pdparams"
    path = client(uri).download_artifacts(run_id, "checkpoints/step_00000016/model.pdparams", str(cwd))
    assert Path(path).read_bytes() == final.read_bytes()
    assert client(uri).get_run(run_id).inputs.dataset_inputs
    assert not list((only_folder(cwd) / "snapshots").iterdir())


def test_a_server_that_comes_back_has_everything(servers: Servers, data: Path, tmp_path: Path) -> None:
    """Killed at step 3 and started again: training goes on meanwhile, and nothing is pending at the end."""
    with training(data, tmp_path, {**servers.env, **SLOW, "OCR_TRAIN_PATIENCE_S": "30"}) as process:
        until(steps_seen(tmp_path, 3), process)
        servers.kill("mlflow")
        until(steps_seen(tmp_path, 8), process)
        servers.start_mlflow()
        said = end_of(process)
    run_id = only_folder(tmp_path).name
    assert client(servers.uri).get_run(run_id).info.status == "FINISHED"
    assert "pending" not in said
    assert_all_points_arrived(servers.uri, run_id, tmp_path)
    assert_all_files_arrived(servers.uri, run_id, tmp_path)


def test_a_server_that_stays_away_is_served_by_sync(servers: Servers, data: Path, tmp_path: Path) -> None:
    """Training ends well, one line names the command; before the server is back it exits 8, then 0, and again
    changes nothing, even where what was sent is forgotten."""
    with training(data, tmp_path, {**servers.env, **SLOW}) as process:
        until(steps_seen(tmp_path, 3), process)
        servers.kill("mlflow")
        said = end_of(process)
    folder = only_folder(tmp_path)
    (line,) = [line for line in said.splitlines() if line.strip().startswith("pending")]
    assert f"python -m ocr_train sync {folder}" in line
    away = ocr_train_here("sync", cwd=tmp_path, env=UNNAMED)
    assert away.returncode == 8, away.stdout + away.stderr
    assert "still pending" in away.stdout
    servers.start_mlflow()
    assert client(servers.uri).get_run(folder.name).info.status == "RUNNING"
    done = ocr_train_here("sync", str(folder), "--json", "-", cwd=tmp_path, env=UNNAMED)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(done.stdout)["runs"]
    assert result["complete"] and result["status"] == "FINISHED"
    run = client(servers.uri).get_run(folder.name)
    assert run.info.status == "FINISHED"
    assert run.info.end_time == json.loads((folder / "run.json").read_text())["ended_ms"]
    assert "checkpoints_pending" not in run.data.tags
    assert_all_points_arrived(servers.uri, folder.name, tmp_path)
    assert_all_files_arrived(servers.uri, folder.name, tmp_path)
    (folder / "journal.sent").unlink()
    again = ocr_train_here("sync", cwd=tmp_path, env=UNNAMED)
    assert again.returncode == 0, again.stdout + again.stderr
    assert_all_points_arrived(servers.uri, folder.name, tmp_path)


def test_a_slow_server_slows_no_training(servers: Servers, data: Path, tmp_path: Path) -> None:
    """2 s for each call that writes to the tracking server: no step of the trainer waited for even one, by its own
    clock, and everything arrives. Files, which take dozens of calls one after the other, wait 0.05 s for each."""
    clock = tmp_path / "clock"

    def delay_s(path: str) -> float:
        return 2.0 if path.endswith(("/create", "/log-batch", "/log-inputs", "/set-tag", "/update")) else 0.05

    with slow_line(servers.uri, delay_s) as address:
        env = {**servers.env, "MLFLOW_TRACKING_URI": address, "OCR_TRAIN_PATIENCE_S": "60"}
        done = ocr_train_here(
            *train_arguments(data), cwd=tmp_path, env={**env, **SLOW, "SCRIPTED_CLOCK": str(clock)}
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pending" not in done.stdout
    ticks = [float(line) for line in clock.read_text().split()]
    assert len(ticks) == 16
    assert max(after - before for before, after in pairwise(ticks)) < 2.0
    run_id = only_folder(tmp_path).name
    assert_all_points_arrived(servers.uri, run_id, tmp_path)
    assert_all_files_arrived(servers.uri, run_id, tmp_path)


def test_a_killed_tracker_loses_nothing_that_was_printed_or_saved(
    servers: Servers, data: Path, tmp_path: Path
) -> None:
    """SIGKILL while uploads wait, and while a finished checkpoint has not even been copied, because the tracker
    stood still (SIGSTOP): sync stores both, and calls the run KILLED."""
    with training(data, tmp_path, {**servers.env, **SLOW}) as process:
        until(steps_seen(tmp_path, 2), process)
        servers.kill("mlflow")
        until(lambda: any(tmp_path.glob("outputs/*/snapshots/iter_epoch_2-*/model.states")), process)
        until(steps_seen(tmp_path, 9), process)
        process.send_signal(signal.SIGSTOP)
        busy = ocr_train_here("sync", cwd=tmp_path, env=UNNAMED)
        assert "this run is still running" in busy.stdout
        newest = only_folder(tmp_path) / "trainer" / "latest.states"
        until(lambda: step_in(newest) >= 12, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    folder = only_folder(tmp_path)
    assert none_of(folder)
    servers.start_mlflow()
    done = ocr_train_here("sync", cwd=tmp_path, env=UNNAMED)
    assert done.returncode == 0, done.stdout + done.stderr
    run = client(servers.uri).get_run(folder.name)
    assert run.info.status == "KILLED"
    assert run.data.tags["failure_reason"] == "tracker_lost"
    assert run.data.metrics["eval/acc"] == 0.3
    files = artifacts(servers.uri, folder.name, "checkpoints")
    last = step_in(newest)
    assert {f"checkpoints/step_{step:08d}/manifest.json" for step in (4, 8, last)} <= set(files)
    assert alias_steps(servers.uri, folder.name, tmp_path)["latest"] == last
    path = f"checkpoints/step_{last:08d}/model.pdparams"
    stored = Path(client(servers.uri).download_artifacts(folder.name, path, str(tmp_path)))
    assert stored.read_bytes() == newest.with_suffix(".pdparams").read_bytes()
    assert not list((folder / "snapshots").iterdir())
    assert "no run" not in done.stdout


def test_a_run_without_a_server_comes_to_one_once(servers: Servers, data: Path, tmp_path: Path) -> None:
    """offline=true, then sync, twice: one run, with its own times, and the second sync sends nothing."""
    env = {"MLFLOW_EXPERIMENT_NAME": "without a server", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = ocr_train_here(*train_arguments(data, "--offline", "true"), cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = only_folder(tmp_path)
    facts = json.loads((folder / "run.json").read_text())
    for _ in range(2):
        synced = ocr_train_here("sync", cwd=tmp_path, env={"MLFLOW_TRACKING_URI": servers.uri})
        assert synced.returncode == 0, synced.stdout + synced.stderr
    assert "nothing is pending" in synced.stdout
    mlflow = client(servers.uri)
    experiment = mlflow.get_experiment_by_name("without a server").experiment_id
    (run,) = mlflow.search_runs([experiment])
    assert (run.info.start_time, run.info.end_time) == (facts["started_ms"], facts["ended_ms"])
    assert (run.info.status, run.info.run_name) == ("FINISHED", facts["run_name"])
    assert run.data.params["cfg/Global.epoch_num"] == "4"
    assert_all_points_arrived(servers.uri, run.info.run_id, tmp_path)
    assert_all_files_arrived(servers.uri, run.info.run_id, tmp_path)


def test_a_sync_that_died_after_making_the_run_makes_no_second_one(
    servers: Servers, data: Path, tmp_path: Path
) -> None:
    """The folder does not know of the run on the server: it is found by its tag."""
    env = {"MLFLOW_EXPERIMENT_NAME": "interrupted", "MLFLOW_TRACKING_URI": servers.uri}
    assert ocr_train_here(*train_arguments(data, "--offline", "true"), cwd=tmp_path, env=env).returncode == 0
    facts_file = only_folder(tmp_path) / "run.json"
    before, outbox = facts_file.read_bytes(), (only_folder(tmp_path) / "pending.jsonl").read_bytes()
    assert ocr_train_here("sync", cwd=tmp_path, env=env).returncode == 0
    facts_file.write_bytes(before)
    (only_folder(tmp_path) / "pending.jsonl").write_bytes(outbox)
    (only_folder(tmp_path) / "journal.sent").unlink()
    assert ocr_train_here("sync", cwd=tmp_path, env=env).returncode == 0
    mlflow = client(servers.uri)
    (run,) = mlflow.search_runs([mlflow.get_experiment_by_name("interrupted").experiment_id])
    assert_all_points_arrived(servers.uri, run.info.run_id, tmp_path)


def half(body: bytes) -> bytes:
    """The first half."""
    return body[: len(body) // 2]


def flip(body: bytes) -> bytes:
    """One bit of it changed."""
    return body[:-1] + bytes([body[-1] ^ 1]) if body else body


@pytest.mark.parametrize("spoil", [half, flip])
def test_uploads_that_arrive_damaged_are_sent_again(
    servers: Servers, data: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    """A proxy cuts or changes the first uploads: what is stored in the end is what was sent."""
    with bad_line(servers.uri, spoil, times=4) as address:
        env = {**servers.env, "MLFLOW_TRACKING_URI": address, "OCR_TRAIN_PATIENCE_S": "60"}
        done = ocr_train_here(*train_arguments(data), cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pending" not in done.stdout
    run_id = only_folder(tmp_path).name
    assert_all_files_arrived(servers.uri, run_id, tmp_path)
    for name in ("config.yml", "experiment.yaml"):
        path = client(servers.uri).download_artifacts(run_id, f"config/{name}", str(tmp_path))
        assert Path(path).read_bytes() == (only_folder(tmp_path) / name).read_bytes()


def s3_objects(servers: Servers) -> dict[str, bytes]:
    """Every object below mlflow/ in the bucket."""
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=servers.address.s3_endpoint,
        aws_access_key_id=servers.address.access_key,
        aws_secret_access_key=servers.address.secret_key,
        region_name="us-east-1",
    )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=servers.address.bucket, Prefix="mlflow/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    found = {key: s3.get_object(Bucket=servers.address.bucket, Key=key)["Body"].read() for key in keys}
    s3.close()
    return found


@pytest.fixture(scope="module")
def s3_servers(tmp_path_factory: pytest.TempPathFactory, _store_template: Path) -> Iterator[Servers]:
    """MLflow with its artifacts in S3; tests leave both running."""
    running = Servers(tmp_path_factory.mktemp("s3") / "servers", _store_template, s3=True)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def assert_stored_bytes(servers: Servers, cwd: Path) -> None:
    """The objects in the bucket are those that the trainer wrote."""
    stored = {hashlib.sha256(body).hexdigest() for body in s3_objects(servers).values()}
    for name in ("latest.pdparams", "best_accuracy.pdopt", "iter_epoch_2.pdparams", "latest.states"):
        body = (only_folder(cwd) / "trainer" / name).read_bytes()
        assert hashlib.sha256(body).hexdigest() in stored, name


def test_s3_that_comes_back_has_every_checkpoint(s3_servers: Servers, data: Path, tmp_path: Path) -> None:
    """The S3 server is killed and started again while the run goes on: the objects are those that the trainer
    wrote; then --prune deletes what it says it deletes."""
    servers = s3_servers
    with training(data, tmp_path, {**servers.env, **SLOW, "OCR_TRAIN_PATIENCE_S": "60"}) as process:
        until(steps_seen(tmp_path, 3), process)
        servers.kill("s3")
        until(steps_seen(tmp_path, 10), process)
        servers.start_s3()
        said = end_of(process)
    assert "pending" not in said
    run_id = only_folder(tmp_path).name
    assert_all_points_arrived(servers.uri, run_id, tmp_path)
    assert_all_files_arrived(servers.uri, run_id, tmp_path)
    assert_stored_bytes(servers, tmp_path)
    prune = ("checkpoints", run_id, "--prune", "--keep-last", "1")
    shown = ocr_train_here(*prune, "--dry-run", cwd=tmp_path, env=servers.env)
    assert "step 4 would be deleted" in shown.stdout, shown.stdout + shown.stderr
    assert "00000004" in steps_in_s3(servers, run_id)
    pruned = ocr_train_here(*prune, cwd=tmp_path, env=servers.env)
    assert pruned.returncode == 0, pruned.stdout + pruned.stderr
    assert steps_in_s3(servers, run_id) == {"00000016"}
    listed = ocr_train_here("checkpoints", run_id, "--verify", cwd=tmp_path, env=servers.env)
    assert listed.returncode == 0, listed.stdout + listed.stderr


def steps_in_s3(servers: Servers, run_id: str) -> set[str]:
    """The checkpoints of a run in the bucket."""
    keys = [key for key in s3_objects(servers) if f"/{run_id}/" in key and "/step_" in key]
    return {key.split("/step_")[1].split("/")[0] for key in keys}


def test_s3_that_stays_away_is_served_by_sync(s3_servers: Servers, data: Path, tmp_path: Path) -> None:
    """Killed at step 3 for good: training ends well, every later checkpoint is kept in the run's folder, named in the
    summary and in a tag; `sync` says so while S3 is away, and stores them byte by byte when it is back."""
    servers = s3_servers
    with training(data, tmp_path, {**servers.env, **SLOW}) as process:
        until(steps_seen(tmp_path, 3), process)
        servers.kill("s3")
        said = end_of(process)
    folder = only_folder(tmp_path)
    kept = sorted(path for path in (folder / "snapshots").iterdir())
    assert {step_in(path / "model.states") for path in kept} == {4, 8, 16}
    assert all(f"a checkpoint is kept in {path}" in said for path in kept)
    assert f"python -m ocr_train sync {folder}" in said
    run = client(servers.uri).get_run(folder.name)
    assert run.info.status == "FINISHED"
    assert all(str(path) in run.data.tags["checkpoints_pending"] for path in kept)
    assert_all_points_arrived(servers.uri, folder.name, tmp_path)
    away = ocr_train_here("sync", cwd=tmp_path, env=servers.env)
    assert away.returncode == 8, away.stdout + away.stderr
    servers.start_s3()
    done = ocr_train_here("sync", cwd=tmp_path, env=servers.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_all_files_arrived(servers.uri, folder.name, tmp_path)
    assert_stored_bytes(servers, tmp_path)
    assert "checkpoints_pending" not in client(servers.uri).get_run(folder.name).data.tags


@pytest.mark.skipif(not may_mount(), reason="no tmpfs may be mounted here")
@pytest.mark.parametrize(
    ("size", "code", "status", "least"), [("11m", 0, "FINISHED", 16), ("8m", 6, "FAILED", 8)]
)
def test_a_full_disk_is_said_and_what_is_whole_is_stored(
    servers: Servers, data: Path, tmp_path: Path, size: str, code: int, status: str, least: int
) -> None:
    """A tmpfs without room for copies costs nothing; where the trainer itself cannot write, the run is FAILED for
    that, all printed points are in MLflow, and every checkpoint that was finished is stored whole."""
    large = {**servers.env, "SCRIPTED_WEIGHTS": "100000"}
    arguments = train_arguments(data, "--overrides", "Global.save_epoch_step=1")
    first = ocr_train_here(*arguments, "--epochs", "1", cwd=tmp_path, env=large)
    assert first.returncode == 0, first.stdout + first.stderr
    disk = tmp_path / "disk"
    command = [sys.executable, "-m", "ocr_train", *arguments, "--output", str(disk)]
    done = on_a_small_disk(disk, size, command, tmp_path, {**large, "SCRIPTED_PAUSE_S": "0.3"})
    assert done.returncode == code, done.stdout + done.stderr
    assert "the disk is full" in done.stdout + done.stderr or code
    run = newest_run(servers)
    assert run.info.status == status
    assert run.data.tags.get("failure_reason") == ("disk_full" if code else None)
    points = client(servers.uri).get_metric_history(run.info.run_id, "train/loss")
    # How far the trainer comes depends on how fast copies leave the disk: its own log says it.
    (log,) = [path.read_text() for path in Path(f"{disk}.copy").glob("*/train.log")]
    printed = {int(step) for step in re.findall(r"global_step: (\d+)", log)}
    assert {point.step for point in points} >= printed | set(range(1, least + 1))
    listed = ocr_train_here(
        *("checkpoints", run.info.run_id, "--verify", "--json", "-"), cwd=tmp_path, env=servers.env
    )
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert {entry["step"] for entry in json.loads(listed.stdout)["checkpoints"]} >= {
        4 * int(epoch) for epoch in re.findall(r"save model in \S+/iter_epoch_(\d+)$", log, re.MULTILINE)
    }


def newest_run(servers: Servers) -> Any:
    """The run that was started last."""
    mlflow = client(servers.uri)
    experiment = mlflow.get_experiment_by_name(EXPERIMENT).experiment_id
    return mlflow.search_runs([experiment], order_by=["attributes.start_time DESC"], max_results=1)[0]


@pytest.mark.skipif(not may_mount(), reason="no tmpfs may be mounted here")
def test_a_disk_too_small_for_checkpoints_is_refused(data: Path, tmp_path: Path) -> None:
    """Before anything is trained, with the figures, exit 5."""
    disk = tmp_path / "disk"
    command = [
        sys.executable,
        "-m",
        "ocr_train",
        *train_arguments(data, "--output", str(disk), "--offline", "true"),
    ]
    done = on_a_small_disk(disk, "20m", command, tmp_path, {})
    assert done.returncode == 5, done.stdout + done.stderr
    assert "MB free" in done.stderr
    assert "1.1 GB must be free" in done.stderr
