"""Watches a command that trains: when its trainer starts, takes its first step and ends, and what CPU and memory all cost.

Everything is read from /proc (Linux), from outside: the command and the trainer are what they are without it.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TRAINER = "tools/train.py"
FIRST_STEP = re.compile(rb"epoch: \[1/\d+\], global_step: 1,")
POLL_S = 0.05
POLL_AT_START_S = 0.02
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a command was seen to do, in seconds since its start: `started` and `ended` are the trainer's process,
    `first_step` is when its line was in the log, `over` is the end of the command.

    The rest is about the time from the first step to the trainer's end: `trainer_cpu_s` is of the trainer with its children,
    `others_cpu_s` of all other processes of the command; `others_peak_bytes` are the resident sets of these together at
    the largest moment, and `command_peak_bytes` the command's own.
    """

    started: float
    first_step: float
    ended: float
    over: float
    trainer_cpu_s: float
    others_cpu_s: float
    others_peak_bytes: int
    command_peak_bytes: int
    status: int

    @property
    def wall_s(self) -> float:
        """From the trainer's start to its end: what a training takes."""
        return self.ended - self.started


@dataclass(kw_only=True)
class _Seen:
    """What is known so far; times are those of the clock that counts from the machine's start."""

    trainer: int = 0
    started: float = 0.0
    first_step: float = 0.0
    ended: float = 0.0
    trainer_cpu_s: list[float] = field(default_factory=list)
    others_cpu_s: list[float] = field(default_factory=list)
    others_peak: int = 0
    command_peak: int = 0


def watch(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    find_log: Callable[[], Path | None],
    stop: Callable[[int], None] | None = None,
) -> Training:
    """Run `argv` to its end, its output in the file `output`. `find_log` says where the trainer's lines are; `stop` is
    called with the command's process once the first step was taken, where no more than that is to be seen."""
    seen = _Seen()
    with output.open("wb") as stream:
        begun = _now()
        command = subprocess.Popen(
            argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
        handle = -1
        while command.poll() is None:
            _look(command.pid, seen)
            if not seen.first_step and (log := find_log()) and FIRST_STEP.search(log.read_bytes()):
                seen.first_step = _now()
                if stop:
                    stop(command.pid)
            if seen.trainer and handle < 0 and not seen.ended:
                handle = os.pidfd_open(seen.trainer)
            pause = POLL_S if seen.first_step else POLL_AT_START_S
            if handle < 0:
                time.sleep(pause)
            elif select.select([handle], [], [], pause)[0]:
                seen.ended = _now()
                os.close(handle)
                handle = -1
        over = _now()
    seen.ended = seen.ended or over
    return Training(
        started=seen.started - begun,
        first_step=seen.first_step - begun,
        ended=seen.ended - begun,
        over=over - begun,
        trainer_cpu_s=_spent(seen.trainer_cpu_s),
        others_cpu_s=_spent(seen.others_cpu_s),
        others_peak_bytes=seen.others_peak,
        command_peak_bytes=seen.command_peak,
        status=command.returncode,
    )


def _spent(readings: Sequence[float]) -> float:
    return readings[-1] - readings[0] if readings else 0.0


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _look(command: int, seen: _Seen) -> None:
    """Take one sample of the tree below `command`, with it."""
    trainer_cpu, others_cpu, others_bytes, command_bytes = 0.0, 0.0, 0, 0
    waiting = [command]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError, IndexError):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            fields = stat.rpartition(")")[2].split()
            cpu_s = sum(map(int, fields[11:15])) / _TICK
            if not seen.trainer and TRAINER in _words(pid):
                seen.trainer, seen.started = pid, int(fields[19]) / _TICK
            if pid == seen.trainer:
                # With its children once it has waited for them.
                trainer_cpu = cpu_s
                continue
            others_cpu += cpu_s
            size = int(fields[21]) * _PAGE
            others_bytes += size
            command_bytes = size if pid == command else command_bytes
            waiting += _children(pid)
    if seen.first_step and trainer_cpu and not seen.ended:
        seen.trainer_cpu_s.append(trainer_cpu)
        seen.others_cpu_s.append(others_cpu)
        seen.others_peak = max(seen.others_peak, others_bytes)
        seen.command_peak = max(seen.command_peak, command_bytes)


def _words(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found
