"""Which process holds a trial, and whether it still lives: told at once on this machine, by a sign of life elsewhere."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProcessId:
    """A process: the machine (a container is one of its own), its number there, and when it was started."""

    machine: str
    pid: int
    started: float

    def to_list(self) -> list[Any]:
        """For a database."""
        return [self.machine, self.pid, self.started]

    def lives(self) -> bool | None:
        """Whether it still runs; None where that cannot be told from here: it is on another machine."""
        if self.machine != this_machine():
            return None
        import psutil

        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1.0
        except psutil.Error:
            return False


def process_id(pid: int | None = None) -> ProcessId:
    """This process, or the one of this machine with the number `pid`; raises `OSError` where it is gone."""
    import psutil

    pid = os.getpid() if pid is None else pid
    try:
        return ProcessId(this_machine(), pid, psutil.Process(pid).create_time())
    except psutil.Error as exc:
        raise ProcessLookupError(pid) from exc


def read_process(value: object) -> ProcessId | None:
    """What `ProcessId.to_list` wrote; None for anything else."""
    with contextlib.suppress(TypeError, ValueError):
        if isinstance(value, Sequence) and len(value) == 3:
            return ProcessId(str(value[0]), int(value[1]), float(value[2]))
    return None


@cache
def this_machine() -> str:
    """This machine since it was started; two containers that number their processes each for itself are two."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)
