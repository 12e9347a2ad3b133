"""One question to the trainer's interpreter: a child that prints its answer as a line of JSON, and does not outlive us."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.trainer.guard import Guard


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the child printed, and its exit `code`; `code` is None where it was not started, or did not end in time.

    `not_started` says why it could not be started, empty where it was.
    """

    stdout: str = ""
    stderr: str = ""
    code: int | None = None
    not_started: str = ""

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because it took too long."""
        return self.code is None and not self.not_started

    def last(self, mark: str) -> dict[str, Any] | None:
        """The JSON object of the last line that begins with `mark` and a space; None where there is none."""
        for line in reversed(self.stdout.splitlines()):
            if line.startswith(f"{mark} "):
                try:
                    found = json.loads(line[len(mark) + 1 :])
                except ValueError:
                    continue
                return found if isinstance(found, dict) else None
        return None


def ask(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float) -> Reply:
    """Run `argv` in `cwd` for `timeout_s` seconds at most; nothing of it runs on afterwards.

    It is a session of its own: some versions of Paddle answer a signal by killing their whole process group.
    """
    # If we are killed, the guard ends it.
    with Guard.start() as guard:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**env, **guard.env, "PYTHONIOENCODING": "utf-8"},
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as exc:
            return Reply(not_started=exc.strerror or str(exc))
        guard.watch_group(process.pid)
        with process:
            code: int | None = None
            try:
                printed = process.communicate(timeout=timeout_s)
                code = process.returncode
            except subprocess.TimeoutExpired:
                _kill(process)
                printed = process.communicate()
            finally:
                _kill(process)
        texts = [part.decode("utf-8", "replace") for part in printed]
        return Reply(stdout=texts[0], stderr=texts[1], code=code)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
