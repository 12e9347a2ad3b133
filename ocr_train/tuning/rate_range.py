"""A learning rate from a range test: the rate rises from step to step in one short training, and the loss tells which are
too small and which too large (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, arXiv 1506.01186).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, pstdev
from typing import Any

LOWEST, HIGHEST = 1e-6, 1.0
MOST_STEPS, FEWEST_STEPS = 120, 40
"""Of the rising rate: twenty a decade, or seven where a step takes long."""
WINDOW = 0.35
"""Decades to each side over which the loss is averaged: a single batch says little."""
DIVERGED = 1.5
"""The loss has diverged where its average is so many times its lowest average, and above where it began."""
DROP = 0.05
"""The loss must fall by this share of where it began, and by `SIGNAL` times what its average wavers by."""
SIGNAL = 3.0
BELOW = 10.0
"""The suggestion is so many times smaller than the rate at which the loss is lost: a training stays at a rate, where the
test has passed it. It is never above the rate at which the loss is lowest."""


@dataclass(frozen=True, kw_only=True)
class RatePoint:
    """One step: its learning rate and its loss; `average` is the loss around it."""

    rate: float
    loss: float
    average: float


@dataclass(frozen=True, kw_only=True)
class RateRange:
    """What a range test has shown. `suggested` is None where there is no clear answer; `why` is one sentence in any case.
    `lowest` is the rate at which the loss is lowest, `diverged` the first above it at which it is back where it began, None
    where it never is."""

    points: Sequence[RatePoint] = ()
    suggested: float | None = None
    why: str = ""
    lowest: float | None = None
    diverged: float | None = None


def rising_rates(steps: int) -> list[float]:
    """The rates of `steps` steps, from `LOWEST` to `HIGHEST`, each the same number of times the one before."""
    return [LOWEST * (HIGHEST / LOWEST) ** (number / (steps - 1)) for number in range(steps)]


def schedule_of(
    rates: Sequence[float], steps_per_epoch: int, *, lead: int = 0, lead_rate: float = 0.0
) -> dict[str, Any]:
    """`Optimizer.lr` with one rate a step, after `lead` steps at `lead_rate`: Piecewise, whose boundaries PaddleOCR
    multiplies with the steps of an epoch. They lie between two steps, so that no rounding moves one."""
    values = ([lead_rate] if lead else []) + list(rates)
    first = lead or 1
    boundaries = [(first + number - 0.5) / steps_per_epoch for number in range(len(values) - 1)]
    return {"name": "Piecewise", "decay_epochs": boundaries, "values": [float(value) for value in values]}


def averages(rates: Sequence[float], losses: Sequence[float]) -> list[float]:
    """The mean loss within `WINDOW` decades around each rate, weighted by distance."""
    logs = [math.log10(rate) for rate in rates]
    found = []
    for here in logs:
        weights = [max(0.0, 1 - abs(there - here) / WINDOW) for there in logs]
        found.append(sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights))
    return found


def has_diverged(losses: Sequence[float]) -> bool:
    """Whether a running test can be ended: the mean of the last losses is far above the lowest such mean and the start."""
    if any(not math.isfinite(loss) for loss in losses[-1:]):
        return True
    if len(losses) < 15:
        return False
    means = [fmean(losses[at : at + 5]) for at in range(len(losses) - 4)]
    return means[-1] > 2 * DIVERGED * max(min(means), 1e-9) and means[-1] > 2 * means[0]


def analyse(rates: Sequence[float], losses: Sequence[float]) -> RateRange:
    """What a range test with these rates and losses says; both in the order of the steps, a NaN ends them."""
    count = next((at for at, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
    blown = rates[count] if count < len(losses) else None
    rates, losses = rates[:count], losses[:count]
    if count < FEWEST_STEPS // 2:
        return RateRange(why=f"no clear answer: only {count} steps could be measured", diverged=blown)
    average = averages(rates, losses)
    points = tuple(
        RatePoint(rate=rate, loss=loss, average=mean)
        for rate, loss, mean in zip(rates, losses, average, strict=True)
    )
    bottom = min(range(count), key=average.__getitem__)
    start = median(average[: max(3, count // 6)])
    lost = next(
        (at for at in range(bottom, count) if average[at] > max(DIVERGED * average[bottom], start)), None
    )
    diverged = rates[lost] if lost is not None else blown
    seen = RateRange(points=points, lowest=rates[bottom], diverged=diverged)
    if why := _unclear(losses, average, start, bottom):
        return replace(seen, why=f"no clear answer: {why}")
    if diverged is None:
        return replace(
            seen,
            suggested=_rounded(rates[bottom] / BELOW),
            why=f"a tenth of {rates[bottom]:.2g}, where the loss is lowest",
        )
    tenth = diverged / BELOW
    why = f"a tenth of {diverged:.2g}, where the loss diverges; it is lowest at {rates[bottom]:.2g}"
    if tenth > rates[bottom]:
        why = f"the loss is lowest there; it diverges at {diverged:.2g}"
    return replace(seen, suggested=_rounded(min(tenth, rates[bottom])), why=why)


def _unclear(losses: Sequence[float], average: Sequence[float], start: float, bottom: int) -> str:
    """Why the curve says nothing, or nothing."""
    drop = start - average[bottom]
    head = max(6, len(losses) // 4)
    noise = pstdev(loss - mean for loss, mean in zip(losses[:head], average[:head], strict=True))
    # Of so many independent losses an average is made, with its weights: it wavers less than they do.
    wavers = noise / math.sqrt(max(1.0, 1.5 * WINDOW * len(losses) / math.log10(HIGHEST / LOWEST)))
    if drop < DROP * abs(start):
        return f"the loss fell by {max(0.0, drop) / abs(start or 1):.0%} at most, from {start:.3g}"
    if drop < SIGNAL * wavers:
        return f"the loss fell by {drop:.2g}, and wavers by {noise:.2g} from one batch to the next"
    return ""


def _rounded(rate: float) -> float:
    """Two digits: more would claim to be more than a range test is."""
    return float(f"{rate:.1e}")


def loss_of(metrics: Mapping[str, float]) -> float:
    """The loss of a progress line; NaN where it has none."""
    return metrics.get("train/loss", math.nan)
