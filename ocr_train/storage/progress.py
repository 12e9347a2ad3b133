"""How far a transfer is, and what it did."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[["Progress"], None]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A moment of a transfer. `phase` is "listing", "transferring" or "extracting".

    `files` and `size_bytes` are done so far; the totals are 0 while they are not known. `rate` is in bytes/s
    since the phase began, `eta_s` is None while it is not known.
    """

    phase: str
    files: int
    files_total: int
    size_bytes: int
    size_bytes_total: int
    rate: float
    eta_s: float | None


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What a transfer did: `files` at the source, of which `fetched` were transferred (with `bytes` bytes, in
    either direction) and `skipped` were not; `deleted` files that the source no longer has."""

    files: int
    bytes: int
    fetched: int
    skipped: int
    deleted: int


class Meter:
    """Counts files and bytes from any thread; reports from the thread that calls `tick`, a few times a
    second.
    """

    def __init__(
        self, on_progress: OnProgress | None, *, clock: Callable[[], float], interval_s: float = 0.2
    ) -> None:
        self._on_progress = on_progress
        self._clock = clock
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self.begin("listing")

    def begin(self, phase: str, *, files_total: int = 0, bytes_total: int = 0) -> None:
        """Start counting at 0 for a phase."""
        self._phase, self._files_total, self._bytes_total = phase, files_total, bytes_total
        self._files = self._bytes = 0
        self._began = self._reported = self._clock()

    def add(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Count what was done."""
        with self._lock:
            self._files += files
            self._bytes += size_bytes

    def tick(self, *, now: bool = False) -> None:
        """Report if the last report is old enough, or at once."""
        if self._on_progress is None:
            return
        moment = self._clock()
        if now or moment - self._reported >= self._interval_s:
            self._reported = moment
            self._on_progress(self._progress(moment))

    def _progress(self, moment: float) -> Progress:
        seconds = moment - self._began
        rate = self._bytes / seconds if seconds > 0 else 0.0
        left = self._bytes_total - self._bytes
        return Progress(
            phase=self._phase,
            files=self._files,
            files_total=self._files_total,
            size_bytes=self._bytes,
            size_bytes_total=self._bytes_total,
            rate=rate,
            eta_s=max(0.0, left / rate) if rate > 0 and self._bytes_total else None,
        )
