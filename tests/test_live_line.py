"""How a long work shows itself: a live line on a terminal, calm lines elsewhere."""

from __future__ import annotations

import io

import pytest

from ocr_train.live_line import LiveLine


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_elsewhere_a_line_appears_every_ten_seconds() -> None:
    """A log of a long transfer stays short, that of a short one empty."""
    stream, clock = io.StringIO(), Clock()
    line = LiveLine(stream, interval_s=10, wait_s=10, clock=clock)
    for second in range(25):
        clock.now = second
        line.show("fetch: transferring 3/12 files  1.2 MB/5.0 GB  2.0 KB/s")
    line.clear()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("fetch: transferring 3/12 files")
    assert "\r" not in stream.getvalue()


def test_on_a_terminal_one_line_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits into the window, hides what stood there, and is gone at the end."""
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    line = LiveLine(stream, interval_s=10)
    line.show("fetch: transferring 3/12 files  1.2 MB/5.0 GB  2.0 KB/s")
    line.show("fetch: listing, 3 files so far")
    assert "\n" not in stream.getvalue()
    parts = stream.getvalue().split("\r")[1:]
    assert [len(part) for part in parts] == [39, 39]
    line.clear()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_nothing_shown_leaves_nothing_to_clear() -> None:
    """A transfer with nothing to do writes nothing, not even an escape sequence."""
    stream = Terminal()
    LiveLine(stream, interval_s=10).clear()
    assert stream.getvalue() == ""
