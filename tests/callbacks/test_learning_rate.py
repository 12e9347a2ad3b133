"""A learning rate of 0 is said: nothing is learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from callbacks.learning_rate import LearningRateCallback
from ocr_train.events import TrainProgress
from ocr_train.run import Results
from tests.builders import make_run


def said(folder: Path, rates: Sequence[float | None], *, offset: int = 0) -> str:
    """What is said of a run whose progress lines, one a step, have these rates."""
    callback = LearningRateCallback()
    callback.open(make_run(folder, step_offset=offset))
    for step, rate in enumerate(rates, start=1):
        metrics = {} if rate is None else {"train/lr": rate}
        callback.handle(TrainProgress(epoch=1, epochs=4, step=step, metrics=metrics))
    return str(callback.results(Results()).rate_zero)


def test_a_rate_of_0_in_every_line_is_said(tmp_path: Path) -> None:
    """A schedule that has ended: the run says FINISHED, and no weight has moved."""
    assert "printed as 0 in all 8 progress lines" in said(tmp_path, [0.0] * 8)


def test_a_rate_of_0_for_the_last_half_is_said_with_the_runs_steps(tmp_path: Path) -> None:
    """From where it came to 0."""
    assert "from step 106 to the end, step 110" in said(tmp_path, [0.1] * 5 + [0.0] * 5, offset=100)


@pytest.mark.parametrize(
    "rates",
    [
        [0.1] * 8,
        [0.0, *[0.1] * 7],
        [*[0.1] * 7, 0.0],
        [0.0, 0.0, 0.0, 0.1, 0.0],
        [0.0],
        [None] * 5,
        [],
    ],
    ids=["never", "warm-up", "end", "in between", "one step", "not printed", "no line"],
)
def test_a_rate_of_0_now_and_then_is_none_of_it(tmp_path: Path, rates: Sequence[float | None]) -> None:
    """Warm-up begins at 0 and annealing ends there."""
    assert said(tmp_path, rates) == ""
