"""LabelMe's shapes as regions of text: polygons of at least 4 points, clockwise, inside the image.

| shape type | region |
|---|---|
| polygon (also no type at all, as before LabelMe 3) | its points; of a triangle the smallest rectangle around it |
| rectangle | 2 corners in any order, or 4 points |
| oriented_rectangle | its 4 points; the edge from the first to the second is the text's top, read along it |
| rotation (X-AnyLabeling) | its 4 points; the text's top is the edge that runs in `direction` (radians clockwise) |
| quadrilateral (X-AnyLabeling) | its 4 points |
| circle (centre, point on the edge) | a polygon of 16 points |
| line, linestrip | the smallest rectangle around it, 10 px wider: the width in which LabelMe draws it as an area |
| mask | its outline; the smallest rectangle around it where it has several parts |
| point, points | no region |
| any other, with 3 points or more | a polygon of its points, and a note names the type |

Quadrilaterals start at their top left. Format: LabelMe 7.1, `labelme/_label_file.py` and `_utils/shape.py`; X-AnyLabeling 4.0,
`anylabeling/views/labeling/shape.py`.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any

from ocr_train.data.boxes import read_points
from ocr_train.data.formats.masks import MOST_PIXELS, outline_of_mask
from ocr_train.data.formats.regions import (
    NoRegion,
    Region,
    as_region,
    ellipse,
    finite,
    fit_region,
    read_order,
    rectangle,
    smallest_rectangle,
)
from ocr_train.data.labels import Point, signed_area

LINE_WIDTH_PX = 10.0


def shape_region(shape: Mapping[str, Any], width: int, height: int) -> Region:
    """The region of one LabelMe shape in an image of `width` x `height` pixels.

    Raises `NoRegion` where there is none: "point", "points", "unknown_shape_type", "bad_points",
    "too_few_points", "outside_image" or "no_area".
    """
    kind = shape.get("shape_type") or "polygon"
    if kind in ("point", "points"):
        raise NoRegion(kind)
    if has_unknown_type(shape):
        points, notes = _unknown(shape)
        return fit_region(points, width, height, drawn=points, notes=notes)
    outline = _OUTLINES[kind]
    given = read_points(shape.get("points"), at_least=1)
    if given is None:
        raise NoRegion("bad_points")
    points, notes = outline(list(given), shape)
    drawn = given if kind in _OF_CORNERS else ()
    return fit_region(points, width, height, drawn=drawn, notes=notes)


def has_unknown_type(shape: Mapping[str, Any]) -> bool:
    """Whether a shape has a type that is not in the table above."""
    kind = shape.get("shape_type") or "polygon"
    return not isinstance(kind, str) or (kind not in _OUTLINES and kind not in ("point", "points"))


_Outline = tuple[list[Point], tuple[str, ...]]


def _unknown(shape: Mapping[str, Any]) -> _Outline:
    """The points that can be used of a shape of another tool's."""
    points = shape.get("points")
    usable = [read_points([point], at_least=1) for point in (points if isinstance(points, list) else ())]
    given = [pair[0] for pair in usable if pair]
    if len(set(given)) < 3:
        raise NoRegion("unknown_shape_type")
    return _polygon(given, shape)[0], ("unknown_shape",)


def _polygon(points: list[Point], _: Mapping[str, Any]) -> _Outline:
    corners = [point for index, point in enumerate(points) if point != points[index - 1]]
    if len(corners) < 3:
        raise NoRegion("too_few_points")
    return as_region(corners), ()


def _rectangle(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    if len(points) != 2:
        return _polygon(points, shape)
    return rectangle(*points[0], *points[1]), ()


def _oriented_rectangle(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    if len(points) != 4:
        return _polygon(points, shape)
    # Drawn along the text's foot: the other long edge is its top.
    if signed_area(points) < 0:
        return [points[3], points[2], points[1], points[0]], ()
    return points, ()


def _rotation(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    """Four points, whose first is where the drawing began: only `direction` says where the text does."""
    angle = finite(shape.get("direction"))
    if len(points) != 4 or angle is None:
        return _polygon(points, shape)
    outline = read_order(points)
    ends = zip(outline, [*outline[1:], outline[0]], strict=True)
    along = [(x - x0) * math.cos(angle) + (y - y0) * math.sin(angle) for (x0, y0), (x, y) in ends]
    sides = [math.dist(point, outline[(index + 1) % 4]) or 1.0 for index, point in enumerate(outline)]
    start = max(range(4), key=lambda index: along[index] / sides[index])
    return outline[start:] + outline[:start], ()


def _circle(points: list[Point], _: Mapping[str, Any]) -> _Outline:
    if len(points) != 2:
        raise NoRegion("too_few_points" if len(points) < 2 else "bad_points")
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    return ellipse(x, y, radius, radius), ()


def _line(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    # Drawn around the text and closed.
    if len(points) > 4 and points[0] == points[-1]:
        return _polygon(points, shape)
    if len(set(points)) < 2:
        raise NoRegion("too_few_points")
    return smallest_rectangle(points, widen=LINE_WIDTH_PX), ("line_widened",)


def _mask(points: list[Point], shape: Mapping[str, Any]) -> _Outline:
    """The mask is a PNG of the rectangle between two corners, both included; not 0 is inside."""
    if len(points) != 2:
        raise NoRegion("bad_points")
    mask = _decode_mask(shape.get("mask"))
    corners, _ = _rectangle(points, shape)
    if mask is None:
        return corners, ("mask_missing",)
    (left, top), _, (right, bottom), _ = corners
    if all(value.is_integer() for value in (left, top, right, bottom)):
        mask = mask[: int(bottom - top) + 1, : int(right - left) + 1]
    outline = outline_of_mask(mask, left, top)
    if outline is None:
        raise NoRegion("no_area")
    return outline, ()


def _decode_mask(encoded: object) -> Any:
    """The mask as a (height, width) array, None where it is not a PNG of one channel."""
    import cv2
    import numpy as np

    if not isinstance(encoded, str):
        return None
    data = decode_base64(encoded)
    size = int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or not 0 < size <= MOST_PIXELS:
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


_OF_CORNERS = frozenset({"polygon", "rectangle", "oriented_rectangle", "rotation", "quadrilateral"})
_OUTLINES: Mapping[str, Callable[[list[Point], Mapping[str, Any]], _Outline]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "oriented_rectangle": _oriented_rectangle,
    "rotation": _rotation,
    "quadrilateral": _polygon,
    "circle": _circle,
    "line": _line,
    "linestrip": _line,
    "mask": _mask,
}
