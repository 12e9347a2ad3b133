"""A line chart as numbers: where its grid, lines and dots lie. The page's template draws them as inline SVG, whose
colours are variables of the style sheet, so that it is right on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_train.compare.axes import Curve
from ocr_train.compare.scale import AxisScale, format_number, scale_for

WIDTH, HEIGHT = 430, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 26, 12, 44
COLOURS = 10
"""Colours of the page; further runs have them again, with dashes."""
MAX_DOTS = 25


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One run's line in a chart: `colour` is its place among the runs."""

    label: str
    colour: int
    line: Curve
    markers: bool = True


def colour_class(place: int) -> str:
    """The class that gives the run at `place` its colour."""
    return f"c{place % COLOURS}"


def dash_of(place: int) -> str | None:
    """The dashes of a run whose colour another one has, too."""
    return (None, "7 4", "2 3")[min(2, place // COLOURS)]


@dataclass(frozen=True, kw_only=True)
class AxisTick:
    """A mark of an axis: `at` in pixels from the left or the top, and the number there."""

    at: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """A piece of a line: `points` as SVG writes them, `title` whose it is; `css` are classes of the style sheet."""

    css: str
    dashes: str
    points: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point with its title, which browsers show."""

    css: str
    x: str
    y: str
    radius: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """All that is drawn of one metric; lengths in pixels of a picture of WIDTH x HEIGHT."""

    label: str
    x_title: str
    x_ticks: Sequence[AxisTick]
    y_ticks: Sequence[AxisTick]
    strokes: Sequence[Stroke]
    dots: Sequence[Dot]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def chart(lines: Sequence[Drawn], *, metric: str, x_label: str) -> Chart:
    """The chart of `metric`; what was taken over from the run before lies below the rest."""
    points = [point for drawn in lines for point in drawn.line.points]
    x_scale = scale_for((x for x, _ in points), ticks=6)
    y_scale = scale_for((y for _, y in points), log="loss" in metric, room=0.06, ticks=5)
    below_first = sorted(lines, key=lambda drawn: not drawn.line.inherited)
    return Chart(
        label=f"{metric} by {x_label}: {', '.join(drawn.label for drawn in lines)}",
        x_title=f"{x_label}{' · logarithmic scale' if y_scale.log else ''}",
        x_ticks=[AxisTick(at=_x(x_scale, tick), text=format_number(tick)) for tick in x_scale.ticks],
        y_ticks=[AxisTick(at=_y(y_scale, tick), text=format_number(tick)) for tick in y_scale.ticks],
        strokes=[stroke for drawn in below_first for stroke in _strokes(drawn, x_scale, y_scale)],
        dots=[dot for drawn in below_first for dot in _dots(drawn, metric, x_label, x_scale, y_scale)],
    )


def _x(scale: AxisScale, value: float) -> str:
    return f"{LEFT + scale.at(value) * (WIDTH - LEFT - RIGHT):.1f}"


def _y(scale: AxisScale, value: float) -> str:
    return f"{HEIGHT - BOTTOM - scale.at(value) * (HEIGHT - TOP - BOTTOM):.1f}"


def _title(drawn: Drawn) -> str:
    return f"{drawn.label}, before it was resumed from there" if drawn.line.inherited else drawn.label


def _strokes(drawn: Drawn, x_scale: AxisScale, y_scale: AxisScale) -> list[Stroke]:
    kind = "inherited" if drawn.line.inherited else "line"
    return [
        Stroke(
            css=f"{kind} {colour_class(drawn.colour)}",
            dashes="4 5" if drawn.line.inherited else dash_of(drawn.colour) or "",
            points=" ".join(f"{_x(x_scale, x)},{_y(y_scale, y)}" for x, y in piece),
            title=_title(drawn),
        )
        for piece in drawn.line.pieces
        if len(piece) > 1
    ]


def _dots(drawn: Drawn, metric: str, x_label: str, x_scale: AxisScale, y_scale: AxisScale) -> list[Dot]:
    """Every point of a short line; of a long one those that no stroke shows."""
    points = drawn.line.points
    lonely = [piece[0] for piece in drawn.line.pieces if len(piece) == 1]
    few = drawn.markers and len(points) <= MAX_DOTS and not drawn.line.inherited
    return [
        Dot(
            css=f"dot {colour_class(drawn.colour)}",
            x=_x(x_scale, x),
            y=_y(y_scale, y),
            radius="4" if len(points) == 1 else "2.6",
            title=f"{_title(drawn)}: {metric} {format_number(y)} at {format_number(x)} ({x_label})",
        )
        for x, y in (points if few else lonely)
    ]
