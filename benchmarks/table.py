"""The table of a benchmark: what was measured, the figure, the bar, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a figure has to keep to: at least (`at_least`), else at most, `limit`."""

    limit: float
    at_least: bool

    def holds(self, value: float) -> bool:
        """Whether `value` keeps to it."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured thing: `samples` in `unit`, one a round, its figure their median. `note` says what it is
    made of."""

    name: str
    samples: Sequence[float]
    unit: str
    bar: Bar | None = None
    note: str = ""

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.samples)

    @property
    def verdict(self) -> str:
        """ "holds", "missed", or "" where there is no bar."""
        if self.bar is None:
            return ""
        return "holds" if self.bar.holds(self.value) else "missed"

    def to_json(self) -> dict[str, object]:
        """For machines: everything that the table shows, and every sample."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.value,
            "samples": list(self.samples),
            "bar": str(self.bar) if self.bar else None,
            "verdict": self.verdict or None,
            "note": self.note,
        }


def at_least(limit: float) -> Bar:
    """A bar for what should be large."""
    return Bar(limit=limit, at_least=True)


def at_most(limit: float) -> Bar:
    """A bar for what should be small."""
    return Bar(limit=limit, at_least=False)


def draw(rows: Sequence[Row]) -> str:
    """The rows as lines of text: median, then smallest and largest of the rounds, bar, verdict."""
    cells = [("measured", "median", "min .. max", "bar", "", "")]
    for row in rows:
        low, high = min(row.samples), max(row.samples)
        spread = f"{number_text(low)} .. {number_text(high)}" if len(row.samples) > 1 else ""
        bar = f"{row.bar}{'x' if row.unit == 'x' else ''}" if row.bar else ""
        unit = row.unit if row.unit == "x" else f" {row.unit}"
        cells.append((row.name, number_text(row.value) + unit, spread, bar, row.verdict, row.note))
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = []
    for line in cells:
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        lines.append("  ".join([*padded, line[5]]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def number_text(value: float) -> str:
    """A figure for people: three digits or so."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
