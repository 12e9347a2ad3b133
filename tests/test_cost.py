"""Hours, money, and the word about a loader that starves the model."""

from __future__ import annotations

import pytest

from ocr_train.cost import spent, starving


def test_an_hour_costs_what_it_costs() -> None:
    """Half an hour at three dollars."""
    assert spent(1800, 3.0) == {"time/hours": 0.5, "cost/usd": 1.5}


def test_without_a_price_there_are_only_hours() -> None:
    """No invented money."""
    assert spent(900, None) == {"time/hours": 0.25}


def test_a_starving_model_gets_a_plain_sentence() -> None:
    """The share, what to raise, and the override that does it."""
    said = starving(0.62, 2, cores=16)
    assert said.startswith("62% of each step waits for data: raise num_workers (now 2, 16 cores)")
    assert "overrides=Train.loader.num_workers=16" in said


def test_more_workers_are_no_advice_where_all_cores_are_taken() -> None:
    """The cores are the limit, not the number of workers."""
    assert "raise num_workers" not in starving(0.62, 8, cores=8)


@pytest.mark.parametrize("share", [None, 0.0, 0.1])
def test_a_fed_model_is_not_talked_about(share: float | None) -> None:
    """Unknown or small: nothing is said."""
    assert starving(share, 8, cores=8) == ""
