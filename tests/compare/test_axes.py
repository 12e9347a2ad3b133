"""Curves on step, epoch, wall time and cost."""

from __future__ import annotations

import math

import pytest

from ocr_train.compare.axes import COST, EPOCH, STEP, TIME, curve, epochs_at, thin
from ocr_train.compare.values import RunData, Series


def run_with(series: dict[str, Series], **more: object) -> RunData:
    """A run that started at second 1000."""
    facts: dict[str, object] = {
        **{"run_id": "a" * 32, "name": "a", "experiment": "Default", "status": "FINISHED", "started": 1000.0},
        **{"ended": 8200.0, "model": "det", "task": "det", "main_metric": "hmean", "hourly_usd": None},
        **{"params": {}, "tags": {}, "last": {}, "series": series, **more},
    }
    return RunData(**facts)  # type: ignore[arg-type]


def series(points: dict[int, float], *, start: float = 1000.0, each_s: float = 36.0) -> Series:
    """A history of one value a step, `each_s` seconds a step."""
    return Series(
        steps=tuple(points),
        times=tuple(start + step * each_s for step in points),
        values=tuple(points.values()),
    )


EPOCHS = {1: 1.0, 5: 1.0, 10: 1.0, 15: 2.0, 20: 2.0, 25: 3.0, 30: 3.0}


def test_the_epoch_axis_counts_parts_of_an_epoch() -> None:
    """The last step that names an epoch is its end."""
    run = run_with({"train/epoch": series(EPOCHS)})
    assert epochs_at(run, [0, 5, 10, 15, 30]) == [0.0, 0.5, 1.0, 1.5, 3.0]


def test_a_resumed_run_goes_on_at_its_own_epoch() -> None:
    """Its first epoch begins where the run before was left."""
    history = {step + 100: epoch + 10 for step, epoch in EPOCHS.items()}
    run = run_with(
        {"train/epoch": series(history)}, tags={"resumed_from": "b" * 32, "resumed_from_step": "100"}
    )
    assert epochs_at(run, [100, 105, 110]) == [10.0, 10.5, 11.0]


def test_an_epoch_that_still_runs_is_not_counted_whole() -> None:
    """It is as long as the one before it."""
    run = run_with({"train/epoch": series({10: 1.0, 20: 2.0, 25: 3.0})}, status="RUNNING")
    assert epochs_at(run, [25]) == [2.5]


def test_a_run_that_says_no_epochs_has_no_curve_on_them() -> None:
    """Nothing is guessed."""
    assert curve(run_with({"train/loss": series({1: 2.0})}), "train/loss", EPOCH).points == []


def test_wall_time_counts_hours_from_the_start_of_the_run() -> None:
    """36 seconds a step are a hundredth of an hour."""
    line = curve(run_with({"train/loss": series({50: 2.0, 100: 1.0})}), "train/loss", TIME)
    assert line.points == [(0.5, 2.0), (1.0, 1.0)]


def test_cost_is_hours_times_their_price() -> None:
    """Where the run has a price; without one it has no curve there."""
    made = {"train/loss": series({100: 1.0})}
    assert curve(run_with(made, hourly_usd=3.0), "train/loss", COST).points == [(3.0, 1.0)]
    assert curve(run_with(made), "train/loss", COST).points == []


def test_cost_that_was_logged_outweighs_the_price() -> None:
    """Between two points it grows evenly, from nothing at the start."""
    made = {"train/loss": series({50: 2.0, 150: 1.0}), "cost/usd": series({100: 10.0, 200: 30.0})}
    line = curve(run_with(made, hourly_usd=99.0), "train/loss", COST)
    assert [x for x, _ in line.points] == pytest.approx([5.0, 20.0])


def test_values_that_are_no_numbers_are_gaps() -> None:
    """NaN, and an infinity as MLflow's SQL stores give it back."""
    points = {1: 3.0, 2: math.nan, 3: 2.0, 4: 1.7976931348623157e308, 5: 1.0}
    line = curve(run_with({"train/loss": series(points)}), "train/loss", STEP)
    assert line.pieces == [[(1.0, 3.0)], [(3.0, 2.0)], [(5.0, 1.0)]]
    assert (line.total, line.non_finite, line.thinned) == (5, 2, False)


def test_a_long_curve_keeps_its_ends_and_its_peaks() -> None:
    """A spike of one point in thousands is what somebody looks for."""
    points = dict.fromkeys(range(1, 5001), 1.0) | {2345: 50.0, 4000: -7.0}
    line = curve(run_with({"train/loss": series(points)}), "train/loss", STEP, most=200)
    assert len(line.points) <= 200
    assert line.thinned
    assert {(2345.0, 50.0), (4000.0, -7.0), (1.0, 1.0), (5000.0, 1.0)} <= set(line.points)


def test_thinning_keeps_the_order() -> None:
    """A line that went back would be drawn wrong."""
    line = [(float(x), math.sin(x * 1.3)) for x in range(1000)]
    assert thin(line, 60) == sorted(thin(line, 60))
    assert thin(line[:50], 60) == line[:50]


def test_what_a_resumed_run_took_over_ends_where_it_went_on() -> None:
    """Later points of the run before are not its."""
    line = curve(run_with({"train/loss": series({10: 3.0, 20: 2.0, 30: 1.0})}), "train/loss", STEP, up_to=20)
    assert line.points == [(10.0, 3.0), (20.0, 2.0)]
    assert line.inherited
