"""Regions of text: polygons of at least 4 points, clockwise, inside the image; for the shapes of every tool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.data.labels import Point, corner_turns, signed_area

LARGEST_COORDINATE = 1e6
_ROUND_POINTS = 16
# How far outside is not reported: editors differ in whether the last pixel is w or w - 1.
_EDGE_PX = 1.0


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where a text is; `notes` says how it was changed: "clipped", "line_widened", "mask_missing"."""

    points: tuple[Point, ...]
    notes: tuple[str, ...] = ()


class NoRegion(Exception):  # noqa: N818 - an outcome that is counted, never shown as an error
    """A shape gives no region; `reason` is the kind under which it is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def finite(value: Any) -> float | None:
    """A coordinate: a finite number that an image can have, also as text; else None."""
    if isinstance(value, str) and len(value) < 40:
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    # NaN fails the comparison, too.
    return float(value) if abs(value) <= LARGEST_COORDINATE else None


def fit_region(points: Sequence[Point], width: int, height: int, *, notes: tuple[str, ...] = ()) -> Region:
    """The part of an outline that lies within an image of `width` x `height` pixels.

    Raises `NoRegion` ("outside_image", "no_area") where there is none.
    """
    if not _overlaps(points, width, height):
        raise NoRegion("outside_image")
    inside, clipped = _clip(list(points), width, height)
    if thickness(inside) < 1:
        raise NoRegion("no_area")
    return Region(
        points=tuple((round(x, 2), round(y, 2)) for x, y in inside),
        notes=(*notes, "clipped") if clipped else notes,
    )


def rectangle(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """The corners of an upright rectangle, from the top left; its sides may be given in any order."""
    left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def turned(points: Sequence[Point], degrees: float, about: Point) -> list[Point]:
    """`points` turned clockwise (as y points down) about a point; their order stays."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x0, y0 = about
    return [(x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos) for x, y in points]


def ellipse(x: float, y: float, across: float, down: float, degrees: float = 0.0) -> list[Point]:
    """16 points of an ellipse with its two radii, turned clockwise about its centre."""
    angles = [2 * math.pi * index / _ROUND_POINTS for index in range(_ROUND_POINTS)]
    points = [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]
    return turned(points, degrees, (x, y)) if degrees else points


def read_order(points: list[Point]) -> list[Point]:
    """A polygon that begins where its text does: only its direction is put right, and crossed edges of 4 points."""
    if len(points) == 4:
        turns = corner_turns(points)
        if min(turns) >= 0:
            return points
        if max(turns) > 0:
            return order_corners(points)
    if len(points) == 3:
        return smallest_rectangle(points)
    return points if signed_area(points) >= 0 else [points[0], *points[:0:-1]]


def as_region(points: list[Point]) -> list[Point]:
    """A polygon of 3 or more points as a region: clockwise, a triangle as its smallest rectangle."""
    if len(points) == 3:
        return smallest_rectangle(points)
    if len(points) == 4:
        return order_corners(points)
    return points if signed_area(points) >= 0 else points[::-1]


def order_corners(points: Sequence[Point]) -> list[Point]:
    """Four corners clockwise from the top left (the least x + y); crossed edges are put straight."""
    centre_x = sum(x for x, _ in points) / 4
    centre_y = sum(y for _, y in points) / 4
    turned = sorted(points, key=lambda point: math.atan2(point[1] - centre_y, point[0] - centre_x))
    # A dent: the angles around the centre need not follow the outline.
    if min(corner_turns(turned)) < 0 < max(corner_turns(turned)):
        turned = list(points) if signed_area(points) >= 0 else list(points[::-1])
    start = min(range(4), key=lambda index: (sum(turned[index]), turned[index][1]))
    return turned[start:] + turned[:start]


def smallest_rectangle(points: Sequence[Point], *, widen: float = 0.0) -> list[Point]:
    """The corners of the smallest rectangle (of any angle) around `points`; `widen` px go to its short
    side."""
    import cv2
    import numpy as np

    centre, (width, height), angle = cv2.minAreaRect(np.array(points, dtype=np.float32))
    if width < height:
        width += widen
    else:
        height += widen
    corners = cv2.boxPoints((centre, (width, height), angle))
    return order_corners([(float(x), float(y)) for x, y in corners])


def thickness(points: Sequence[Point]) -> float:
    """The short side of the smallest rectangle around `points`, in pixels; 0 for too few."""
    import cv2
    import numpy as np

    if len(points) < 3:
        return 0.0
    _, (width, height), _ = cv2.minAreaRect(np.array(points, dtype=np.float32))
    return float(min(width, height))


def _overlaps(points: Sequence[Point], width: int, height: int) -> bool:
    return (
        max(x for x, _ in points) > 0
        and max(y for _, y in points) > 0
        and min(x for x, _ in points) < width - 1
        and min(y for _, y in points) < height - 1
    )


def _clip(points: list[Point], width: int, height: int) -> tuple[list[Point], bool]:
    """`points` cut at the image's edges, and whether that took more than a rounding.

    Of a region that falls into several parts, or becomes a triangle, the smallest rectangle is taken.
    """
    right, bottom = width - 1.0, height - 1.0
    beyond = max(max(-x, x - right, -y, y - bottom) for x, y in points)
    if beyond <= 0:
        return points, False
    if beyond > _EDGE_PX:
        cut = _cut(points, right, bottom)
        if not cut:
            return [], True
        # It begins with the corner nearest to where the whole one began.
        start = min(range(len(cut)), key=lambda index: math.dist(cut[index], points[0]))
        points = cut[start:] + cut[:start]
    return [(min(max(x, 0.0), right), min(max(y, 0.0), bottom)) for x, y in points], beyond > _EDGE_PX


def _cut(points: list[Point], right: float, bottom: float) -> list[Point]:
    """The part of a polygon within the image, clockwise; nothing where it has no area."""
    import shapely  # type: ignore[import-untyped]

    whole = shapely.make_valid(shapely.Polygon(points), method="structure", keep_collapsed=False)
    inside = shapely.intersection(whole, shapely.box(0, 0, right, bottom))
    # y points down: clockwise for us is counter-clockwise for shapely.
    parts = [
        list(shapely.geometry.polygon.orient(part).exterior.coords)[:-1]
        for part in shapely.get_parts(inside)
        if part.area > 0
    ]
    cut = [
        point
        for part in parts
        for index, point in enumerate(part)
        if math.dist(point, part[index - 1]) > 0.01
    ]
    return smallest_rectangle(cut) if len(parts) > 1 or len(cut) == 3 else cut if len(cut) > 3 else []
