"""What a log of steps tells of a setting."""

from __future__ import annotations

import pytest

from ocr_train.events import TrainProgress
from ocr_train.tuning.measurement import Setting, Step, averaged, enough, steps_of, summed_up, warm


def steps(*seconds: float, reader: float = 0.0, samples: float = 8.0) -> list[Step]:
    """Steps that took so long."""
    return [Step(seconds=each, reader=reader, samples=samples) for each in seconds]


def test_the_first_steps_are_left_out() -> None:
    """Two without workers; with them those whose batches were ready before, too."""
    assert len(warm(steps(*[1.0] * 10), 0)) == 8
    assert len(warm(steps(*[1.0] * 10), 1)) == 4
    assert len(warm(steps(*[10.0] * 10), 4)) == 8


def test_the_median_step_counts() -> None:
    """One that the machine's other work has slowed down does not."""
    found = summed_up(steps(9.0, 5.0, 2.0, 2.0, 8.0, 2.0, 2.0), Setting(batch=8, workers=0), 2)
    assert found is not None
    assert (found.step_s, found.samples_per_s, found.steps) == (2.0, 8.0, 5)


def test_batches_that_come_in_bursts_are_taken_together() -> None:
    """Two workers hand over two at a time: a long step, then a short one. The median of single steps would be either."""
    found = summed_up(steps(*[1.0] * 6, *[3.0, 1.0] * 4), Setting(batch=8, workers=2), 1)
    assert found is not None
    assert found.samples_per_s == pytest.approx(4.0)


def test_waiting_is_a_share_of_all_steps() -> None:
    """Of those that count."""
    found = summed_up(steps(*[2.0] * 8, reader=0.5), Setting(batch=8, workers=0), 1)
    assert found is not None
    assert found.reader_share == 0.25


def test_too_few_steps_are_no_measurement() -> None:
    """Rather none than a wrong one."""
    assert summed_up(steps(2.0, 2.0, 2.0), Setting(batch=8, workers=0), 1) is None


def test_a_few_long_steps_are_enough() -> None:
    """Else a large picture on a CPU would take minutes."""
    assert not enough(steps(*[1.0] * 5), 0)
    assert enough(steps(*[1.0] * 8), 0)
    assert enough(steps(*[6.0] * 4), 0)


def test_lines_without_costs_are_no_steps() -> None:
    """As in the log of another version."""
    lines = [TrainProgress(epoch=1, epochs=1, step=1, metrics={"train/loss": 1.0})]
    assert steps_of(lines) == []


def test_a_setting_measured_twice_is_its_mean() -> None:
    """Speeds are averaged, steps added."""
    one = summed_up(steps(*[2.0] * 8), Setting(batch=8, workers=0), 1)
    other = summed_up(steps(*[4.0] * 8), Setting(batch=8, workers=0), 1)
    assert one is not None
    assert other is not None
    assert (averaged([one, other]).samples_per_s, averaged([one, other]).steps) == (3.0, 12)
