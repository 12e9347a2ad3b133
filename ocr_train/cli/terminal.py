"""Output that nothing waits for: a terminal that accepts nothing (Ctrl-S, an unread pipe) delays no training.

with detached_output():     print, sys.stdout and sys.stderr return at once; one thread writes, in order
    ...
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

LIMIT = 1 << 20
"""Characters that may wait; what comes then is left out, and how much that was is printed."""
END_S = 5.0


class _Writer:
    """The thread: it writes to file descriptors, since a stream that hangs in a thread cannot be closed at exit."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[TextIO, str] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)
        self._thread.start()

    def put(self, stream: TextIO, text: str) -> None:
        """Have `text` written to `stream`."""
        with self._lock:
            if self._waiting + len(text) > LIMIT:
                self._left_out += 1
                return
            self._waiting += len(text)
        self._queue.put((stream, text))

    def close(self, timeout_s: float) -> None:
        """Wait until all is written, for that long at most."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        gone: set[int] = set()
        while (item := self._queue.get()) is not None:
            stream, text = item
            with self._lock:
                self._waiting -= len(text)
                if self._left_out and not self._waiting:
                    text += f"... {self._left_out} line(s) were left out: the terminal did not accept them\n"
                    self._left_out = 0
            number = stream.fileno()
            if number not in gone:
                try:
                    _write_all(number, text.encode(stream.encoding, stream.errors or "replace"))
                except OSError:
                    # A terminal that was closed, or a reader that has gone, ends no training.
                    gone.add(number)


def _write_all(number: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(number, data) :]
        except BlockingIOError:
            # Somebody made it non-blocking, as shells do.
            time.sleep(0.05)


class _Detached(io.TextIOBase):
    """Stands for `stream`."""

    def __init__(self, stream: TextIO, writer: _Writer) -> None:
        self._stream = stream
        self._writer = writer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return self._stream.encoding

    def write(self, text: str) -> int:
        """Have it written; returns at once."""
        self._writer.put(self._stream, text)
        return len(text)

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Of the stream."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """It is."""
        return True


@contextlib.contextmanager
def detached_output() -> Iterator[None]:
    """Inside, writing to standard output and standard error never waits; streams that are not files stay as they are.

    At the end what is left is waited for, for `END_S` at most.
    """
    before = sys.stdout, sys.stderr
    if not all(_is_file(stream) for stream in before):
        yield
        return
    for stream in before:
        stream.flush()
    writer = _Writer()
    sys.stdout, sys.stderr = (_Detached(stream, writer) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        writer.close(END_S)


def _is_file(stream: TextIO) -> bool:
    try:
        stream.fileno()
    except (OSError, ValueError, AttributeError):
        return False
    return True
