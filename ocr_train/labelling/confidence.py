"""How sure a model is of all that it read in one image, as one number, and why.

A line of text: the recogniser's own score, the mean over its characters of how probable each one was. A box alone: the
detector's score. A page: its least sure line or box, because a page is right where all of it is. Nothing found: 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_train.analysis.predictions import Reading

SURE = 0.9
"""From this confidence on an image counts as read well, in summaries."""
_TEXT_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class ImageConfidence:
    """`least` is the confidence of the image (0 to 1), `mean` that over its lines or boxes, `parts` how many there are."""

    least: float
    mean: float
    parts: int
    why: str


def confidence_of(reading: Reading, task: str) -> ImageConfidence:
    """The confidence of one image; `task` is "rec", "det" or "lines" (both together)."""
    if task == "rec":
        return _of_text(reading)
    if task == "lines":
        scores = [line.text_score if line.text else 0.0 for line in reading.lines]
        names = [f"the line {_short(line.text)}" if line.text else "a box" for line in reading.lines]
        if not all(line.text for line in reading.lines):
            unread = sum(not line.text for line in reading.lines)
            return _of_parts(scores, f"in {unread} of {len(scores)} boxes nothing was read")
    else:
        scores = list(reading.scores)
        names = [f"box {number} (from the top left)" for number in range(1, len(scores) + 1)]
    if not scores:
        return ImageConfidence(least=0.0, mean=0.0, parts=0, why="no text was found")
    worst = min(range(len(scores)), key=lambda place: scores[place])
    if len(scores) == 1:
        only = "its only box" if task == "det" else f"its only line {_short(reading.lines[0].text)}"
        return _of_parts(scores, only)
    return _of_parts(scores, f"{names[worst]} is the least sure of {len(scores)}")


def _of_text(reading: Reading) -> ImageConfidence:
    if not reading.text:
        return ImageConfidence(least=0.0, mean=0.0, parts=1, why="nothing was read")
    return ImageConfidence(
        least=reading.score, mean=reading.score, parts=1, why=f"read as {_short(reading.text)}"
    )


def _of_parts(scores: Sequence[float], why: str) -> ImageConfidence:
    return ImageConfidence(least=min(scores), mean=sum(scores) / len(scores), parts=len(scores), why=why)


def _short(text: str) -> str:
    return repr(text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}…")
