"""The guard: nothing that was started for a training outlives the process that tracks it, however that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ocr_train.trainer.guard import MARK, Guard, marked
from tests.commands import REPO

TRACKER = """
import os, subprocess, sys, time
from pathlib import Path
from ocr_train.trainer.process import Child
script = '''
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
rank = [sys.executable, "-c", "import time; time.sleep(60)"]
there = [subprocess.Popen(rank, start_new_session=new, stdout=-3, stderr=-3) for new in (False, True)]
print(*[process.pid for process in there], flush=True)
time.sleep(60)
'''
child = Child.start([sys.executable, "-c", script], env=os.environ, cwd=Path.cwd(), log=Path("train.log"))
print(child.pid, child._guard._process.pid, next(item.text for item in child.items() if hasattr(item, "text")), flush=True)
{then}
"""


@pytest.fixture
def trackers() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are killed at the end, whatever the test did."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(
    then: str, folder: Path, trackers: list[subprocess.Popen[str]]
) -> tuple[subprocess.Popen[str], list[int]]:
    """A tracker with a trainer that has two more processes, and the ids of these and the guard."""
    tracker = subprocess.Popen(
        [sys.executable, "-c", TRACKER.replace("{then}", then)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    trackers.append(tracker)
    assert tracker.stdout is not None
    return tracker, [int(word) for word in tracker.stdout.readline().split()]


def gone(pid: int, *, within_s: float = 10.0) -> bool:
    """Whether the process ends in time; a zombie has ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("group", [False, True], ids=["the process", "its whole group"])
def test_a_killed_tracker_takes_trainer_and_ranks_along(
    group: bool, tmp_path: Path, trackers: list[subprocess.Popen[str]]
) -> None:
    """SIGKILL to the tracker, to its group too: trainer, worker, rank in its own session and guard are gone."""
    tracker, pids = start("time.sleep(60)", tmp_path, trackers)
    assert len(pids) == 4
    assert all(psutil.pid_exists(pid) for pid in pids)
    os.killpg(tracker.pid, signal.SIGKILL) if group else tracker.kill()
    assert [pid for pid in pids if not gone(pid)] == []


@pytest.mark.parametrize("then", ["sys.exit(3)", "raise SystemError", "os._exit(0)", "os.abort()"])
def test_a_tracker_that_ends_without_closing_leaves_nothing(
    then: str, tmp_path: Path, trackers: list[subprocess.Popen[str]]
) -> None:
    """Whatever way it goes, the pipe breaks."""
    _, pids = start(then, tmp_path, trackers)
    assert [pid for pid in pids if not gone(pid)] == []


def test_a_process_that_copied_the_pipe_does_not_keep_the_guard_waiting(
    tmp_path: Path, trackers: list[subprocess.Popen[str]]
) -> None:
    """A fork of the tracker holds the other end open; the guard sees that its parent has changed."""
    tracker, pids = start("fork = os.fork()\nif not fork: os.setsid()\ntime.sleep(20)", tmp_path, trackers)
    time.sleep(0.3)
    forks = [child for child in psutil.Process(tracker.pid).children() if child.pid not in pids]
    assert len(forks) == 1
    tracker.kill()
    found = [pid for pid in pids if not gone(pid)]
    forks[0].kill()
    assert found == []


def test_a_guard_that_was_closed_kills_nobody() -> None:
    """What it guarded is left as it is."""
    with Guard.start() as guard:
        process = subprocess.Popen(["sleep", "30"], env=guard.env)
        assert guard._process is not None
        pid = guard._process.pid
    try:
        assert gone(pid)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    guard.close()


def test_a_guard_does_not_end_with_ctrl_c() -> None:
    """It must be there when everything else goes."""
    with Guard.start() as guard:
        assert guard._process is not None
        process = subprocess.Popen(["sleep", "30"], env=guard.env)
        try:
            time.sleep(0.3)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(guard._process.pid, number)
            assert not gone(guard._process.pid, within_s=0.3)
        finally:
            process.kill()
            process.wait()


def test_only_what_carries_the_mark_is_found() -> None:
    """Another training's processes are none of its business."""
    with Guard.start() as one, Guard.start() as other:
        process = subprocess.Popen(["sleep", "30"], env=one.env)
        try:
            time.sleep(0.1)
            assert list(marked(one.mark)) == [process.pid]
            assert list(marked(other.mark)) == []
            assert one.env == {MARK: one.mark}
        finally:
            process.kill()
            process.wait()


OUTER = """
import os, subprocess, sys, time
from ocr_train.trainer.guard import Guard
guard = Guard.start()
inner = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env={**os.environ, **guard.env}, start_new_session=True)
{told}
print(inner.pid, flush=True)
time.sleep(60)
"""


def start_outer(told: str, inner: str, folder: Path) -> subprocess.Popen[str]:
    """A process that guards another one, as a notebook guards `train`."""
    return subprocess.Popen(
        [sys.executable, "-c", OUTER.replace("{told}", told), inner],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_guard_inside_another_one_does_its_work_when_both_trackers_are_killed(
    tmp_path: Path, trackers: list[subprocess.Popen[str]]
) -> None:
    """The outer one kills the inner tracker, and not its guard: that one ends what it guards."""
    inner = TRACKER.replace("{then}", "time.sleep(60)").replace("print(child.pid", "print('inner', child.pid")
    outer = start_outer("", inner, tmp_path)
    trackers.append(outer)
    assert outer.stdout is not None
    lines = [outer.stdout.readline() for _ in range(2)]
    [words] = [line.split()[1:] for line in lines if line.startswith("inner")]
    pids = [int(word) for word in words]
    assert len(pids) == 4
    outer.kill()
    assert [pid for pid in pids if not gone(pid)] == []


def test_a_process_that_is_to_end_first_is_told_and_waited_for(
    tmp_path: Path, trackers: list[subprocess.Popen[str]]
) -> None:
    """SIGTERM, and what it does then is done before anything is killed."""
    inner = (
        "import signal, sys, time; from pathlib import Path\n"
        "def end(*_): time.sleep(0.5); Path('ended').touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); Path('ready').touch(); time.sleep(60)"
    )
    outer = start_outer("guard.end_first(inner.pid)", inner, tmp_path)
    trackers.append(outer)
    assert outer.stdout is not None
    pid = int(outer.stdout.readline())
    deadline = time.monotonic() + 20
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    outer.kill()
    assert gone(pid)
    assert (tmp_path / "ended").exists()
