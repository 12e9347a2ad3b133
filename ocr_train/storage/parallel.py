"""Many pieces of work in a few threads, their results in the calling one: as they come, or in the order of the work."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_Results: TypeAlias = "queue.SimpleQueue[tuple[bool, R | BaseException | None]]"


def run_all(
    tasks: Iterable[T],
    work: Callable[[T], R],
    *,
    workers: int,
    stop: threading.Event,
    on_result: Callable[[R], None],
    on_wait: Callable[[], None] = lambda: None,
) -> None:
    """Call `work` on every task in threads, and here `on_result` on every result as it comes.

    The first error sets `stop`, by which running work may end early, and is raised once all threads are gone;
    the results until then have been reported. `on_wait` is called about twice a second.
    """
    done: _Results[R] = queue.SimpleQueue()
    take = _shared(tasks, stop)

    def loop() -> None:
        try:
            for task in take():
                done.put((True, work(task)))
        except BaseException as error:  # noqa: BLE001 - it is raised in the calling thread
            stop.set()
            done.put((False, error))
        else:
            done.put((False, None))

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(max(1, workers))]
    for thread in threads:
        thread.start()
    errors = _collect(done, len(threads), stop, on_result, on_wait)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def results_in_order(tasks: Iterable[T], work: Callable[[T], R], *, ahead: int) -> Iterator[R]:
    """The results of `work` on every task, in the order of the tasks, `ahead` of them made at once in threads.

    No more than that many results wait to be taken. An error of `work` is raised where its result would come; what has
    not begun by then never does.
    """
    feed: queue.SimpleQueue[tuple[T, _Results[R]] | None] = queue.SimpleQueue()
    coming: deque[_Results[R]] = deque()
    for _ in range(ahead):
        threading.Thread(target=_serve, args=(feed, work), daemon=True).start()
    try:
        for task in tasks:
            coming.append(queue.SimpleQueue())
            feed.put((task, coming[-1]))
            if len(coming) > ahead:
                yield _taken(coming.popleft())
        while coming:
            yield _taken(coming.popleft())
    finally:
        with contextlib.suppress(queue.Empty):
            while True:
                feed.get_nowait()
        for _ in range(ahead):
            feed.put(None)


def _serve(feed: queue.SimpleQueue[tuple[T, _Results[R]] | None], work: Callable[[T], R]) -> None:
    while (given := feed.get()) is not None:
        task, answer = given
        try:
            answer.put((True, work(task)))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is taken
            answer.put((False, error))


def _taken(answer: _Results[R]) -> R:
    is_result, value = answer.get()
    if not is_result and isinstance(value, BaseException):
        raise value
    return value  # type: ignore[return-value]  # the flag says which of the two it is


def _shared(tasks: Iterable[T], stop: threading.Event) -> Callable[[], Iterator[T]]:
    """A way for several threads to iterate over the same tasks, each task in one thread, until `stop`."""
    feed = iter(tasks)
    lock = threading.Lock()

    def take() -> Iterator[T]:
        while not stop.is_set():
            with lock:
                try:
                    task = next(feed)
                except StopIteration:
                    return
            yield task

    return take


def _collect(
    done: _Results[R],
    running: int,
    stop: threading.Event,
    on_result: Callable[[R], None],
    on_wait: Callable[[], None],
) -> list[BaseException]:
    """Report results until every thread has ended; an interrupt here stops the threads first."""
    errors: list[BaseException] = []
    while running:
        try:
            is_result, value = done.get(timeout=0.5)
            if is_result:
                on_result(value)  # type: ignore[arg-type]  # the flag says which of the two it is
            else:
                running -= 1
                if isinstance(value, BaseException):
                    errors.append(value)
        except queue.Empty:
            on_wait()
        except BaseException as error:  # noqa: BLE001 - Ctrl-C, or an on_result that fails: threads end first
            stop.set()
            errors.insert(0, error)
    return errors
