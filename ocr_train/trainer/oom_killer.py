"""Whether the kernel killed something because memory ran out, since we looked first.

Sources: Documentation/ABI/testing/dev-kmsg and Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst
of the Linux kernel. Elsewhere, and where reading is not allowed, nothing is known or reported.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

KERNEL_LOG = Path("/dev/kmsg")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
_RECORD_BYTES = 8192
_KILLED = re.compile(
    r"(?:Memory cgroup out|Out) of memory: Kill(?:ed)? process (\d+) \([^)\n]*\)[^\n;]*", re.I
)


class OomKillMonitor:
    """Notes where the kernel's log and counters stand; `message` tells what they say since."""

    def __init__(
        self, *, log: Path = KERNEL_LOG, cgroups: Path = CGROUPS, own_cgroup: Path = OWN_CGROUP
    ) -> None:
        self._log: int | None = None
        self._counters = _counters(cgroups, own_cgroup)
        self._before = _kills(self._counters)
        with contextlib.suppress(OSError):
            self._log = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._log, 0, os.SEEK_END)

    def message(self) -> str:
        """One sentence that quotes the kernel, empty where it killed nothing that we know of."""
        found = [match[0].strip() for match in _KILLED.finditer(self._new_text())]
        if found:
            return f"The kernel says: {found[-1][:300]!r}."
        kills = _kills(self._counters) - self._before
        if kills > 0:
            return f"The memory limit of this container (its cgroup) was reached: {kills} process(es) killed for it."
        return ""

    def close(self) -> None:
        """Close the kernel's log; may be called twice."""
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def _new_text(self) -> str:
        parts: list[bytes] = []
        while self._log is not None and len(parts) < 10_000:
            try:
                part = os.read(self._log, _RECORD_BYTES)
            except BrokenPipeError:
                # The next record was overwritten: continue with what is left.
                continue
            except OSError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts).decode("utf-8", "replace")


def _counters(cgroups: Path, own_cgroup: Path) -> Path | None:
    """The file that counts the kills in our own control group: version 2's, or version 1's."""
    places: list[Path] = []
    with contextlib.suppress(OSError):
        for line in own_cgroup.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                places.append(cgroups / path.lstrip("/") / "memory.events")
            elif "memory" in controllers:
                places.append(cgroups / "memory" / path.lstrip("/") / "memory.oom_control")
        # A container sees its own group as the root.
        places += [cgroups / "memory.events", cgroups / "memory" / "memory.oom_control"]
        return next((file for file in places if file.is_file()), None)
    return None


def _kills(counters: Path | None) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in counters.read_text(encoding="utf-8").splitlines() if counters else ():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
