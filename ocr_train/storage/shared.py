"""Folders that several processes use at once: none is changed while a process reads it.

    cache/s3/0a1b2c         the copy of a source; cache/s3/0a1b2c-2, ... where another process needs the first as it is
    cache/s3/0a1b2c.lease   locked by whoever uses the copy: shared to read it, alone to change it

The kernel gives locks back when a process ends, however it ends. On a disk without locks, and on Windows, there are
none: then processes that start together must have cache folders of their own (`output`).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ocr_train.storage.local import storage_errors


class Leases:
    """The copies that this process uses, until `close` or its end."""

    def __init__(self) -> None:
        self._held: dict[Path, IO[str]] = {}

    def use(
        self, folder: Path, *, refresh: Callable[[Path], object], is_current: Callable[[Path], bool]
    ) -> Path:
        """`folder`, or a copy beside it, made current and kept as it is for as long as this process needs it.

        `refresh` brings a folder up to date; it is only called on one that nobody else uses. One that is in use is
        taken as it is where `is_current` says so. Raises what these two raise, and `StorageError`.
        """
        for place in _places(folder):
            with storage_errors(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                lease = self._held.get(place) or place.with_name(f"{place.name}.lease").open("a")
            if _lock(lease, alone=True):
                self._held[place] = lease
                refresh(place)
                _lock(lease, alone=False)
                self._remove_unused(folder, place)
                return place
            # Until whoever changes it is done.
            _lock(lease, alone=False, wait=True)
            if is_current(place):
                self._held[place] = lease
                return place
            if place not in self._held:
                lease.close()
        raise AssertionError("there is always one more place")

    def close(self) -> None:
        """Give everything back."""
        while self._held:
            self._held.popitem()[1].close()

    def _remove_unused(self, folder: Path, used: Path) -> None:
        """Remove the other copies of the same source that no process uses."""
        for other in sorted(folder.parent.glob(f"{folder.name}-*")):
            if other in (used, *self._held) or not other.is_dir():
                continue
            with other.with_name(f"{other.name}.lease").open("a") as lease:
                if _lock(lease, alone=True):
                    shutil.rmtree(other, ignore_errors=True)


def _places(folder: Path) -> Iterator[Path]:
    yield folder
    number = 1
    while number := number + 1:
        yield folder.with_name(f"{folder.name}-{number}")


def _lock(lease: IO[str], *, alone: bool, wait: bool = False) -> bool:
    """Lock the file, or turn the lock that we have into another one; False where somebody else has it."""
    # Windows
    with contextlib.suppress(ImportError):
        import fcntl

        mode = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        try:
            fcntl.flock(lease, mode if wait or not alone else mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # A network disk without locks.
            return True
    return True
