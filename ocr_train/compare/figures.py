"""Figures as people read them."""

from __future__ import annotations

import datetime


def format_score(value: float) -> str:
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


def duration(hours: float) -> str:
    """Hours as people say them: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    minutes = round(hours * 60)
    if hours * 3600 < 90:
        return f"{hours * 3600:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def dollars(amount: float) -> str:
    """Dollars; cents where they count."""
    return f"${amount:,.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"


def moment(seconds: float) -> str:
    """A time of day in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
