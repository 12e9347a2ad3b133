"""When a training has had enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from callbacks.limits import LimitsCallback
from ocr_train.config.limits import TrainingLimits, parse_limits
from ocr_train.config.parameters import Launch
from ocr_train.errors import TrainingStopped
from ocr_train.events import EvalCompleted, Tick
from ocr_train.trainer.outcome import decide_outcome
from ocr_train.trainer.process import Exit
from tests.builders import make_run


def limits(
    now: list[float], *, best: float | None = None, hours_before: float = 0.0, **given: float
) -> LimitsCallback:
    """The callback of a run that began at second 0; `now` holds the second that it is."""
    usd = given.pop("usd_an_hour", None)
    made = LimitsCallback(TrainingLimits(**given), started=0.0, usd_an_hour=usd, clock=lambda: now[0])  # type: ignore[arg-type]
    made.open(make_run(Path("run"), main_metric="hmean", best=best, hours_before=hours_before))
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
    given: dict[str, float], values: tuple[float, ...], at: int | None
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
def test_a_budget_ends_a_training_in_time(given: dict[str, float], reason: str) -> None:
    """At half an hour in each of these cases, and only once."""
    now = [1799.0]
    callback = limits(now, **given)
    callback.handle(Tick())
    now[0] = 1800.0
    with pytest.raises(TrainingStopped) as raised:
        callback.handle(Tick())
    assert raised.value.reason == reason
    callback.handle(Tick())


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
