"""Small pictures for the HTML summary: an image with its boxes drawn, as a data URI."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

from ocr_train.data.checks.images import FORMATS, path_problem
from ocr_train.data.labels import Box, Point
from ocr_train.ocr_engine.files import open_regular

LONGEST_SIDE_PX = 640
GOOD_COLOUR = (0, 150, 90)
IGNORED_COLOUR = (150, 150, 150)
PROBLEM_COLOUR = (220, 40, 40)


def draw_sample(images: Path, name: str, boxes: Sequence[Box], *, problem: bool = False) -> str | None:
    """The image `name` under `images` with its `boxes`, as a JPEG data URI of at most 640 px a side.

    It stands upright as EXIF says, like the boxes. Ignored boxes are grey; with `problem` the others are red.
    None where the image cannot be read.
    """
    from PIL import Image, ImageDraw, ImageOps

    if path_problem(name) is not None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_regular(images / name) as file, Image.open(file, formats=FORMATS) as stored:
                picture = ImageOps.exif_transpose(stored).convert("RGB")
        scale = min(1.0, LONGEST_SIDE_PX / max(picture.size))
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height))
        pen = ImageDraw.Draw(picture)
        for box in boxes:
            colour = PROBLEM_COLOUR if problem else GOOD_COLOUR
            corners = _corners(box.points, scale, picture.size)
            pen.line([*corners, *corners[:2]], fill=IGNORED_COLOUR if box.ignored else colour, width=2)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
    # Pillow's readers raise nearly anything on broken files, and a missing picture must not cost the summary.
    except Exception:  # noqa: BLE001 - see above
        return None
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _corners(points: Sequence[Point], scale: float, size: tuple[int, int]) -> list[Point]:
    """The corners in the small picture; those far outside are brought near, where no integer overflows."""
    width, height = size
    return [
        (min(max(x * scale, -width), 2.0 * width), min(max(y * scale, -height), 2.0 * height))
        for x, y in points
    ]
