"""How a transfer shows itself: a live line on a terminal, calm lines elsewhere."""

from __future__ import annotations

import io

import pytest

from ocr_train.cli.transfer_progress import TransferProgress, describe_progress
from ocr_train.storage.progress import Progress


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


def progress(phase: str = "transferring", *, eta_s: float | None = 61.4) -> Progress:
    """The middle of a transfer."""
    return Progress(
        phase=phase,
        files=3,
        files_total=12,
        size_bytes=1_234_567,
        size_bytes_total=5_000_000_000,
        rate=2_000.0,
        eta_s=eta_s,
    )


def test_a_line_has_files_bytes_rate_and_eta() -> None:
    """All of what is known."""
    assert describe_progress(progress()) == "transferring 3/12 files  1.2 MB/5.0 GB  2.0 KB/s  ETA 0:01:01"


def test_what_is_not_known_is_left_out() -> None:
    """No ETA before the first byte, no totals while listing."""
    assert "ETA" not in describe_progress(progress(eta_s=None))
    assert describe_progress(progress("listing")) == "listing, 3 files so far"


def test_elsewhere_a_line_appears_every_ten_seconds() -> None:
    """A log of a long transfer stays short, that of a short one empty."""
    stream, clock = io.StringIO(), Clock()
    shown = TransferProgress("fetch", stream, clock=clock)
    for second in range(25):
        clock.now = second
        shown(progress())
    shown.done()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("fetch: transferring 3/12 files")
    assert "\r" not in stream.getvalue()


def test_on_a_terminal_one_line_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits into the window, hides what stood there, and is gone at the end."""
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    shown = TransferProgress("fetch", stream)
    shown(progress())
    shown(progress("listing"))
    assert "\n" not in stream.getvalue()
    parts = stream.getvalue().split("\r")[1:]
    assert [len(part) for part in parts] == [39, 39]
    shown.done()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_nothing_shown_leaves_nothing_to_clear() -> None:
    """A transfer with nothing to do writes nothing, not even an escape sequence."""
    stream = Terminal()
    TransferProgress("fetch", stream).done()
    assert stream.getvalue() == ""
