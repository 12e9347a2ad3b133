"""The probability of a text under a CTC head."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from ocr_train.ocr_engine.ctc import log_probability


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """What a path of classes means: repeats once, no blanks."""
    return tuple(key for key, _ in itertools.groupby(path) if key)


@pytest.mark.parametrize("classes", [(), (1,), (1, 2), (1, 1), (2, 1, 2), (2, 2, 1)])
def test_it_is_the_sum_over_all_paths(classes: tuple[int, ...]) -> None:
    """Every path of 5 steps through 3 classes, added up one by one."""
    random = np.random.default_rng(7)
    steps = random.dirichlet(np.ones(3), size=5)
    total = sum(
        math.prod(float(steps[place, one]) for place, one in enumerate(path))
        for path in itertools.product(range(3), repeat=5)
        if collapsed(path) == classes
    )
    assert log_probability(steps, list(classes)) == pytest.approx(math.log(total))


def test_a_text_that_does_not_fit_is_as_good_as_impossible() -> None:
    """A finite number, so that it can be written as JSON."""
    steps = np.full((2, 3), 1 / 3)
    assert -200 < log_probability(steps, [1, 1, 1]) < -50
