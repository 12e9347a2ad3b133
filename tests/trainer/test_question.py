"""A question to an interpreter: its answer, and that nothing of it runs on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from ocr_train.trainer.question import ask


def test_the_last_marked_line_is_the_answer(tmp_path: Path) -> None:
    """Whatever libraries print around it, and in whatever language."""
    script = (
        """print('noise'); print('ANSWER {"a": 1}'); print('ANSWER {"a": "ป้าย"}'); print('ANSWER no JSON')"""
    )
    reply = ask([sys.executable, "-c", script], env=os.environ, cwd=tmp_path, timeout_s=30)
    assert reply.code == 0
    assert reply.last("ANSWER") == {"a": "ป้าย"}
    assert reply.last("OTHER") is None


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    """No such program: no exception."""
    reply = ask([str(tmp_path / "none")], env=os.environ, cwd=tmp_path, timeout_s=30)
    assert reply.not_started == "No such file or directory"
    assert not reply.timed_out


def test_what_was_printed_before_the_end_of_its_time_is_there(tmp_path: Path) -> None:
    """And the child is gone, with what it has started."""
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        'print("AT {\\"pid\\": %d}" % child.pid, flush=True)\n'
        "time.sleep(600)"
    )
    started = time.monotonic()
    reply = ask([sys.executable, "-c", script], env=os.environ, cwd=tmp_path, timeout_s=2)
    assert time.monotonic() - started < 20
    assert reply.timed_out
    found = reply.last("AT")
    assert found is not None
    try:
        left = psutil.Process(found["pid"])
    except psutil.NoSuchProcess:
        return
    if left.status() != psutil.STATUS_ZOMBIE:
        left.kill()
        pytest.fail("a grandchild runs on")
