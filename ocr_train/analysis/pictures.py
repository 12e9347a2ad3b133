"""Validation images with what the model made of them drawn in: boxes for detection, the text for recognition."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.analysis.box_scores import ALONE, IGNORED, BoxPoints, BoxScore
from ocr_train.analysis.predictions import Reading
from ocr_train.analysis.sampling import Sample
from ocr_train.analysis.text_scores import TextScore
from ocr_train.data.checks.images import FORMATS
from ocr_train.drawing.fonts import load_label_font
from ocr_train.ocr_engine.files import open_regular

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

WIDTH_PX = 640
HEIGHT_PX = 960
HEAD_PX = 24
TRUTH_COLOUR = (0, 150, 60)
PREDICTION_COLOUR = (220, 30, 30)
IGNORED_COLOUR = (150, 150, 150)
TEXT_COLOUR = (30, 30, 30)
_CROP_WIDTH_PX = 320
_CROP_HEIGHT_PX = 64
_TEXT_PX = 22
_MARGIN_PX = 24
"""Left and right of a crop: MLflow's tables cut off the edges of what they show small."""


def open_upright(path: Path) -> Image.Image | None:
    """The image in RGB as EXIF says it stands, which is how PaddleOCR reads it; None where it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_regular(path) as file, Image.open(file, formats=FORMATS) as stored:
                return ImageOps.exif_transpose(stored).convert("RGB")
    # Pillow's readers raise nearly anything on broken files, and a missing picture must not cost the others.
    except Exception:  # noqa: BLE001 - see above
        return None


def draw_boxes(sample: Sample, answer: Reading, score: BoxScore) -> Image.Image:
    """The image, at most 640 px wide, with true boxes in green (ignored ones in grey) and predicted ones in red,
    its recall and precision above. What was missed, and what is false, is drawn thicker."""
    from PIL import Image, ImageDraw

    stored = open_upright(sample.path)
    shown = _scaled(stored, WIDTH_PX, HEIGHT_PX) if stored else Image.new("RGB", (320, 64), "white")
    scale = shown.width / stored.width if stored else 1.0
    problem = answer.error or ("" if stored else "the image cannot be read")
    head = (
        problem or f"recall {score.recall:.2f}  precision {score.precision:.2f}  green: truth, red: predicted"
    )
    font = load_label_font(14, text=head)
    width = max(shown.width, min(int(font.getlength(head)) + 8, WIDTH_PX))
    picture = Image.new("RGB", (width, shown.height + HEAD_PX), "white")
    picture.paste(shown, (0, HEAD_PX))
    pen = ImageDraw.Draw(picture)
    for box, state in zip(sample.boxes, score.truth, strict=True):
        colour = IGNORED_COLOUR if box.ignored else TRUTH_COLOUR
        _outline(pen, box.points, scale, colour, 3 if state == ALONE else 2)
    for points, state in zip(answer.boxes, score.predicted, strict=True):
        colour = IGNORED_COLOUR if state == IGNORED else PREDICTION_COLOUR
        _outline(pen, points, scale, colour, 2 if state == ALONE else 1)
    pen.text((4, 3), head, fill=PREDICTION_COLOUR if problem else TEXT_COLOUR, font=font)
    return picture


def _scaled(picture: Image.Image, width: int, height: int, *, most: float = 1.0) -> Image.Image:
    """The picture as large as it can be within `width` and `height`, enlarged `most` times at most."""
    scale = min(most, width / picture.width, height / picture.height)
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))


def _outline(
    pen: ImageDraw.ImageDraw, points: BoxPoints, scale: float, colour: tuple[int, int, int], width: int
) -> None:
    # Points far outside are brought near: drawing lines to them takes forever.
    corners = [(min(max(x * scale, -9e3), 9e3), min(max(y * scale, -9e3), 9e3) + HEAD_PX) for x, y in points]
    if corners:
        pen.line([*corners, corners[0]], fill=colour, width=width)


def draw_crop(sample: Sample) -> Image.Image:
    """The crop itself, at most 640 px wide."""
    from PIL import Image

    crop = open_upright(sample.path)
    if crop is None:
        return Image.new("RGB", (_CROP_WIDTH_PX, _CROP_HEIGHT_PX), IGNORED_COLOUR)
    return _scaled(crop, WIDTH_PX, HEIGHT_PX)


def draw_text(sample: Sample, score: TextScore, *, error: str = "") -> Image.Image:
    """The crop with two lines below: the truth, and what was read, in green where it is right and red where not."""
    from PIL import Image, ImageDraw

    room = WIDTH_PX - 2 * _MARGIN_PX
    crop = _scaled(draw_crop(sample), room, _CROP_HEIGHT_PX, most=4.0)
    lines = [f"truth: {score.truth}", f"read:  {error or score.prediction}"]
    font = load_label_font(_TEXT_PX, text="".join(sorted(set("".join(lines)))))
    wide = max(int(font.getlength(line)) for line in lines) + 8
    width = min(max(crop.width, wide, _CROP_WIDTH_PX), room)
    picture = Image.new("RGB", (width + 2 * _MARGIN_PX, crop.height + 2 * (_TEXT_PX + 10)), "white")
    picture.paste(crop, (_MARGIN_PX, 0))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        read = TRUTH_COLOUR if score.right and not error else PREDICTION_COLOUR
        place = (_MARGIN_PX, crop.height + 2 + number * (_TEXT_PX + 10))
        pen.text(place, line, fill=read if number else TEXT_COLOUR, font=font)
    return picture


def place_in_columns(pictures: Sequence[Image.Image], columns: int = 2, gap: int = 12) -> Image.Image:
    """One picture of several, row by row in `columns` on white, `gap` pixels apart; a row is as high as its highest."""
    from PIL import Image

    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    widths = [max(row[place].width for row in rows if place < len(row)) for place in range(len(rows[0]))]
    heights = [max(picture.height for picture in row) for row in rows]
    size = (sum(widths) + gap * (len(widths) + 1), sum(heights) + gap * (len(heights) + 1))
    sheet = Image.new("RGB", size, "white")
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for picture, width in zip(row, widths, strict=False):
            sheet.paste(picture, (left, top))
            left += width + gap
        top += height + gap
    return sheet


def save_png(picture: Image.Image, path: Path) -> Path:
    """Write the picture, photographs with 256 colours: a third of the bytes, and boxes stay in their colours."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    small = picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(path, "PNG")
    return path
