"""When a training has had enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callbacks.limits import LimitsCallback
from ocr_train.config.limits import TrainingLimits, parse_limits
from ocr_train.config.parameters import Launch
from ocr_train.errors import TrainingStopped
from ocr_train.events import EvalCompleted, Tick, TrainProgress
from ocr_train.trainer.outcome import decide_outcome
from ocr_train.trainer.process import Exit
from tests.builders import make_run


def limits(
    now: list[float],
    *,
    best: float | None = None,
    hours_before: float = 0.0,
    report: Callable[[str], None] = lambda _: None,
    **given: Any,
) -> LimitsCallback:
    """The callback of a run that began at second 0; `now` holds the second that it is."""
    usd = given.pop("usd_an_hour", None)
    made = LimitsCallback(
        TrainingLimits(**given),
        started=0.0,
        usd_an_hour=usd,
        report=report,
        clock=lambda: now[0],
    )
    made.open(
        make_run(Path("run"), main_metric="hmean", best=best, hours_before=hours_before, steps_per_epoch=100)
    )
    return made


def stopped_at(callback: LimitsCallback, *values: float) -> int | None:
    """The number of the evaluation (from 1) at which it stops the training."""
    for number, value in enumerate(values, start=1):
        try:
            callback.handle(EvalCompleted(epoch=number, step=number, metrics={"eval/hmean": value}))
        except TrainingStopped as exc:
            assert exc.reason == "early_stop"
            return number
    return None


@pytest.mark.parametrize(
    ("given", "values", "at"),
    [
        ({"patience": 2}, (0.5, 0.5, 0.5), 3),
        ({"patience": 2}, (0.5, 0.4, 0.6, 0.6, 0.6), 5),
        ({"patience": 2, "min_delta": 0.05}, (0.5, 0.52, 0.54, 0.9), 3),
        ({"patience": 2}, (0.5, float("nan"), float("nan")), 3),
        ({"patience": 2, "best": 0.9}, (0.5, 0.6), 2),
        ({"patience": 3}, (0.1, 0.2, 0.3, 0.4), None),
        ({}, (0.5, 0.4, 0.3, 0.2), None),
    ],
)
def test_a_training_that_gets_no_better_ends(
    given: dict[str, Any], values: tuple[float, ...], at: int | None
) -> None:
    """After `patience` evaluations in a row; a resumed run has the best of before to beat."""
    assert stopped_at(limits([0.0], **given), *values) == at


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"max_hours": 0.5}, "max_hours"),
        ({"max_hours": 1.0, "hours_before": 0.5}, "max_hours"),
        ({"max_usd": 1.0, "usd_an_hour": 2.0}, "max_usd"),
    ],
)
def test_a_budget_ends_a_training_in_time(given: dict[str, Any], reason: str) -> None:
    """At half an hour in each of these cases, and only once."""
    now = [1799.0]
    callback = limits(now, **given)
    callback.handle(Tick())
    now[0] = 1800.0
    with pytest.raises(TrainingStopped) as raised:
        callback.handle(Tick())
    assert raised.value.reason == reason
    callback.handle(Tick())


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({"max_hours": 0.25}, True),
        ({"max_usd": 1.0, "usd_an_hour": 4.0}, True),
        ({"max_hours": 0.5}, False),
        ({"patience": 2}, False),
    ],
)
def test_a_budget_that_no_checkpoint_fits_into_is_said_at_once(given: dict[str, Any], warned: bool) -> None:
    """10 s a step and 100 steps an epoch: the first checkpoint comes after 17 minutes."""
    now, said = [0.0], list[str]()
    callback = limits(now, report=said.append, **given)
    for step in (1, 3, 6, 9):
        now[0] = 10.0 * step
        callback.handle(TrainProgress(epoch=1, epochs=9, step=step))
    assert len(said) == warned
    assert all("after about 0.28 h" in text for text in said)


def test_such_a_run_is_finished_and_says_why() -> None:
    """It is no failure; what the log gives away still is one."""
    error = TrainingStopped("its 1 hours are used up.", reason="max_hours")
    outcome = decide_outcome(
        Exit(code=None, signal="SIGTERM"), stopped_by=None, failure=None, error=error, progressed=True
    )
    assert (outcome.status, outcome.reason, outcome.stop_reason, outcome.exit_code) == (
        "FINISHED",
        "",
        "max_hours",
        0,
    )


def test_limits_that_mean_nothing_are_said() -> None:
    """Money without what an hour costs, a difference without patience."""
    problems: list[str] = []
    parse_limits(Launch(max_usd="3", min_delta="0.1"), problems)
    assert len(problems) == 2
