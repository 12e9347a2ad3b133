"""Where a process stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_train.trainer.stacks import dump_stacks


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process that sleeps, with a child."""
    script = "import subprocess; print('up', flush=True); subprocess.run(['sleep', '77'])"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    os.killpg(process.pid, 9)
    process.communicate()


def spy(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a py-spy on PATH that runs `script`."""
    path = folder / "py-spy"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_without_py_spy_it_says_so_and_what_the_system_knows(
    sleeper: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer and the processes it started, with what they wait for."""
    monkeypatch.setenv("PATH", "/nowhere")
    text = dump_stacks(sleeper)
    assert "pip install py-spy" in text
    # It may not have come to sleep yet.
    assert re.search(rf"process {sleeper}: (sleeping|running|disk-sleep)", text)


def test_py_spy_is_asked_for_every_process(
    sleeper: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`py-spy dump --pid N`."""
    spy(tmp_path, monkeypatch, 'echo "Thread $3 (idle): $1"')
    assert f"Thread {sleeper} (idle): dump" in dump_stacks(sleeper)


def test_a_py_spy_that_may_not_look_is_quoted(
    sleeper: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers forbid it unless told otherwise."""
    spy(tmp_path, monkeypatch, "echo 'Permission Denied' >&2; exit 1")
    assert "SYS_PTRACE): Permission Denied" in dump_stacks(sleeper)


def test_a_py_spy_that_hangs_is_not_waited_for(
    sleeper: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer hangs already; we do not."""
    spy(tmp_path, monkeypatch, "exec sleep 30")
    assert "does not answer" in dump_stacks(sleeper, timeout_s=0.2)


def test_a_process_that_is_gone_is_no_error() -> None:
    """It may end while it is looked at."""
    assert dump_stacks(2**22 + 1)


def test_the_real_py_spy_shows_where_python_stands(sleeper: int) -> None:
    """The line that the trainer hangs in; only where py-spy is installed and may look into processes."""
    real = shutil.which("py-spy")
    if real is None:
        pytest.skip("py-spy is not on PATH: `pip install py-spy` for this test")
    asked = subprocess.run([real, "dump", "--pid", str(sleeper)], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        pytest.skip(f"py-spy may not look into processes here: {asked.stderr.strip()[:200]}")
    text = dump_stacks(sleeper)
    assert "MainThread" in text
    assert "communicate (subprocess.py" in text or "wait (subprocess.py" in text
    assert "<module> (<string>:1)" in text
