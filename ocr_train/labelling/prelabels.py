"""Pre-labels: what a model read in an image, as labels for people to correct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ocr_train.analysis.predictions import Reading
from ocr_train.data.files.image_files import UniquePaths, safe_name
from ocr_train.data.formats.regions import NoRegion, mend_region
from ocr_train.data.labels import Box
from ocr_train.labelling.confidence import ImageConfidence, confidence_of
from ocr_train.ocr_engine.lines import reading_order

ScoredBoxes: TypeAlias = Sequence[tuple[Box, float]]
"""Boxes of a label file, each with the model's confidence in it."""


@dataclass(frozen=True, kw_only=True)
class PreLabel:
    """One image: `name` is that of its copy, `source` where it lies, `reading` what the model says of it."""

    name: str
    source: Path
    reading: Reading
    confidence: ImageConfidence


def rank_prelabels(
    readings: Iterable[Reading], names: Mapping[Path, str], task: str, *, number: bool
) -> list[PreLabel]:
    """The readings, the least sure first, each with the name of its copy; `names` are the images' paths below what was
    given. With `number` the names begin with the rank, because PPOCRLabel sorts by name."""
    ordered = map(_in_order, readings)
    judged = [(reading, confidence_of(reading, task)) for reading in ordered]
    judged.sort(key=lambda one: (bool(one[0].error), one[1].least, one[1].mean, str(one[0].image)))
    taken = names_of_copies(names)
    width = len(str(len(judged)))
    return [
        PreLabel(
            name=f"{rank:0{width}d}_{taken[reading.image]}" if number else taken[reading.image],
            source=reading.image,
            reading=reading,
            confidence=confidence,
        )
        for rank, (reading, confidence) in enumerate(judged, start=1)
    ]


def _in_order(reading: Reading) -> Reading:
    """With the boxes of a detector from the top left, as lines of text are already."""
    order = reading_order(reading.boxes) if len(reading.scores) == len(reading.boxes) else []
    if not order:
        return reading
    boxes = tuple(reading.boxes[place] for place in order)
    return replace(reading, boxes=boxes, scores=tuple(reading.scores[place] for place in order))


def names_of_copies(names: Mapping[Path, str]) -> dict[Path, str]:
    """A name for the copy of each image: PPOCRLabel shows one folder and none below it, so folders go into the name.

    Names differ without their endings, too: crops are called after the page without it.
    """
    unique = UniquePaths()
    found = {}
    for image, name in names.items():
        path = PurePosixPath(safe_name(name.replace("/", "_")))
        found[image] = unique.take(path.stem) + path.suffix
    return found


def prelabel_boxes(
    reading: Reading, task: str, size: tuple[int, int]
) -> tuple[list[tuple[Box, float]], list[str]]:
    """The boxes for a label file with the confidence of each, in whole pixels inside an image of `size` (width, height), and
    why others cannot be used. A line crop is one box around the whole of it; boxes without a text have an empty one."""
    if task == "rec":
        width, height = size
        corners = ((0, 0), (width, 0), (width, height), (0, height))
        whole = tuple((float(x), float(y)) for x, y in corners)
        return [(Box(transcription=reading.text, points=whole), reading.score)], []
    if task == "lines":
        found = [(line.text, line.box, line.text_score) for line in reading.lines]
    else:
        found = [("", *one) for one in zip(reading.boxes, reading.scores, strict=True)]
    boxes, lost = [], []
    for text, points, score in found:
        try:
            mended = mend_region(_inside(points, size), size).points
            boxes.append((Box(transcription=text, points=_inside(mended, size)), score))
        except NoRegion as exc:
            lost.append(exc.reason)
    return boxes, lost


def _inside(points: Sequence[tuple[float, float]], size: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """The points in whole pixels: a detector's boxes may reach a little over the edge."""
    width, height = size
    return tuple(
        (float(min(max(round(x), 0), width)), float(min(max(round(y), 0), height))) for x, y in points
    )
