"""LabelMe's shapes as regions of text: polygons of at least 4 points, clockwise, inside the image.

| shape type | region |
|---|---|
| polygon (also no type at all, as before LabelMe 3) | its points; of a triangle the smallest rectangle around it |
| rectangle | 2 corners in any order, or 4 points |
| oriented_rectangle | its 4 points; the edge from the first to the second is the text's top, read along it |
| circle (centre, point on the edge) | a polygon of 16 points |
| line, linestrip | the smallest rectangle around it, 10 px wider: the width in which LabelMe draws it as an area |
| mask | its outline; the smallest rectangle around it where it has several parts |
| point, points | no region |

Quadrilaterals start at their top left. Format: LabelMe 7.1, `labelme/_label_file.py` and `_utils/shape.py`.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.data.boxes import read_points
from ocr_train.data.labels import Point, corner_turns, signed_area

LINE_WIDTH_PX = 10.0

_CIRCLE_POINTS = 16
_MASK_PIXELS = 200_000_000
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


def shape_region(shape: Mapping[str, Any], width: int, height: int) -> Region:
    """The region of one LabelMe shape in an image of `width` x `height` pixels.

    Raises `NoRegion` where there is none: "point", "points", "unknown_shape_type", "bad_points",
    "too_few_points", "outside_image" or "no_area".
    """
    kind = shape.get("shape_type") or "polygon"
    if kind in ("point", "points"):
        raise NoRegion(kind)
    outline = _OUTLINES.get(kind) if isinstance(kind, str) else None
    if outline is None:
        raise NoRegion("unknown_shape_type")
    given = read_points(shape.get("points"), at_least=1)
    if given is None:
        raise NoRegion("bad_points")
    points, notes = outline(list(given), shape)
    if not _overlaps(points, width, height):
        raise NoRegion("outside_image")
    inside, clipped = _clip(points, width, height)
    if clipped:
        notes = (*notes, "clipped")
    if thickness(inside) < 1:
        raise NoRegion("no_area")
    return Region(points=tuple((round(x, 2), round(y, 2)) for x, y in inside), notes=notes)


_Outline = tuple[list[Point], tuple[str, ...]]


def _polygon(points: list[Point], _: Mapping[str, Any]) -> _Outline:
    corners = [point for index, point in enumerate(points) if point != points[index - 1]]
    if len(corners) < 3:
        raise NoRegion("too_few_points")
    return as_region(corners), ()


def _rectangle(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    if len(points) != 2:
        return _polygon(points, shape)
    (x1, y1), (x2, y2) = points
    left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    return [(left, top), (right, top), (right, bottom), (left, bottom)], ()


def _oriented_rectangle(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    if len(points) != 4:
        return _polygon(points, shape)
    # Drawn along the text's foot: the other long edge is its top.
    if signed_area(points) < 0:
        return [points[3], points[2], points[1], points[0]], ()
    return points, ()


def _circle(points: list[Point], _: Mapping[str, Any]) -> _Outline:
    if len(points) != 2:
        raise NoRegion("too_few_points" if len(points) < 2 else "bad_points")
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    angles = [2 * math.pi * index / _CIRCLE_POINTS for index in range(_CIRCLE_POINTS)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles], ()


def _line(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    # Drawn around the text and closed.
    if len(points) > 4 and points[0] == points[-1]:
        return _polygon(points, shape)
    if len(set(points)) < 2:
        raise NoRegion("too_few_points")
    return smallest_rectangle(points, widen=LINE_WIDTH_PX), ("line_widened",)


def _mask(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    """The mask is a PNG of the rectangle between two corners, both included; not 0 is inside."""
    import cv2
    import numpy as np

    if len(points) != 2:
        raise NoRegion("bad_points")
    mask = _decode_mask(shape.get("mask"))
    corners, _ = _rectangle(points, shape)
    if mask is None:
        return corners, ("mask_missing",)
    (left, top), _, (right, bottom), _ = corners
    if all(value.is_integer() for value in (left, top, right, bottom)):
        mask = mask[: int(bottom - top) + 1, : int(right - left) + 1]
    filled = np.ascontiguousarray(mask > 0, dtype=np.uint8)
    parts, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not parts:
        raise NoRegion("no_area")
    shift = (round(left), round(top))
    outline = [tuple(point[0] + shift) for point in cv2.approxPolyDP(parts[0], 1.0, closed=True)]
    if len(parts) > 1 or len(outline) < 4:
        outline = [tuple(point[0] + shift) for part in parts for point in part]
        return smallest_rectangle([(float(x), float(y)) for x, y in outline]), ()
    return as_region([(float(x), float(y)) for x, y in outline]), ()


def _decode_mask(encoded: object) -> Any:
    """The mask as a (height, width) array, None where it is not a PNG of one channel."""
    import cv2
    import numpy as np

    if not isinstance(encoded, str):
        return None
    data = decode_base64(encoded)
    size = int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or not 0 < size <= _MASK_PIXELS:
        return None
    try:
        mask = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return mask if mask is not None and mask.ndim == 2 else None


def decode_base64(text: str) -> bytes:
    """The bytes; none where it is not base64. A `data:image/...;base64,` in front is passed over."""
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text)
    except (binascii.Error, ValueError):
        return b""


_OUTLINES: Mapping[str, Callable[[list[Point], Mapping[str, Any]], _Outline]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "oriented_rectangle": _oriented_rectangle,
    "circle": _circle,
    "line": _line,
    "linestrip": _line,
    "mask": _mask,
}


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
