"""What the parts of a look at a model share: a validation image with its truth, and what the model answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ocr_train.data.labels import Box

BoxPoints = Sequence[Sequence[float]]


class Prediction(Protocol):
    """What a model made of one image.

    `boxes` are polygons (x, y) in pixels of the upright image with their `scores` (detection); `text` with its
    `score` (recognition); `label` (classification); `error` is what went wrong, empty where nothing did.
    """

    @property
    def boxes(self) -> Sequence[BoxPoints]:
        """The boxes found."""

    @property
    def scores(self) -> Sequence[float]:
        """How sure the model is of each box, 0 to 1."""

    @property
    def text(self) -> str:
        """The text read."""

    @property
    def score(self) -> float:
        """How sure the model is of the text or label, 0 to 1."""

    @property
    def label(self) -> str:
        """The class."""

    @property
    def error(self) -> str:
        """Why there is no answer."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One validation image: `name` as the label file writes it, `text` (or class) or `boxes` as its truth."""

    name: str
    path: Path
    text: str = ""
    boxes: tuple[Box, ...] = ()


def read_text(answer: Prediction, task: str) -> str:
    """What a recognition or classification model said; empty where it failed."""
    return answer.label if task == "cls" else answer.text
