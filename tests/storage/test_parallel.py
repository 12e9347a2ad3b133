"""Work in threads, results in the caller."""

from __future__ import annotations

import threading

import pytest

from ocr_train.storage.parallel import run_all


def test_every_result_arrives_in_the_calling_thread() -> None:
    """All tasks are done once; results are reported by the thread that called."""
    seen: list[tuple[int, bool]] = []
    here = threading.get_ident()
    run_all(
        range(200),
        lambda n: n * n,
        workers=8,
        stop=threading.Event(),
        on_result=lambda value: seen.append((value, threading.get_ident() == here)),
    )
    assert sorted(seen) == [(n * n, True) for n in range(200)]


def test_the_first_error_stops_the_rest() -> None:
    """An error ends the work early, keeps the results until then, and is raised itself."""
    done: list[int] = []
    stop = threading.Event()

    def work(n: int) -> int:
        if n == 50:
            raise ValueError("fifty")
        return n

    with pytest.raises(ValueError, match="fifty"):
        run_all(range(1_000_000), work, workers=4, stop=stop, on_result=done.append)
    assert stop.is_set()
    assert set(range(40)) <= set(done)
    assert len(done) < 1_000_000


def test_an_error_in_the_caller_ends_the_threads_first() -> None:
    """Ctrl-C, or a report that fails, leaves no thread behind."""
    before = set(threading.enumerate())

    def refuse(_value: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(range(1_000_000), abs, workers=4, stop=threading.Event(), on_result=refuse)
    # Threads of earlier tests may end meanwhile.
    assert set(threading.enumerate()) <= before
