"""A line chart as inline SVG: its colours are variables of the page, so that it is right on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_train.compare.axes import Curve
from ocr_train.compare.markup import Html, el, joined
from ocr_train.compare.scale import Scale, number, scale_for

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


def chart(lines: Sequence[Drawn], *, metric: str, x_label: str) -> Html:
    """The chart of `metric`; its points have titles, which browsers show."""
    points = [point for drawn in lines for point in drawn.line.points]
    x_scale = scale_for((x for x, _ in points), ticks=6)
    y_scale = scale_for((y for _, y in points), log="loss" in metric, room=0.06, ticks=5)
    parts = [*_grid(x_scale, y_scale), _axis_title(x_label, y_scale)]
    for drawn in sorted(lines, key=lambda drawn: drawn.line.inherited):
        parts += _line(drawn, metric, x_label, x_scale, y_scale)
    return el(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{metric} by {x_label}: {', '.join(drawn.label for drawn in lines)}",
    )


def _x(scale: Scale, value: float) -> str:
    return f"{LEFT + scale.at(value) * (WIDTH - LEFT - RIGHT):.1f}"


def _y(scale: Scale, value: float) -> str:
    return f"{HEIGHT - BOTTOM - scale.at(value) * (HEIGHT - TOP - BOTTOM):.1f}"


def _grid(x_scale: Scale, y_scale: Scale) -> list[Html]:
    parts = []
    for tick in y_scale.ticks:
        y = _y(y_scale, tick)
        parts.append(el("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        parts.append(el("text", number(tick), class_="tick", x=LEFT - 8, y=y, dy="0.32em", text_anchor="end"))
    for tick in x_scale.ticks:
        x, bottom = _x(x_scale, tick), HEIGHT - BOTTOM
        parts.append(el("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        parts.append(el("text", number(tick), class_="tick", x=x, y=bottom + 18, text_anchor="middle"))
    bottom = HEIGHT - BOTTOM
    return [*parts, el("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom)]


def _axis_title(x_label: str, y_scale: Scale) -> Html:
    said = f"{x_label}{' · logarithmic scale' if y_scale.log else ''}"
    return el("text", said, class_="title", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle")


def _line(drawn: Drawn, metric: str, x_label: str, x_scale: Scale, y_scale: Scale) -> list[Html]:
    colour = colour_class(drawn.colour)
    kind = "inherited" if drawn.line.inherited else "line"
    said = f"{drawn.label}, before it went on from there" if drawn.line.inherited else drawn.label
    parts = []
    for piece in drawn.line.pieces:
        if len(piece) > 1:
            path = " ".join(f"{_x(x_scale, x)},{_y(y_scale, y)}" for x, y in piece)
            dash = "4 5" if drawn.line.inherited else dash_of(drawn.colour)
            parts.append(
                el(
                    "polyline",
                    el("title", said),
                    class_=f"{kind} {colour}",
                    points=path,
                    stroke_dasharray=dash,
                )
            )
    points = drawn.line.points
    lonely = [piece[0] for piece in drawn.line.pieces if len(piece) == 1]
    dots = points if drawn.markers and len(points) <= MAX_DOTS and not drawn.line.inherited else lonely
    radius = "4" if len(points) == 1 else "2.6"
    for x, y in dots:
        title = el("title", f"{said}: {metric} {number(y)} at {number(x)} ({x_label})")
        place = {"cx": _x(x_scale, x), "cy": _y(y_scale, y)}
        parts.append(el("circle", title, class_=f"dot {colour}", r=radius, **place))
    return [joined(parts)]
