"""Hours, money, and the word about a loader that starves the model."""

from __future__ import annotations

import pytest

from ocr_train.cost import Estimate, estimate, spent, starving


def test_an_hour_costs_what_it_costs() -> None:
    """Half an hour at three dollars."""
    assert spent(1800, 3.0) == {"time/hours": 0.5, "cost/usd": 1.5}


def test_without_a_price_there_are_only_hours() -> None:
    """No invented money."""
    assert spent(900, None) == {"time/hours": 0.25}


def test_an_estimate_is_samples_times_epochs() -> None:
    """Each part of it: half a second a sample, 100 samples in batches of 8, 10 epochs, 20 s of evaluation each, a start."""
    found = estimate(
        seconds_per_sample=0.5,
        samples=100,
        epochs=10,
        batch_size=8,
        evaluation_s=20.0,
        start_s=200.0,
        hourly_usd=2.0,
        machines=2,
    )
    assert found == Estimate(step_s=4.0, epoch_s=70.0, total_s=900.0, usd=1.0)


def test_an_estimate_without_a_price_has_no_money() -> None:
    """None, which is not 0."""
    assert estimate(seconds_per_sample=1.0, samples=10, epochs=1).usd is None
    assert estimate(seconds_per_sample=1.0, samples=10, epochs=1, hourly_usd=0.0).usd == 0.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_what_no_trial_can_have_measured_is_no_estimate(seconds: float) -> None:
    """A trial that measured nothing must not promise a training that takes no time."""
    with pytest.raises(ValueError, match="trial"):
        estimate(seconds_per_sample=seconds, samples=10, epochs=1)


def test_no_samples_are_no_training() -> None:
    """Nothing to estimate."""
    with pytest.raises(ValueError, match="samples=0"):
        estimate(seconds_per_sample=1.0, samples=0, epochs=1)


def test_a_starving_model_gets_a_plain_sentence() -> None:
    """The share, what to raise, and the override that does it."""
    said = starving(0.62, 2, cores=16)
    assert said.startswith("62% of each step waits for data: raise num_workers (now 2, 16 cores)")
    assert said.endswith("num_workers=16")


def test_more_workers_are_no_advice_where_all_cores_are_taken() -> None:
    """The cores are the limit, not the number of workers."""
    assert "raise num_workers" not in starving(0.62, 8, cores=8)


@pytest.mark.parametrize("share", [None, 0.0, 0.1])
def test_a_fed_model_is_not_talked_about(share: float | None) -> None:
    """Unknown or small: nothing is said."""
    assert starving(share, 8, cores=8) == ""
