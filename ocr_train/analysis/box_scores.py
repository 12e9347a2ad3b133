"""How well boxes were found, counted as PaddleOCR's evaluation counts.

Source of the rules: PaddleOCR `ppocr/metrics/eval_det_iou.py` (after DB and ICDAR 2015), as of 2.10: a prediction
fits a true box when their intersection over union is above 0.5; true boxes take the first prediction that fits, in
the label's order; true boxes marked `###` or `*` count for nothing, nor do predictions that lie in one by more than
half of their own area; polygons that cross themselves are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.data.labels import Box

BoxPoints = Sequence[Sequence[float]]
"""The corners of a box, x and y in pixels."""
IOU = 0.5
"""Above this a prediction fits a true box."""
INSIDE = 0.5
"""A prediction with more than this share of its area in an ignored box is ignored."""
TOUCHED = 0.1
"""From this share of a box's area on, another one is about the same text."""
MATCHED, ALONE, IGNORED = "matched", "alone", "ignored"


@dataclass(frozen=True, kw_only=True)
class BoxScore:
    """One image: for each true and each predicted box whether it is "matched", "alone" (missed, or false) or
    "ignored"."""

    truth: tuple[str, ...]
    predicted: tuple[str, ...]

    @property
    def matched(self) -> int:
        """Pairs of a true box and a prediction."""
        return self.truth.count(MATCHED)

    @property
    def missed(self) -> int:
        """True boxes without a prediction."""
        return self.truth.count(ALONE)

    @property
    def false(self) -> int:
        """Predictions without a true box."""
        return self.predicted.count(ALONE)

    @property
    def recall(self) -> float:
        """The share of the true boxes that were found; 1 where there is nothing to find."""
        wanted = self.matched + self.missed
        return self.matched / wanted if wanted else 1.0

    @property
    def precision(self) -> float:
        """The share of the predictions that are true; without any: 1 where there was nothing to find, else 0."""
        found = self.matched + self.false
        if found:
            return self.matched / found
        return 0.0 if self.missed else 1.0

    @property
    def hmean(self) -> float:
        """The harmonic mean of both."""
        return harmonic_mean(self.recall, self.precision)


def harmonic_mean(first: float, second: float) -> float:
    """2ab / (a + b), 0 where both are."""
    return 2 * first * second / (first + second) if first + second else 0.0


def box_totals(scores: Sequence[BoxScore]) -> dict[str, float]:
    """`recall`, `precision` and `hmean` over the boxes of all images together, as PaddleOCR's `combine_results`."""
    if not scores:
        return {}
    matched = sum(score.matched for score in scores)
    wanted = matched + sum(score.missed for score in scores)
    found = matched + sum(score.false for score in scores)
    recall = matched / wanted if wanted else 0.0
    precision = matched / found if found else 0.0
    return {"recall": recall, "precision": precision, "hmean": harmonic_mean(recall, precision)}


def score_boxes(truth: Sequence[Box], predicted: Sequence[BoxPoints]) -> BoxScore:
    """Match the boxes of one image; both in pixels of the same picture."""
    true = [_polygon(box.points) for box in truth]
    found = [_polygon(points) for points in predicted]
    ignoring = [
        polygon for polygon, box in zip(true, truth, strict=True) if box.ignored and polygon is not None
    ]
    states = [
        ALONE if polygon is not None and not box.ignored else IGNORED
        for polygon, box in zip(true, truth, strict=True)
    ]
    others = [
        IGNORED if polygon is None or any(_inside(polygon, box) > INSIDE for box in ignoring) else ALONE
        for polygon in found
    ]
    for i, one in enumerate(true):
        for j, other in enumerate(found):
            if states[i] == ALONE and others[j] == ALONE and _overlap(one, other) > IOU:
                states[i] = others[j] = MATCHED
    return BoxScore(truth=tuple(states), predicted=tuple(others))


def touched(points: BoxPoints, others: Sequence[BoxPoints]) -> bool:
    """Whether one of `others` covers a tenth of the box or more; true, too, for what is not an outline."""
    polygon = _polygon(points)
    if polygon is None:
        return True
    found = (_polygon(other) for other in others)
    return any(_inside(polygon, other) >= TOUCHED for other in found if other is not None)


def _polygon(points: BoxPoints) -> Any:
    """The polygon, None where it is none that has an area."""
    from shapely.geometry import Polygon  # type: ignore[import-untyped]

    corners = [(float(x), float(y)) for x, y in points]
    if not all(math.isfinite(value) for corner in corners for value in corner):
        return None
    try:
        polygon = Polygon(corners)
    except ValueError:
        # Fewer than three points.
        return None
    return polygon if polygon.is_valid else None


def _overlap(one: Any, other: Any) -> float:
    """Intersection over union."""
    if not one.intersects(other):
        return 0.0
    shared = float(one.intersection(other).area)
    union = float(one.area) + float(other.area) - shared
    return shared / union if union else 0.0


def _inside(polygon: Any, box: Any) -> float:
    """The share of the polygon's area that lies in `box`."""
    area = float(polygon.area)
    return float(polygon.intersection(box).area) / area if area else 0.0
