"""Evaluations fall on the same steps with and without an interruption."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.resume.eval_schedule import keep_phase


def evaluated(config: dict[str, Any], steps: int, *, steps_per_epoch: int) -> list[int]:
    """Where PaddleOCR's tools/program.py evaluates in `steps` steps, counted from 0."""
    interval = config["Global"]["eval_batch_step"]
    per_epochs = config["Global"].get("eval_batch_epoch")
    start = 0
    if isinstance(interval, list):
        start = 0 if per_epochs else interval[0]
        interval = steps_per_epoch * per_epochs if per_epochs else interval[1]
    return [step for step in range(1, steps + 1) if step > start and (step - start) % interval == 0]


intervals = st.one_of(
    st.integers(1, 40),
    st.tuples(st.integers(0, 60), st.integers(1, 40)).map(list),
)


@given(interval=intervals, steps=st.integers(1, 20), done=st.integers(1, 5), per_epochs=st.integers(0, 4))
def test_the_union_is_that_of_an_uninterrupted_run(
    interval: Any, steps: int, done: int, per_epochs: int
) -> None:
    """Whatever start, interval, length of an epoch and place of the interruption between two epochs."""
    epochs = 10
    whole = {"Global": {"eval_batch_step": interval, "eval_batch_epoch": per_epochs or None}}
    offset = done * steps
    expected = evaluated(whole, epochs * steps, steps_per_epoch=steps)
    resumed = {"Global": dict(whole["Global"])}
    note = keep_phase(resumed, offset=offset, epochs_done=done, steps=steps, epochs=epochs)
    after = evaluated(resumed, epochs * steps - offset, steps_per_epoch=steps)
    if note:  # there would be none in the rest: one comes at its end
        assert after == [epochs * steps - offset]
        expected.append(epochs * steps)
    assert [step for step in expected if step <= offset] + [offset + step for step in after] == expected
    assert after


def test_two_resumes_in_a_row_keep_it_too() -> None:
    """Each starts from the configuration as it was given, with the steps of all before it."""
    plain = {"Global": {"eval_batch_step": [0, 7]}}
    seen: list[int] = []
    for offset, steps in ((0, 10), (10, 10), (20, 20)):
        config = {"Global": dict(plain["Global"])}
        if offset:
            keep_phase(config, offset=offset, epochs_done=offset // 10, steps=10, epochs=4)
        seen += [offset + step for step in evaluated(config, steps, steps_per_epoch=10)]
    assert seen == [7, 14, 21, 28, 35]


def test_from_the_middle_of_an_epoch_on_steps_count() -> None:
    """A best checkpoint of step 13: the next evaluation of every 5 steps is at 15."""
    config = {"Global": {"eval_batch_step": [0, 5]}}
    keep_phase(config, offset=13, epochs_done=2, steps=10, epochs=4)
    assert evaluated(config, 8, steps_per_epoch=10) == [2, 7]


def test_one_comes_at_the_end_where_none_would() -> None:
    """An interval longer than what is left: without one the rest of the run has no score."""
    config = {"Global": {"eval_batch_step": [0, 2000]}}
    said = keep_phase(config, offset=20, epochs_done=2, steps=10, epochs=4)
    assert evaluated(config, 20, steps_per_epoch=10) == [20]
    assert "after step 40" in said


def test_every_second_epoch_stays_that() -> None:
    """From the middle of an epoch PaddleOCR goes on with the next one: the ends of epochs count, not steps."""
    config = {"Global": {"eval_batch_step": [0, 2000], "eval_batch_epoch": 2}}
    keep_phase(config, offset=33, epochs_done=3, steps=10, epochs=8)
    assert evaluated(config, 50, steps_per_epoch=10) == [10, 30, 50]


@pytest.mark.parametrize("config", [{"Global": {}}, {"Global": {"eval_batch_step": None}}])
def test_no_evaluations_stay_none(config: dict[str, Any]) -> None:
    """Nothing is invented."""
    before = {"Global": dict(config["Global"])}
    assert keep_phase(config, offset=3, epochs_done=1, steps=3, epochs=2) == ""
    assert config == before
