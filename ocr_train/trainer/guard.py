"""Ends the trainer when the process that tracks it is gone, even by SIGKILL: nothing trains on unwatched.

    with Guard.start() as guard:
        subprocess.Popen(..., env={**env, **guard.env})

This file is a program too: it runs in a session of its own, holds the other end of a pipe, and knows nothing
but the standard library, so that it is there in milliseconds. When the pipe breaks without a shutdown message, it
kills every process that carries the mark in its environment, in whatever session that process may be. A death
signal (PR_SET_PDEATHSIG) would reach the trainer, but neither its data loading processes nor the ranks of
Paddle's launcher.

A process that has children of its own under a guard of its own (`train`, which a notebook starts) may be told first and
given time to end them: `end_first`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

MARK = "OCR_TRAIN_CHILD"
"""A variable in the environment of the child: it marks what the child started, in whatever session."""
_SHUTDOWN = b"done\n"
_FIRST = b"first "
_EMPTY_SCANS = 3
_PATIENCE_S = 30.0
_END_PATIENCE_S = 90.0
"""How long a process that was told by SIGTERM may take: it stops its trainer and stores its last checkpoint."""


class Guard:
    """A guarding process; `env` is what the guarded ones must have in their environment."""

    def __init__(self, mark: str, process: subprocess.Popen[bytes] | None) -> None:
        self.mark = mark
        self._process = process

    @classmethod
    def start(cls) -> Guard:
        """Start it. Where it cannot be started the training continues without it."""
        import subprocess
        import uuid

        mark = uuid.uuid4().hex
        process = None
        with contextlib.suppress(OSError):
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).absolute()), mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                # Without the mark of a guard around us: that one would end this one together with us, and what this
                # one guards would run on.
                env={name: value for name, value in os.environ.items() if name != MARK},
            )
        return cls(mark, process)

    @property
    def env(self) -> Mapping[str, str]:
        """The mark as an environment."""
        return {MARK: self.mark}

    def watch_group(self, pid: int) -> None:
        """Have the process group `pid` killed too: all that can be done where there is no /proc."""
        self._send(f"{pid}\n".encode())

    def end_first(self, pid: int) -> None:
        """When we are gone, tell the guarded process `pid` by SIGTERM and let it end by itself, before all is killed."""
        self._send(_FIRST + f"{pid}\n".encode())

    def close(self) -> None:
        """End it; may be called twice. What it guarded is left as it is."""
        if self._process is None:
            return
        self._send(_SHUTDOWN)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _send(self, message: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            # It may have been killed: then there is no guard any more.
            with contextlib.suppress(OSError):
                self._process.stdin.write(message)
                self._process.stdin.flush()


def watch(pipe: IO[bytes], mark: str) -> None:
    """Wait for the shutdown message; without one, end whatever carries `mark`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = os.getppid()
    received = b""
    # The pipe alone is not enough: some processes inherit its other end.
    while os.getppid() == parent:
        if select.select([pipe], [], [], 1.0)[0]:
            chunk = os.read(pipe.fileno(), 4096)
            if not chunk:
                break
            received += chunk
            if received.endswith(_SHUTDOWN):
                return
    lines = received.splitlines()
    for line in lines:
        if line.startswith(_FIRST):
            _end_gently(int(line.removeprefix(_FIRST)), mark)
    end_marked(mark, groups=[int(line) for line in lines if line.isdigit()])


def _end_gently(pid: int, mark: str) -> None:
    """SIGTERM, and time to end."""

    def runs() -> bool:
        if Path("/proc/self").is_dir():
            return pid in marked(mark)
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    deadline = time.monotonic() + _END_PATIENCE_S
    if runs():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    while runs() and time.monotonic() < deadline:
        time.sleep(0.2)


def end_marked(mark: str, *, groups: list[int]) -> None:
    """SIGKILL every process with `mark` in its environment until there is none; `groups` where /proc is absent."""
    if not Path("/proc/self").is_dir():
        for group in groups:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        return
    deadline = time.monotonic() + _PATIENCE_S
    empty = 0
    while empty < _EMPTY_SCANS and time.monotonic() < deadline:
        found = list(marked(mark))
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        empty = 0 if found else empty + 1
        time.sleep(0.05)


def marked(mark: str) -> Iterator[int]:
    """The processes that carry `mark`; what may not be looked into is left out."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)


if __name__ == "__main__":
    watch(sys.stdin.buffer, sys.argv[1])
