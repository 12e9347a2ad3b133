"""Detection and recognition together: a page in, its lines of text out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Engine

TALL = 1.5
"""A crop so many times as high as wide is turned left by 90 degrees before it is read, as in PaddleOCR's
tools/infer/utility.py, `get_rotate_crop_image`."""

SAME_ROW = 0.5
"""Boxes stand in one row where their centres are closer than this share of the smaller height."""


class Reader:
    """Finds the text boxes of a page with `det` and reads each with `rec`."""

    def __init__(self, det: Engine, rec: Engine) -> None:
        if (det.task, rec.task) != ("det", "rec"):
            raise EngineError(
                f"a detection and a recognition model are needed, these are a {det.task} and a {rec.task} model"
            )
        self._det = det
        self._rec = rec
        self.batch_size = det.batch_size
        self.ignore_orientation = det.ignore_orientation

    def read(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """One answer for each of `images`, BGR uint8 of shape (height, width, 3), in their order.

        `{"lines": [{"box": [[x, y]] * 4, "score", "text", "text_score"}, ...]}`, top to bottom and left to right;
        boxes begin at the text's top left and go clockwise. `{"error": why}` where the page cannot be read; a
        line that cannot be read has the text "", the text_score 0 and an `error`.
        """
        pages = self._det.read(images)
        crops: list[Any] = []
        places: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        for number, page in enumerate(pages):
            if "error" in page:
                answers.append({"error": page["error"]})
                continue
            lines = []
            for place in reading_order(page["boxes"]):
                corners = four_corners(page["boxes"][place])
                line = {"box": corners, "score": page["scores"][place], "text": "", "text_score": 0.0}
                lines.append(line)
                crop = cut_line(images[number], corners)
                if crop is None:
                    line["error"] = "the box is smaller than a pixel"
                else:
                    crops.append(crop)
                    places.append(line)
            answers.append({"lines": lines})
        for number, found in enumerate(self._rec.read(crops)):
            if "error" in found:
                places[number]["error"] = found["error"]
            else:
                places[number].update(text=found["text"], text_score=found["score"])
        return answers


def reading_order(boxes: Sequence[Any]) -> list[int]:
    """The numbers of `boxes`, row by row from the top, each row from the left."""
    spans = []
    for number, box in enumerate(boxes):
        across, down = [point[0] for point in box], [point[1] for point in box]
        spans.append((min(down), max(down), min(across), number))
    spans.sort(key=lambda span: span[0] + span[1])
    rows: list[list[Any]] = []
    for span in spans:
        if rows and _same_row(rows[-1][-1], span):
            rows[-1].append(span)
        else:
            rows.append([span])
    return [span[3] for row in rows for span in sorted(row, key=lambda span: span[2])]


def _same_row(one: Any, other: Any) -> bool:
    apart = abs((one[0] + one[1]) - (other[0] + other[1])) / 2
    return bool(apart < SAME_ROW * min(one[1] - one[0], other[1] - other[0]))


def four_corners(box: Any) -> list[list[float]]:
    """A quadrilateral as it is; around more points the smallest rectangle, its left corners first."""
    if len(box) == 4:
        return [[float(x), float(y)] for x, y in box]
    import cv2
    import numpy as np

    corners = sorted(
        [float(x), float(y)] for x, y in cv2.boxPoints(cv2.minAreaRect(np.array(box, dtype=np.float32)))
    )
    left = sorted(corners[:2], key=lambda point: point[1])
    right = sorted(corners[2:], key=lambda point: point[1])
    return [left[0], right[0], right[1], left[1]]


def cut_line(image: Any, corners: Any) -> Any:
    """The quadrilateral `corners` (clockwise from the top left, pixels) of `image`, upright; None where it is
    smaller than a pixel. The figures are those of PaddleOCR's `get_rotate_crop_image`."""
    import cv2
    import numpy as np

    width, height = _size(corners)
    if width < 1 or height < 1:
        return None
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    mapping = cv2.getPerspectiveTransform(np.array(corners, dtype=np.float32), target)
    upright = cv2.warpPerspective(
        image, mapping, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(np.rot90(upright)) if is_tall(corners) else upright


def is_tall(corners: Any) -> bool:
    """Whether `cut_line` turns what it cuts out there."""
    width, height = _size(corners)
    return height >= TALL * width


def _size(corners: Any) -> tuple[int, int]:
    sides = [math.dist(corners[place], corners[(place + 1) % 4]) for place in range(4)]
    return int(max(sides[0], sides[2])), int(max(sides[1], sides[3]))
