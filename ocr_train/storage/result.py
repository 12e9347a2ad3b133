"""What a transfer did."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_train.storage.downloads import Fetched
from ocr_train.storage.progress import Meter
from ocr_train.storage.state import SyncState
from ocr_train.storage.uploads import Pushed


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What a transfer did: `files` at the source, of which `fetched` were transferred (with `bytes` bytes, in
    either direction) and `skipped` were not; `deleted` files that the source no longer has."""

    files: int
    bytes: int
    fetched: int
    skipped: int
    deleted: int


class TransferCounts:
    """Counts results and records them in the manifest, in the calling thread."""

    def __init__(self, state: SyncState, meter: Meter) -> None:
        self.fetched = self.size_bytes = 0
        self._state = state
        self._meter = meter

    def __call__(self, result: Fetched | Pushed) -> None:
        self._state.record(result.entry)
        if result.transferred:
            self.fetched += 1
            self.size_bytes += result.entry.size
        self._meter.tick()

    def wait(self) -> None:
        """Nothing came for a while: let what was recorded reach the disk."""
        self._state.flush()
        self._meter.tick()
