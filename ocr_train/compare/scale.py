"""Axes of a chart: which numbers stand at them, and where a value lies between their ends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LOG_FROM = 50
"""From this ratio of the largest to the smallest on, a loss is drawn on a logarithmic axis."""


@dataclass(frozen=True, kw_only=True)
class AxisScale:
    """From `low` to `high`, with `ticks` in between; logarithmic where `log`."""

    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def at(self, value: float) -> float:
        """Where `value` lies: 0 at the low end, 1 at the high one."""
        if self.log:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)


def scale_for(values: Iterable[float], *, log: bool = False, room: float = 0.0, ticks: int = 6) -> AxisScale:
    """A scale that holds `values`, with `room` (a share) above and below; `log` where they span enough for it."""
    known = list(values)
    low, high = min(known, default=0.0), max(known, default=1.0)
    if log and low > 0 and high / low >= LOG_FROM:
        return _log_scale(low, high)
    if low == high:
        low, high = low - (abs(low) * 0.5 or 0.5), high + (abs(high) * 0.5 or 0.5)
    spread = high - low
    floor = 0.0 if low >= 0 else -math.inf
    low, high = max(floor, low - room * spread), high + room * spread
    return AxisScale(low=low, high=high, ticks=nice_ticks(low, high, ticks))


def _log_scale(low: float, high: float) -> AxisScale:
    low, high = low / 1.15, high * 1.15
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(decades) < 5 else (1,)
    ticks = [digit * 10.0**decade for decade in decades for digit in steps]
    return AxisScale(low=low, high=high, ticks=[tick for tick in ticks if low <= tick <= high], log=True)


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them."""
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(digit * power for digit in (1, 2, 2.5, 5, 10) if digit * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def figure(value: float) -> str:
    """A score, with the same decimals for all: 0.7100."""
    return f"{value:.4f}" if 1e-4 <= abs(value) < 10 or value == 0 else format_number(value)


def format_number(value: float) -> str:
    """A value as people read it: 0.8412, 12.3, 1,200, 3.2e-05."""
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e7:
        mantissa, _, exponent = f"{value:.3g}".partition("e")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    if size >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4f}" if size < 10 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".")
