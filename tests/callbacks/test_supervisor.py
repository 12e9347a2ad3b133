"""What a training tells who started it, and how it is ended by that one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from callbacks.supervisor import SupervisorCallback
from ocr_train.errors import TrainingStopped
from ocr_train.events import EvalCompleted, RunFinished, Tick
from ocr_train.trainer.supervision import MessageLink, Supervisor
from tests.builders import make_run


@pytest.fixture
def pair() -> Iterator[tuple[SupervisorCallback, MessageLink]]:
    """The callback of an opened run whose steps begin at 100, and the other end of its line."""
    ours, theirs = (MessageLink(end) for end in socket.socketpair())
    callback = SupervisorCallback(Supervisor(link=theirs))
    callback.open(make_run(Path("run"), step_offset=100))
    yield callback, ours
    ours.close()
    theirs.close()


def test_it_tells_of_the_run_each_evaluation_and_the_end(
    pair: tuple[SupervisorCallback, MessageLink],
) -> None:
    """The step is the run's, names are the trainer's, and a value that is no number is left out."""
    callback, supervisor = pair
    metrics = {"eval/acc": 0.5, "eval/fps": float("nan"), "base/acc": 0.4}
    callback.handle(EvalCompleted(metrics=metrics, step=8, epoch=2))
    callback.handle(RunFinished(status="KILLED", reason="pruned"))
    run, evaluation, ended = supervisor.received()
    assert run["run"]["run_id"] == make_run(Path("run")).run_id
    assert evaluation == {"evaluation": {"epoch": 2, "step": 108, "metrics": {"acc": 0.5}}}
    assert ended == {"ended": {"status": "KILLED", "reason": "pruned"}}


def test_it_ends_the_training_once_when_it_is_told_to(
    pair: tuple[SupervisorCallback, MessageLink],
) -> None:
    """With the reason and the sentence that it was given."""
    callback, supervisor = pair
    callback.handle(Tick())
    supervisor.send({"stop": {"reason": "pruned", "why": "after epoch 2 acc 0.1"}})
    with pytest.raises(TrainingStopped, match=r"^pruned: after epoch 2 acc 0\.1\.$") as caught:
        callback.handle(Tick())
    assert caught.value.reason == "pruned"
    supervisor.send({"stop": {"reason": "pruned", "why": "again"}})
    callback.handle(Tick())


def test_a_supervisor_that_is_gone_is_not_missed(pair: tuple[SupervisorCallback, MessageLink]) -> None:
    """Training goes on by itself."""
    callback, supervisor = pair
    supervisor.close()
    callback.handle(EvalCompleted(metrics={"eval/acc": 0.5}, step=8, epoch=2))
    callback.handle(Tick())
