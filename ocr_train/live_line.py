"""One line that shows how far something is: written over on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO


class LiveLine:
    """On a terminal (`live`) each text replaces the one before; elsewhere one is printed every `interval_s` seconds
    at most, the first after `wait_s`."""

    def __init__(
        self,
        stream: TextIO,
        *,
        interval_s: float,
        wait_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.live = stream.isatty()
        self._stream = stream
        self._interval_s = interval_s
        self._clock = clock
        self._next = clock() + wait_s
        self._shown = False

    def show(self, text: str) -> None:
        """Show `text`, or keep quiet where the last line is not old enough."""
        if self.live:
            self.write_over(text)
        elif self._clock() >= self._next:
            self._next = self._clock() + self._interval_s
            self.print(text)

    def write_over(self, text: str, end: str = "") -> None:
        """Replace what the line shows by `text`, cut to the width of the terminal."""
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r{text[:width]:<{width}}{end}")
        self._shown = True

    def print(self, text: str) -> None:
        """Print a line that stays; it takes the place of the live one, which is shown again below it."""
        lead = "\r\x1b[K" if self.live else ""
        self._write(f"{lead}{text}\n")

    def clear(self) -> None:
        """Remove the live line."""
        if self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
