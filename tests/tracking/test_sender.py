"""The one thread that sends: when it tries again, when it stops, and what it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ocr_train.tracking.sender import Sender

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
