"""Output goes out in order, and nobody waits for it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ocr_train.cli import terminal
from ocr_train.cli.terminal import detached_output
from tests.faults import fill


@contextmanager
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard output and standard error are streams of one pipe; the end to read from."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    streams = [io.TextIOWrapper(os.fdopen(os.dup(theirs), "wb"), encoding="utf-8") for _ in range(2)]
    os.close(theirs)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", streams[0])
        patched.setattr(sys, "stderr", streams[1])
        yield ours
    os.close(ours)
    for stream in streams:
        with contextlib.suppress(OSError):
            stream.close()


def test_both_streams_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was printed before, inside and after comes in that order, all of it."""
    with piped(monkeypatch) as pipe:
        print("before")
        with detached_output():
            for number in range(50):
                print(number, file=sys.stderr if number % 2 else sys.stdout)
        print("after", flush=True)
        assert os.read(pipe, 4096).decode().split() == ["before", *map(str, range(50)), "after"]


def test_a_reader_that_stands_still_costs_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing returns at once, the end waits no longer than it may; what waited comes when somebody reads, and what
    was too much is counted."""
    monkeypatch.setattr(terminal, "END_S", 0.05)
    monkeypatch.setattr(terminal, "LIMIT", 5000)
    with piped(monkeypatch) as pipe:
        fill(sys.stdout.fileno())
        began = time.monotonic()
        with detached_output():
            for number in range(1000):
                print(f"line {number:05}")
        assert time.monotonic() - began < 1.0
        lines = read_until(pipe, b"did not accept them\n")
        assert lines[:2] == ["line 00000", "line 00001"]
        assert lines[-1].endswith(" line(s) were left out: the terminal did not accept them")


def read_until(pipe: int, end: bytes) -> list[str]:
    """The lines with something in them that come out of the pipe up to `end`, for 10 s at most."""
    said, deadline = b"", time.monotonic() + 10
    while not said.endswith(end) and time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            said += os.read(pipe, 65536)
    return [line for line in said.decode().split("\n") if line]


def test_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a terminal that was closed."""
    with piped(monkeypatch) as pipe:
        os.dup2(os.open(os.devnull, os.O_RDONLY), pipe)
        with detached_output():
            print("to nobody")
            print("again", file=sys.stderr)


def test_streams_that_are_no_files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook."""
    text = io.StringIO()
    monkeypatch.setattr(sys, "stdout", text)
    with detached_output():
        print("here")
        assert text.getvalue() == "here\n"
