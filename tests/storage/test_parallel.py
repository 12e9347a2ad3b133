"""Work in threads, results in the caller."""

from __future__ import annotations

import threading

import pytest

from ocr_train.storage.parallel import results_in_order, run_all


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


def test_results_come_in_the_order_of_the_tasks() -> None:
    """Whatever is ready first: work that is quick waits for what comes before it, and no more than `ahead` waits."""
    gate = threading.Event()
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        if n == 0:
            gate.wait(10)
        if n == 2:
            gate.set()
        return n

    coming = results_in_order(range(20), work, ahead=3)
    assert next(coming) == 0
    assert max(begun) <= 5
    assert list(coming) == list(range(1, 20))


def test_an_error_comes_where_its_result_would() -> None:
    """What is before it arrives, and what has not begun never does."""
    done: list[int] = []

    def work(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        done.append(n)
        return n

    coming = results_in_order(range(1000), work, ahead=2)
    assert [next(coming), next(coming), next(coming)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(coming)
    assert len(done) < 1000
