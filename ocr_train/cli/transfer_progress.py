"""How a transfer shows itself: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Callable
from typing import TextIO

from ocr_train.disk import human
from ocr_train.storage.progress import Progress

PLAIN_INTERVAL_S = 10.0


class TransferProgress:
    """Files, bytes, rate and ETA; call it with each `Progress`, and `done` at the end."""

    def __init__(self, what: str, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._stream = stream
        self._clock = clock
        self._live = stream.isatty()
        self._next_plain = clock() + PLAIN_INTERVAL_S
        self._shown = False

    def __call__(self, progress: Progress) -> None:
        """Show `progress`, or keep quiet where the last line is not old enough."""
        text = f"{self._what}: {describe_progress(progress)}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{text[:width]:<{width}}")
            self._shown = True
        elif self._clock() >= self._next_plain:
            self._next_plain = self._clock() + PLAIN_INTERVAL_S
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def done(self) -> None:
        """Clear the live line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def describe_progress(progress: Progress) -> str:
    """One line: phase, files, bytes, rate, ETA, as far as they are known."""
    if progress.phase == "listing":
        return f"listing, {progress.files} files so far"
    parts = [f"{progress.phase} {progress.files}/{progress.files_total} files"]
    parts.append(f"{human(progress.size_bytes)}/{human(progress.size_bytes_total)}")
    parts.append(f"{human(progress.rate)}/s")
    if progress.eta_s is not None:
        parts.append(f"ETA {datetime.timedelta(seconds=round(progress.eta_s))}")
    return "  ".join(parts)
