"""The one thread that sends: when it tries again, when it stops, and what it says."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ocr_train.tracking.sender import CPU_SHARE, MOST_IDLE_S, NICENESS, Sender, idle_after

Make = Callable[..., Sender]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes senders, started; all are closed at the end."""
    made: list[Sender] = []

    def new(step: Callable[[], bool], **settings: object) -> Sender:
        sender = Sender("test-sender", step, **{"retry_s": (0.001,), **settings})  # type: ignore[arg-type]
        made.append(sender)
        sender.start()
        return sender

    yield new
    for sender in made:
        sender.close()


def test_what_comes_later_is_sent_when_it_is_woken(make: Make) -> None:
    """It need not wait for the end of its pause."""
    waiting, sent = ["a"], list[str]()

    def step() -> bool:
        if waiting:
            sent.append(waiting.pop(0))
        return bool(waiting)

    sender = make(step, idle_s=60.0)
    assert sender.wait_for(lambda: sent == ["a"], 5)
    waiting.append("b")
    sender.wake()
    assert sender.wait_for(lambda: sent == ["a", "b"], 5)


def test_a_failure_is_tried_again_and_said(make: Make) -> None:
    """Until it gets through: the failures in a row are counted, and none after a success."""
    answers: list[Exception | bool] = [ConnectionError("away\nand more"), ConnectionError("still away"), True]

    def step() -> bool:
        answer = answers.pop(0) if answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    sender = make(step)
    assert sender.flush(lambda: not answers and sender.failures == 0, 5)
    assert "still away" in sender.last_error


def test_flushing_ends_in_time(make: Make) -> None:
    """Where nothing gets through."""
    sender = make(lambda: False, idle_s=0.01)
    started = time.monotonic()
    assert not sender.flush(lambda: False, 0.1)
    assert time.monotonic() - started < 2


def test_closing_waits_no_longer_than_it_may(make: Make) -> None:
    """A step that hangs does not hold up the end."""
    hanging = threading.Event()

    def step() -> bool:
        return hanging.wait(60)

    sender = make(step)
    started = time.monotonic()
    sender.close(wait_s=0.05)
    assert time.monotonic() - started < 2
    hanging.set()


@pytest.mark.parametrize(
    ("cpu_s", "idle_s", "pause_s"),
    [
        (0.0, 1.0, 1.0),
        (CPU_SHARE * 2.0, 1.0, 2.0),
        (60.0, 1.0, MOST_IDLE_S),
        (60.0, 30.0, 30.0),
    ],
)
def test_what_took_much_of_a_processor_is_rested_from(cpu_s: float, idle_s: float, pause_s: float) -> None:
    """So that sending takes a small share of one; not for so long that curves would stand still."""
    assert idle_after(cpu_s, idle_s) == pytest.approx(pause_s)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_the_thread_that_sends_lets_others_go_first(make: Make) -> None:
    """It alone: the thread that follows the trainer does not."""
    before, seen = os.getpriority(os.PRIO_PROCESS, 0), list[int]()

    def step() -> bool:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return False

    sender = make(step)
    assert sender.wait_for(lambda: bool(seen), 10)
    assert seen[0] == max(before, NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
