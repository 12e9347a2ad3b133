"""Runs one command as a whole process and says what it cost: time, CPU of its process tree, peak memory.

Between the benchmark and the command stands this small program: on Linux a process starts with its parent's
peak memory as its own, so that a child of a large Python would never look smaller than that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one process cost. `cpu_s` is user and system time of it and of its children that it waited for;
    `peak_bytes` is the largest resident set that any one of them reached."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


class CommandFailedError(Exception):
    """A measured command ended with another exit status than it should."""


def measure(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, accept: Sequence[int] = (0,)
) -> Cost:
    """Run `argv` to its end, its output in the file `log`; raises CommandFailedError, with its last lines."""
    with log.open("wb") as output:
        # -I -S: nothing but the standard library, so that it stays at some 10 MB.
        answer = subprocess.run(
            [sys.executable, "-I", "-S", __file__, *argv],
            check=True,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
        )
    found = json.loads(answer.stdout)
    if found["status"] not in accept:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
        raise CommandFailedError(f"{' '.join(argv[:4])} ... ended with {found['status']}:\n{tail}")
    return Cost(wall_s=found["wall_s"], cpu_s=found["cpu_s"], peak_bytes=found["peak_bytes"])


def _main() -> None:
    start = time.perf_counter()
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    _, status, used = os.wait4(child, 0)
    wall_s = time.perf_counter() - start
    peak_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost = {"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime, "peak_bytes": peak_bytes}
    print(json.dumps({"status": os.waitstatus_to_exitcode(status), **cost}))


if __name__ == "__main__":
    _main()
