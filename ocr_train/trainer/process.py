"""The trainer's process: its own process group, its output line by line, a stop that escalates.

    Child.start -> Child.items() yields Line and Pause values until the process is gone -> Child.exit

A reader thread does nothing but copy the output to a file and a queue, so a slow consumer never blocks the
trainer. Lines end at a newline; a progress bar's carriage returns stay inside the line. A guard ends the child
should this process be killed.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ocr_train.errors import SetupError
from ocr_train.trainer.guard import MARK, Guard

PIPE_DRAIN_S = 5.0
MAX_LINE_BYTES = 1 << 20
UNFINISHED_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of output without its newline; `time_ms` is when it was read."""

    text: str
    time_ms: int


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A tick went by; `unfinished` is the end of a line that has no end yet, such as a progress bar."""

    time_ms: int
    unfinished: str = ""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a process ended: `code` is None for a death by signal, `signal` its name, such as "SIGKILL"."""

    code: int | None
    signal: str = ""

    @classmethod
    def of(cls, returncode: int) -> Exit:
        """From what `subprocess` has: the negative number of a signal, or an exit code."""
        if returncode >= 0:
            return cls(code=returncode)
        try:
            return cls(code=None, signal=signal.Signals(-returncode).name)
        except ValueError:
            # Most real-time signals have no name.
            return cls(code=None, signal=f"SIG{-returncode}")

    def __str__(self) -> str:
        return f"signal {self.signal}" if self.signal else f"exit code {self.code}"


class Child:
    """One child process in a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], guard: Guard) -> None:
        self._process = process
        self._guard = guard
        self._log = log
        self._unfinished = b""
        self._queue: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="trainer-output", daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Child:
        """Start `argv`; its stdout and stderr go to `log` (appended) and to `items`.

        Raises `SetupError` where the program cannot be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        out = log.open("ab", buffering=0)
        guard = Guard.start()
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**env, **guard.env},
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as exc:
            out.close()
            guard.close()
            raise SetupError(
                f"the trainer cannot be started: {argv[0]!r}: {exc.strerror}",
                hint="Check trainer_python: it must be a Python interpreter.",
            ) from exc
        guard.watch_group(process.pid)
        return cls(process, out, guard)

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        return self._process.pid

    def running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    @property
    def exit(self) -> Exit:
        """How it ended; waits for the end."""
        return Exit.of(self._process.wait())

    def items(self, *, tick_s: float = 1.0) -> Iterator[Line | Pause]:
        """Lines as they come, and a `Pause` at least every `tick_s`, until the process and its output end.

        A process that closes its output and works on is waited for with pauses alone.
        """
        ended_at: float | None = None
        reading = True
        next_tick = time.monotonic() + tick_s
        while reading or self.running():
            if reading:
                with contextlib.suppress(queue.Empty):
                    item = self._queue.get(timeout=max(0.01, next_tick - time.monotonic()))
                    if item is None:
                        reading = False
                        continue
                    yield item
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=max(0.01, next_tick - time.monotonic()))
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + tick_s
                unfinished = self._unfinished.decode("utf-8", "replace")
                yield Pause(time_ms=_now_ms(), unfinished=unfinished)
            if not self.running():
                # A grandchild may hold the pipe open after the trainer is gone; what was read before counts.
                ended_at = ended_at or now
                if now - ended_at > PIPE_DRAIN_S and self._queue.empty():
                    break
        self._process.wait()

    def stop(self, *, grace_s: float) -> None:
        """Ask the whole group to end with SIGINT, then SIGTERM, `grace_s` apart, then kill what is left."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if not self.running():
                break
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=grace_s)
        self._kill()

    def close(self) -> None:
        """Leave nothing behind: no process, no thread, no open file. May be called twice."""
        self._kill()
        self._process.wait()
        self._reader.join(timeout=PIPE_DRAIN_S)
        # A reader that still reads holds the pipe's lock: closing would wait for it.
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()
        self._log.close()
        self._guard.close()

    def _kill(self) -> None:
        """SIGKILL the group, and the ranks that Paddle's launcher puts into sessions of their own."""
        import psutil

        self._signal(signal.SIGKILL)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self._guard.mark:
                    process.kill()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        pipe = self._process.stdout
        # Never with stdout=PIPE.
        if pipe is None:
            return
        pending = bytearray()
        try:
            while chunk := pipe.read1(1 << 16):  # type: ignore[attr-defined]  # a BufferedReader
                # A full disk must not stop the reading.
                with contextlib.suppress(OSError, ValueError):
                    self._log.write(chunk)
                pending += chunk
                self._put_lines(pending)
                self._unfinished = bytes(pending[-UNFINISHED_BYTES:])
        except (OSError, ValueError):
            # The pipe was closed: the process has ended.
            pass
        finally:
            if pending:
                self._put(bytes(pending))
            self._queue.put(None)

    def _put_lines(self, pending: bytearray) -> None:
        """Queue the whole lines of `pending` and take them out of it."""
        while True:
            size = pending.find(b"\n", 0, MAX_LINE_BYTES) + 1 or MAX_LINE_BYTES
            if size > len(pending):
                return
            self._put(bytes(pending[:size]))
            del pending[:size]

    def _put(self, raw: bytes) -> None:
        self._queue.put(Line(text=raw.decode("utf-8", "replace").rstrip("\n"), time_ms=_now_ms()))


def _now_ms() -> int:
    return int(time.time() * 1000)
