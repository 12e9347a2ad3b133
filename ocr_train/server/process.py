"""A server as a child process: its group, its log, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

KILL_S = 5.0
"""How long a killed group may take to be gone."""


class ServerProcess:
    """One server: its process group, its log file, and its end."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """The process id, which is also the process group's."""
        return self._process.pid

    def exit_status(self) -> int | None:
        """The exit status of the first process of the group, None while it runs."""
        return self._process.poll()

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of the log, indented for a message."""
        text = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:] if line.strip())

    def stop(self, *, terminate_s: float = 10.0) -> None:
        """End the whole group: TERM (not where `terminate_s` is 0), then KILL."""
        for number, seconds in ((signal.SIGTERM, terminate_s), (signal.SIGKILL, KILL_S)):
            if not seconds:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            if self._wait_for_group(seconds):
                return

    def _wait_for_group(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._process.poll() is None or _group_is_alive(self.pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def _group_is_alive(group: int) -> bool:
    """Whether a process of the group still runs; one that ended and waits to be reaped does not count."""
    import psutil

    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    for process in psutil.process_iter(["pid", "status"]):
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.info["pid"]) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


def spawn(
    name: str, argv: list[str], *, log: Path, cwd: Path, env: Mapping[str, str], keep: int | None = None
) -> ServerProcess:
    """Start a server in a process group of its own, its output appended to `log`.

    `keep` is a file descriptor that the server inherits: the folder's lock lives as long as any server does,
    even where we are killed without a chance to stop them.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=() if keep is None else (keep,),
        )
    return ServerProcess(name, process, log)
