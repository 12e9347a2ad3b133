"""What a range test's curve says, on curves that are known."""

from __future__ import annotations

import importlib.util
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ocr_train.tuning.rate_range import analyse, has_diverged, rising_rates, schedule_of

RATES = rising_rates(100)


def curve(*, depth: float = 3.0, noise: float = 0.05, at: float = -3.0, lost: float = -1.0) -> list[float]:
    """A loss that falls by `depth` around the rate 10 ** `at`, and is lost above 10 ** `lost`."""
    chance = random.Random(1)
    found = []
    for rate in RATES:
        decades = math.log10(rate)
        fallen = depth / (1 + math.exp(-4 * (decades - at)))
        found.append(5 - fallen + math.exp(min(9.0, 6 * (decades - lost))) + chance.gauss(0, noise))
    return found


def test_rates_rise_by_the_same_factor() -> None:
    """From a millionth to one."""
    assert RATES[0] == 1e-6
    assert RATES[-1] == pytest.approx(1.0)
    assert RATES[50] / RATES[49] == pytest.approx(RATES[2] / RATES[1])


def test_a_clear_curve_has_a_tenth_of_where_it_diverges() -> None:
    """That is below where the loss is lowest here."""
    found = analyse(RATES, curve(lost=-1.5))
    assert found.diverged is not None
    assert found.lowest is not None
    assert 0.02 < found.diverged < 0.1
    assert found.suggested == pytest.approx(found.diverged / 10, rel=0.05)
    assert found.suggested is not None
    assert found.suggested < found.lowest


def test_the_suggestion_is_never_above_the_lowest_loss() -> None:
    """Between that and the end the loss rises for a long way."""
    losses = [
        loss + 1.4 * max(0.0, math.log10(rate) + 3)
        for rate, loss in zip(RATES, curve(at=-4.0, lost=1.0), strict=True)
    ]
    found = analyse(RATES, losses)
    assert found.suggested == pytest.approx(found.lowest, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_a_flat_curve_has_no_suggestion(seed: int) -> None:
    """Noise is no evidence."""
    chance = random.Random(seed)
    found = analyse(RATES, [5 + chance.gauss(0, 0.4) for _ in RATES])
    assert found.suggested is None
    assert found.why.startswith("no clear answer")


def test_a_curve_that_only_rises_has_no_suggestion() -> None:
    """As of weights that cannot be improved."""
    assert analyse(RATES, curve(depth=0.0)).suggested is None


def test_a_fall_within_the_noise_is_not_believed() -> None:
    """The loss wavers by more from batch to batch than it falls."""
    assert analyse(RATES, curve(depth=0.35, noise=1.5)).suggested is None


def test_nan_is_where_it_diverged() -> None:
    """What comes after it does not count."""
    losses = curve(lost=3.0)
    losses[80] = math.nan
    found = analyse(RATES, losses)
    assert found.diverged == RATES[80]
    assert len(found.points) == 80
    assert found.suggested == pytest.approx(RATES[80] / 10, rel=0.05)


def test_few_steps_are_no_answer() -> None:
    """A test that was cut short says so."""
    assert "only 5 steps" in analyse(RATES[:5], [5.0] * 5).why


def test_a_test_ends_when_the_loss_is_lost() -> None:
    """And not while it only wavers."""
    assert has_diverged([1.0, math.nan])
    assert not has_diverged([5.0, 3.0, 6.0, 2.0, 5.0] * 5)
    assert has_diverged([5.0] * 10 + [2.0] * 10 + [50.0] * 5)


def test_each_step_has_its_rate_in_paddles_schedule() -> None:
    """Piecewise takes the first value whose boundary is beyond the step; the warm-up comes first, at its own rate."""
    schedule = schedule_of([1e-6, 1e-5, 1e-4], 8, lead=2, lead_rate=0.5)

    def rate(step: int) -> float:
        boundaries = [8 * epoch for epoch in schedule["decay_epochs"]]
        return float(
            next(
                (value for value, end in zip(schedule["values"], boundaries, strict=False) if step < end),
                schedule["values"][-1],
            )
        )

    assert [rate(step) for step in range(5)] == [0.5, 0.5, 1e-6, 1e-5, 1e-4]
    assert schedule_of([1e-6, 1e-5], 8)["values"] == [1e-6, 1e-5]


STEP_THROUGH = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ppocr.optimizer import build_lr_scheduler
schedule = build_lr_scheduler(json.loads(sys.argv[2]), 1, 130)
rates = []
for _ in range(int(sys.argv[3])):
    rates.append(schedule.get_lr())
    schedule.step()
print(json.dumps(rates))
"""


@pytest.mark.slow
def test_paddleocr_steps_through_the_rates_as_planned() -> None:
    """Its own schedule, from our settings: one rate a step after the warm-up, none twice and none left out."""
    root = Path(str(importlib.util.find_spec("unstructured_paddleocr").submodule_search_locations[0]))  # type: ignore[union-attr,index]
    rates = rising_rates(120)
    schedule = json.dumps(schedule_of(rates, 130, lead=7, lead_rate=0.5))
    done = subprocess.run(
        [sys.executable, "-c", STEP_THROUGH, str(root), schedule, "127"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == pytest.approx([0.5] * 7 + rates)
