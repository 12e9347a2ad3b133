"""Regions of text: polygons of at least 4 points, clockwise, inside the image; for the shapes of every tool."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.data.checks.detection import EDGE_TOLERANCE_PX, outline_kind
from ocr_train.data.labels import Point, corner_turns, signed_area

LARGEST_COORDINATE = 1e6
_ROUND_POINTS = 16
# How far outside is not reported: editors differ in whether the last pixel is w or w - 1.
_EDGE_PX = 1.0
_NEARLY_ALL = 0.95
"""So much of what a crossing outline encloses is one part: the rest is where a hand slipped."""
_MOST_CROSSINGS = 20_000


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where a text is; `notes` says how it was changed: "clipped", "mended", "line_widened", "mask_missing"."""

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


def fit_region(
    points: Sequence[Point],
    width: int,
    height: int,
    *,
    drawn: Sequence[Point] = (),
    notes: tuple[str, ...] = (),
) -> Region:
    """The part of an outline that lies within an image of `width` x `height` pixels, as the check of labels takes it.

    Where the outline as it was `drawn` crosses itself, that it was mended is noted, however that was done. Raises
    `NoRegion` ("outside_image", "no_area") where there is none.
    """
    if not _overlaps(points, width, height):
        raise NoRegion("outside_image")
    whole = without_crossings(points)
    inside, clipped = _clip(whole, width, height)
    if thickness(inside) < 1:
        raise NoRegion("no_area")
    mended = whole != list(points) or (len(drawn) > 3 and outline_kind(drawn) == "self_intersecting")
    changes = [name for name, holds in (("mended", mended), ("clipped", clipped)) if holds]
    return Region(points=_sound(inside, width, height), notes=(*notes, *changes))


def mend_region(points: Sequence[Point], size: tuple[int, int] | None) -> Region:
    """An outline of PaddleOCR's own labels, as it is where the check of labels takes it in an image of this `size` (None
    where that is not known); else as `fit_region` makes it. Raises `NoRegion`."""
    kind = outline_kind(points)
    over = max(max(-x, x - size[0], -y, y - size[1]) for x, y in points) if size else 0.0
    if over <= EDGE_TOLERANCE_PX and kind in ("", "counter_clockwise"):
        return Region(points=tuple(points))
    ordered = read_order(list(points))
    if size:
        return fit_region(ordered, *size, drawn=points)
    whole = without_crossings(ordered)
    if outline_kind(whole):
        raise NoRegion("no_area")
    return Region(points=tuple(whole), notes=("mended",))


def without_crossings(points: Sequence[Point]) -> list[Point]:
    """An outline that crosses or touches itself as the outline of all that it encloses, clockwise; where that falls into
    several parts of some size, as the smallest rectangle around them. Any other outline stays as it is."""
    if outline_kind(points) != "self_intersecting":
        return list(points)
    part = None if _is_scribble(points) else _enclosed(points)
    mended = smallest_rectangle(points) if part is None else part
    return _begin_near(mended, points[0])


def _enclosed(points: Sequence[Point]) -> list[Point] | None:
    """The outline of what is enclosed; None where there is no part that is nearly all of it."""
    import shapely  # type: ignore[import-untyped]

    lines = shapely.unary_union(shapely.LineString([*points, points[0]]))
    faces = shapely.get_parts(shapely.polygonize([lines]))
    parts = shapely.get_parts(shapely.unary_union(faces))
    largest = max(parts, key=lambda part: part.area, default=None)
    if largest is None or largest.area < _NEARLY_ALL * sum(part.area for part in parts):
        return None
    outline = _clockwise(largest)
    return outline if len(outline) > 3 else None


def _is_scribble(points: Sequence[Point]) -> bool:
    """Whether lines run to and fro so often that their crossings may be too many to find."""
    across, down = zip(*points, strict=True)
    length = sum(math.dist(point, points[index - 1]) for index, point in enumerate(points))
    return bool(length * length > _MOST_CROSSINGS * (max(across) - min(across)) * (max(down) - min(down)))


def _sound(points: list[Point], width: int, height: int) -> tuple[Point, ...]:
    """The points as they are written, with 2 decimals. Where the rounding makes an outline touch itself, or nearly
    nothing is enclosed, the rectangle around it. Raises `NoRegion`."""
    right, bottom = width - 1.0, height - 1.0
    across, down = zip(*points, strict=True)
    tries: tuple[Callable[[], list[Point]], ...] = (
        lambda: points,
        lambda: without_crossings(_rounded(points)),
        lambda: smallest_rectangle(points),
        lambda: rectangle(min(across), min(down), max(across), max(down)),
    )
    for attempt in tries:
        outline = _rounded(_clamped(attempt(), right, bottom))
        if outline_kind(outline) in ("", "counter_clockwise"):
            return tuple(outline)
    raise NoRegion("no_area")


def _rounded(points: Iterable[Point]) -> list[Point]:
    return [(round(x, 2), round(y, 2)) for x, y in points]


def _clamped(points: Iterable[Point], right: float, bottom: float) -> list[Point]:
    return [(min(max(x, 0.0), right), min(max(y, 0.0), bottom)) for x, y in points]


def _begin_near(outline: list[Point], place: Point) -> list[Point]:
    """The outline from its corner nearest to `place`."""
    start = min(range(len(outline)), key=lambda index: math.dist(outline[index], place))
    return outline[start:] + outline[:start]


def _clockwise(polygon: Any) -> list[Point]:
    """The outline of a polygon of shapely's, without points that are given twice."""
    import shapely

    # y points down: clockwise for us is counter-clockwise for shapely.
    corners = list(shapely.geometry.polygon.orient(polygon).exterior.coords)[:-1]
    return [point for index, point in enumerate(corners) if math.dist(point, corners[index - 1]) > 0.01]


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
        points = _begin_near(cut, points[0])
    return _clamped(points, right, bottom), beyond > _EDGE_PX


def _cut(points: list[Point], right: float, bottom: float) -> list[Point]:
    """The part of a polygon within the image, clockwise; nothing where it has no area."""
    import shapely

    whole = shapely.make_valid(shapely.Polygon(points), method="structure", keep_collapsed=False)
    inside = shapely.intersection(whole, shapely.box(0, 0, right, bottom))
    parts = [_clockwise(part) for part in shapely.get_parts(inside) if part.area > 0]
    cut = [point for part in parts for point in part]
    return smallest_rectangle(cut) if len(parts) > 1 or len(cut) == 3 else cut if len(cut) > 3 else []
