"""Whole runs that go wrong, each fault for real: what MLflow says of them afterwards.

The trainer is a stand-in (tests/scripted_paddleocr) that really dies, hangs or fills its loss with NaN; the
MLflow store and the command line are real. Where somebody kills or stops the command, it is a process of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from ocr_train.trainer.failures import REASONS
from tests.commands import (
    artifacts,
    client,
    environment,
    none_of,
    ocr_train_here,
    ocr_train_until,
    only_run,
    points,
    store,
    train_arguments,
)
from tests.faults import fill, memory_group

pytestmark = pytest.mark.slow


def check_failed(folder: Path, reason: str, words: str) -> Any:
    """The run is FAILED with the reason, a paragraph that holds `words`, and its last lines; nothing runs on."""
    run = only_run(store(folder))
    assert run.info.status == "FAILED"
    assert run.data.tags["failure_reason"] == reason
    assert reason in REASONS
    assert words in run.data.tags["failure_explanation"]
    assert "logs/last_lines.txt" in artifacts(store(folder), run.info.run_id, "logs")
    assert none_of(folder)
    return run


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        ("bus_error", "shared_memory", "use_shared_memory"),
        ("shared_memory", "shared_memory", "--shm-size"),
        ("exit_137", "trainer_killed", "dmesg"),
        ("memory", "host_oom", "num_workers"),
        ("recursion", "recursion", "validate"),
    ],
)
def test_a_trainer_that_dies_is_told_by_its_cause(
    store_folder: Path, data: Path, fault: str, reason: str, words: str
) -> None:
    """Exit 6; what happened and what to do are in a tag."""
    done = ocr_train_here(*train_arguments(data), cwd=store_folder, env={"SCRIPTED_FAULT": fault})
    assert done.returncode == 6, done.stdout + done.stderr
    check_failed(store_folder, reason, words)


def test_the_kernels_own_kill_is_told_as_want_of_memory(store_folder: Path, data: Path) -> None:
    """A real one: the whole run in a control group of 1.5 GB, in which the trainer eats until it is killed. Tracking
    goes on, the run says host_oom and quotes the kernel."""
    with memory_group(1_500_000_000) as group:
        if group is None:
            pytest.skip("no control group with a memory limit may be made here")
        script = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
        done = subprocess.run(
            [
                *("bash", "-c", script, "-", str(group)),
                *(sys.executable, "-m", "ocr_train", *train_arguments(data)),
            ],
            cwd=store_folder,
            env=environment({"SCRIPTED_FAULT": "hunger"}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 6, done.stdout + done.stderr
    run = check_failed(store_folder, "host_oom", "SIGKILL")
    said = run.data.tags["failure_explanation"]
    assert "out of memory: Killed process" in said or "memory limit of this container" in said
    assert [step for step, _ in points(store(store_folder), run.info.run_id, "train/loss")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("fault", "options", "reason", "words"),
    [
        ("nan", ("--nan-windows", "3"), "nan_loss", "learning_rate"),
        ("amp", ("--nan-windows", "3"), "amp_scale", "use_amp=False"),
        ("hang", ("--stall-timeout-s", "2"), "stall", "step 4 in epoch 1"),
        ("chatter", ("--stall-timeout-s", "2"), "stall", "stall_timeout_s=2"),
        ("endless_evaluation", ("--stall-timeout-s", "2"), "endless_evaluation", "1/10"),
    ],
)
def test_a_training_that_is_none_any_more_is_stopped(
    store_folder: Path, data: Path, fault: str, options: tuple[str, ...], reason: str, words: str
) -> None:
    """Exit 7, and the trainer is gone; where it hung is an artifact."""
    done = ocr_train_here(*train_arguments(data, *options), cwd=store_folder, env={"SCRIPTED_FAULT": fault})
    assert done.returncode == 7, done.stdout + done.stderr
    run = check_failed(store_folder, reason, words)
    files = artifacts(store(store_folder), run.info.run_id, "logs")
    assert ("logs/stacks.txt" in files) == (reason in ("stall", "endless_evaluation"))


def test_an_evaluation_that_is_only_slow_goes_on(store_folder: Path, data: Path) -> None:
    """Its bar counts on for twice the timeout; the run is FINISHED."""
    arguments = train_arguments(data, "--stall-timeout-s", "2")
    done = ocr_train_here(*arguments, cwd=store_folder, env={"SCRIPTED_FAULT": "slow_evaluation"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert only_run(store(store_folder)).info.status == "FINISHED"


def test_a_trainer_that_hangs_after_its_reader_thread_died_is_ended(store_folder: Path, data: Path) -> None:
    """Nobody waits for the stall timeout when the cause is known."""
    script = "import sys; from ocr_train.cli import main as cli; from ocr_train.trainer import follow as follow; follow.FAILURE_PATIENCE_S = 1.5; cli.main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", script, *train_arguments(data)],
        cwd=store_folder,
        env=environment({"SCRIPTED_FAULT": "reader_thread"}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 6, done.stdout + done.stderr
    run = check_failed(store_folder, "reader_thread", "num_workers")
    tail = client(store(store_folder)).download_artifacts(
        run.info.run_id, "logs/last_lines.txt", str(store_folder)
    )
    assert "KeyError: 'SCRIPTED_SAMPLE'" in Path(tail).read_text()


def test_a_trainer_killed_in_a_save_loses_nothing_that_was_finished(store_folder: Path, data: Path) -> None:
    """Half of epoch 2's weights are on disk; epoch 1's checkpoint is stored, the torn one is not."""
    done = ocr_train_here(*train_arguments(data), cwd=store_folder, env={"SCRIPTED_FAULT": "kill_mid_save"})
    assert done.returncode == 6, done.stdout + done.stderr
    run = check_failed(store_folder, "trainer_killed", "SIGKILL")
    files = artifacts(store(store_folder), run.info.run_id, "checkpoints")
    assert {path.split("/")[1] for path in files if "step_" in path} == {"step_00000004"}
    assert [step for step, _ in points(store(store_folder), run.info.run_id, "train/loss")] == list(
        range(1, 9)
    )


@pytest.mark.parametrize(
    ("stage", "seen", "words"),
    [
        ("before the trainer", "outputs/*/run.json", ""),
        ("in an evaluation", "outputs/*/train.log", "eval model"),
    ],
    ids=["before the trainer", "in an evaluation"],
)
def test_a_stop_at_another_stage_is_a_killed_run(
    store_folder: Path, data: Path, stage: str, seen: str, words: str
) -> None:
    """SIGTERM while data are prepared, and while the trainer evaluates: exit 143, KILLED, nothing runs on."""

    def there() -> bool:
        return any(words in path.read_text(errors="replace") for path in store_folder.glob(seen))

    env = {"SCRIPTED_FAULT": "slow_evaluation"}
    done = ocr_train_until(there, signal.SIGTERM, *train_arguments(data), cwd=store_folder, env=env)
    assert done.returncode == 143, done.stdout
    run = only_run(store(store_folder))
    assert (run.info.status, run.data.tags["failure_reason"]) == ("KILLED", "terminated")
    assert any(store_folder.glob("outputs/*/train.log")) == (stage != "before the trainer")
    assert none_of(store_folder)


def test_a_stop_in_the_middle_of_a_save_waits_for_it(store_folder: Path, data: Path) -> None:
    """SIGTERM with one of three files written: the set is finished, stored, and only then the trainer ends."""

    def saving() -> bool:
        return any(store_folder.glob("outputs/*/trainer/latest.pdopt"))

    done = ocr_train_until(
        saving, signal.SIGTERM, *train_arguments(data), cwd=store_folder, env={"SCRIPTED_SAVE_S": "1.2"}
    )
    assert done.returncode == 143, done.stdout
    run = only_run(store(store_folder))
    assert run.info.status == "KILLED"
    path = client(store(store_folder)).download_artifacts(
        run.info.run_id, "checkpoints/latest.json", str(store_folder)
    )
    assert json.loads(Path(path).read_text())["step"] == 4


def test_a_closed_terminal_is_a_killed_run(store_folder: Path, data: Path) -> None:
    """The terminal goes away under a training that writes to it: SIGHUP, and nobody to tell; MLflow is told."""
    ours, theirs = os.openpty()

    def own_the_terminal() -> None:
        os.setsid()
        # Where the tests themselves run under nohup, a training would be meant to go on.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_train", *train_arguments(data)],
        cwd=store_folder,
        env=environment({"SCRIPTED_PAUSE_S": "0.4"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=own_the_terminal,  # noqa: PLW1509 - no thread runs here; Popen knows no controlling terminal
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        deadline = time.monotonic() + 60
        while not any(store_folder.glob("outputs/*/trainer/latest.states")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            with contextlib.suppress(BlockingIOError):
                os.read(ours, 65536)
            time.sleep(0.05)
        os.close(ours)
        assert process.wait(timeout=60) == 7
    finally:
        process.kill()
        process.wait()
    run = only_run(store(store_folder))
    assert run.info.status == "KILLED"
    assert run.data.tags["failure_reason"] == "hangup"
    assert none_of(store_folder)


def test_a_terminal_that_stands_still_holds_up_nothing(store_folder: Path, data: Path) -> None:
    """Nobody reads the output (Ctrl-S), which is full before the first line: metrics and checkpoints go to MLflow all
    the same, and the run is FINISHED."""
    ours, theirs = os.pipe()
    fill(theirs)
    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_train", *train_arguments(data)],
        cwd=store_folder,
        env=environment({}),
        stdout=theirs,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 60
        while not any('"FINISHED"' in path.read_text() for path in store_folder.glob("outputs/*/run.json")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.set_blocking(ours, False)
        said = b""
        while process.poll() is None and time.monotonic() < deadline:  # and what was printed is not lost
            with contextlib.suppress(BlockingIOError):
                said += os.read(ours, 1 << 20)
        assert b"FINISHED" in said
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    run = only_run(store(store_folder))
    assert run.info.status == "FINISHED"
    assert [step for step, _ in points(store(store_folder), run.info.run_id, "train/loss")] == list(
        range(1, 17)
    )
    files = artifacts(store(store_folder), run.info.run_id, "checkpoints")
    steps = {path.split("/")[1] for path in files if "step_" in path}
    # Epoch 3 is neither a best one nor one of those saved for good: its set may give way to that of epoch 4.
    assert steps - {"step_00000012"} == {"step_00000004", "step_00000008", "step_00000016"}


def test_a_killed_tracker_leaves_no_process_and_a_run_that_can_be_reaped(
    store_folder: Path, data: Path
) -> None:
    """SIGKILL: trainer and ranks end; `runs` shows the run, `runs --reap` says that it was KILLED, and why."""

    def trained() -> bool:
        return any(store_folder.glob("outputs/*/trainer/latest.states"))

    ocr_train_until(
        trained,
        signal.SIGKILL,
        *train_arguments(data),
        cwd=store_folder,
        env={"SCRIPTED_PAUSE_S": "0.4", "SCRIPTED_FAULT": "ranks"},
    )
    assert none_of(store_folder)
    run = only_run(store(store_folder))
    assert run.info.status == "RUNNING"
    assert run.data.tags["heartbeat"].endswith("Z")
    fresh = ocr_train_here("runs", "--reap", "--json", "-", cwd=store_folder)
    assert json.loads(fresh.stdout)["reaped"] == [], fresh.stderr
    client(store(store_folder)).set_tag(run.info.run_id, "heartbeat", "2020-01-01T00:00:00Z")
    done = ocr_train_here("runs", "--reap", "--json", "-", cwd=store_folder)
    answer = json.loads(done.stdout)
    assert answer["reaped"] == [run.info.run_id]
    assert answer["runs"][0]["status"] == "KILLED"
    run = only_run(store(store_folder))
    assert (run.info.status, run.data.tags["failure_reason"]) == ("KILLED", "tracker_lost")
    assert run.info.end_time == 1_577_836_800_000
