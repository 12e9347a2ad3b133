"""Where the processes of a trainer stand that does not go on: their Python stacks, and what the system says.

Python's own faulthandler cannot be asked from outside: Paddle takes the signals that it listens to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

TIMEOUT_S = 10.0
MOST_PROCESSES = 16


def dump_stacks(pid: int, *, timeout_s: float = TIMEOUT_S) -> str:
    """A text on the process `pid` and those it started: one paragraph each. Never raises."""
    import psutil

    spy = shutil.which("py-spy")
    parts = []
    if spy is None:
        parts.append(
            "py-spy is not on PATH, so that there are no Python stacks: `pip install py-spy` before the next run."
        )
    with contextlib.suppress(psutil.Error):
        trainer = psutil.Process(pid)
        for process in [trainer, *trainer.children(recursive=True)][:MOST_PROCESSES]:
            with contextlib.suppress(psutil.Error):
                parts.append(_describe(process))
            if spy is not None:
                parts.append(_ask(spy, process.pid, timeout_s))
    return "\n\n".join(parts) + "\n"


def _describe(process: Any) -> str:
    """What the system knows of it."""
    times = process.cpu_times()
    waits = ""
    with contextlib.suppress(OSError):
        waits = Path(f"/proc/{process.pid}/wchan").read_text(encoding="utf-8").strip("0\n")
    where = f", waits in the kernel's {waits}" if waits else ""
    return (
        f"process {process.pid}: {process.status()}, {process.num_threads()} threads, "
        f"{times.user + times.system:.1f} s of CPU, {process.memory_info().rss >> 20} MiB{where}\n"
        f"  {' '.join(process.cmdline())[:300]}"
    )


def _ask(spy: str, pid: int, timeout_s: float) -> str:
    try:
        done = subprocess.run(
            [spy, "dump", "--pid", str(pid)],
            capture_output=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "NO_COLOR": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"py-spy does not answer for process {pid}: {exc}"
    text = done.stdout if done.returncode == 0 else done.stderr or done.stdout
    output = text.decode("utf-8", "replace").strip()
    if done.returncode != 0:
        return (
            f"py-spy cannot look into process {pid} (in a container it needs --cap-add SYS_PTRACE): {output}"
        )
    return output
