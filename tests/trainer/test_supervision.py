"""The line between a training and who started it as one of many."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest

from ocr_train.trainer.supervision import (
    MOST_BYTES,
    VARIABLE,
    MessageLink,
    StopOrder,
    Supervisor,
    supervised_environment,
    supervisor_of,
)


@pytest.fixture
def ends() -> Iterator[tuple[MessageLink, MessageLink]]:
    """Both ends of a line."""
    ours, theirs = (MessageLink(end) for end in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_in_order(ends: tuple[MessageLink, MessageLink]) -> None:
    """As they were sent, Thai too."""
    ours, theirs = ends
    ours.send({"a": 1})
    ours.send({"why": "ที่"})
    assert theirs.received() == [{"a": 1}, {"why": "ที่"}]
    assert theirs.received() == []


def test_an_end_that_is_not_read_does_not_hold_up_the_other(ends: tuple[MessageLink, MessageLink]) -> None:
    """What does not go out at once is kept within a limit, and nothing blocks."""
    ours, theirs = ends
    for _ in range(40):
        ours.send({"text": "x" * (MOST_BYTES // 20)})
    assert ours.open
    assert len(theirs.received()) > 0


def test_what_could_not_go_at_once_goes_with_the_next_message(ends: tuple[MessageLink, MessageLink]) -> None:
    """Whole, and in its place."""
    ours, theirs = ends
    texts = ["x" * 100_000] * 8
    for text in texts:
        ours.send({"text": text})
    got: list[object] = []
    while len(got) < len(texts):
        got += [message["text"] for message in theirs.received()]
        ours.received()
    assert got == texts


def test_an_end_that_is_gone_is_not_missed(ends: tuple[MessageLink, MessageLink]) -> None:
    """Sending raises nothing, and the line knows that it is closed."""
    ours, theirs = ends
    theirs.close()
    ours.send({"a": 1})
    ours.send({"a": 2})
    assert ours.received() == []
    assert not ours.open
    assert ours.fileno() == -1


def test_what_is_no_message_is_passed_over(ends: tuple[MessageLink, MessageLink]) -> None:
    """Only documents that are mappings count."""
    ours, theirs = ends
    os.write(ours.fileno(), b'nonsense\n[1]\n{"a": 1}\n')
    assert theirs.received() == [{"a": 1}]


@pytest.mark.parametrize(("given", "reason"), [("pruned", "pruned"), ("budget", "budget"), ("x", "stopped")])
def test_a_training_is_told_to_stop(ends: tuple[MessageLink, MessageLink], given: str, reason: str) -> None:
    """With the reason, one of those that there are, and a sentence."""
    ours, theirs = ends
    supervisor = Supervisor(link=theirs)
    assert supervisor.order() is None
    ours.send({"stop": {"reason": given, "why": "after epoch 2"}})
    assert supervisor.order() == StopOrder(reason=reason, why="after epoch 2")
    assert supervisor.order() is None


def test_a_training_finds_who_started_it() -> None:
    """Name, tags and the line come from the environment; the trainer does not inherit the socket."""
    ours, theirs = socket.socketpair()
    link = MessageLink(ours)
    environ = supervised_environment(theirs, name="rec-3", tags={"sweep": "rec"})
    theirs.set_inheritable(True)
    found = supervisor_of(environ)
    assert found is not None
    assert (found.name, found.tags) == ("rec-3", {"sweep": "rec"})
    assert not os.get_inheritable(theirs.fileno())
    found.link.send({"run": 1})
    assert link.received() == [{"run": 1}]
    theirs.detach()
    found.link.close()
    link.close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"fd": 9}', json.dumps({"fd": 987654, "name": "", "tags": {}})]
)
def test_an_environment_without_a_usable_line_is_none(text: str) -> None:
    """Somebody may have copied the variable: the training goes on by itself."""
    assert supervisor_of({VARIABLE: text}) is None
