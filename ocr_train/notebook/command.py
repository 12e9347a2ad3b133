"""Our commands as child processes: what they print appears in the cell, the stop button stops them, and none outlives the
kernel."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from ocr_train.config.started import with_own_package
from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import ENDPOINT, Choices
from ocr_train.redaction.redactor import redactor
from ocr_train.trainer.guard import Guard

_STOP_PATIENCE_S = 20.0


class RunningCommand:
    """`python -m ocr_train WORDS` in `choices.folder`, in a session of its own: the kernel decides which signal it gets.

    Where the kernel dies, the guard tells it to end, and ends what is left of it.
    """

    def __init__(self, choices: Choices, words: Iterable[object]) -> None:
        argv = [sys.executable, "-m", "ocr_train", *map(str, words)]
        self.text = redactor().text(shlex.join(["python", *argv[1:]]))
        self._guard = Guard.start()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=choices.folder,
            env={**command_environment(choices), **self._guard.env},
            start_new_session=True,
        )
        self._guard.end_first(self._process.pid)
        self._reader = threading.Thread(target=self._read, name="cell output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line.decode("utf-8", "replace").rstrip("\n"))
        self._lines.put(None)

    def lines(self, wait_s: float) -> list[str] | None:
        """What was printed since the last call, after `wait_s` seconds at most; None once nothing will come any more."""
        found: list[str] = []
        deadline = time.monotonic() + wait_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return found
            if line is None:
                # For the next call.
                self._lines.put(None)
                return found or None
            found.append(line)

    def interrupt(self) -> None:
        """As Ctrl-C: `train` stops its trainer, stores the last checkpoint and says so in MLflow."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """At once; the command's own guards end what it started."""
        self._process.kill()

    def wait(self, timeout_s: float | None = None) -> int:
        """Its exit status; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(timeout_s)

    def __enter__(self) -> RunningCommand:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, *_rest: BaseException | TracebackType | None
    ) -> None:
        if kind is not None and self._process.poll() is None:
            self.interrupt()
            try:
                self._process.wait(_STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process.wait()
        # What it has started and left behind may hold the pipe open: it is not waited for.
        self._reader.join(5)
        if not self._reader.is_alive() and self._process.stdout is not None:
            self._process.stdout.close()
        self._guard.close()


def command_environment(choices: Choices) -> dict[str, str]:
    """The kernel's environment as a command needs it: our package is found, and nothing of Jupyter's own is passed on."""
    env = with_own_package({name: value for name, value in os.environ.items() if name != "MPLBACKEND"})
    if choices.endpoint:
        env[ENDPOINT] = choices.endpoint
    return env


def run_command(choices: Choices, *words: object, fine: tuple[int, ...] = (0,)) -> int:
    """Run a command to its end and print what it prints; raises `CellStopped` where its exit status is not `fine`."""
    with RunningCommand(choices, words) as command:
        print(f"$ {command.text}")
        while (lines := command.lines(0.5)) is not None:
            for line in lines:
                print(line, flush=True)
        code = command.wait()
    if code not in fine:
        raise CellStopped(
            f"`ocr_train {words[0]}` ended with exit code {code}.",
            hint="What it said is above. Change what it names, and run this cell again.",
        )
    return code


def relative(path: Path) -> str:
    """The path from the notebook's folder, for a link; whole where it is not below it."""
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.absolute().as_posix()
