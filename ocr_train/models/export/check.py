"""Whether an exported model gives the answers of the checkpoint it was made from: pure, values in and out.

Detection: every box of the one has its own box of the other within a pixel, corner by corner, and none is left over.
Recognition and classification: the same text, and a score within 0.001. Nothing at all is forgiven beyond that: a
model that reads differently on one image of 32 reads differently on 3% of all.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

Box = Sequence[Sequence[float]]

MAX_CORNER_PX = 1.0
MAX_SCORE_DIFFERENCE = 1e-3
SHOWN = 5


class Answer(Protocol):
    """What a model verdict of one image; `error` says why it verdict nothing."""

    @property
    def image(self) -> Path:
        """The image."""
        ...

    @property
    def boxes(self) -> Sequence[Box]:
        """Detection: polygons in pixels of the image."""
        ...

    @property
    def text(self) -> str:
        """Recognition."""
        ...

    @property
    def label(self) -> str:
        """Classification."""
        ...

    @property
    def score(self) -> float:
        """Of the text or label."""
        ...

    @property
    def error(self) -> str:
        """Empty where there is an answer."""
        ...


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An image on which the two do not agree; `checkpoint` and `exported` are their answers in words."""

    image: str
    checkpoint: str
    exported: str


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What a comparison came to.

    `images` counts those that were compared and `answers` the boxes, texts or labels that both gave on them: 0
    answers of an untrained model agree, too, and show little. `max_corner_px` is the largest distance of two
    corners of matched boxes, `max_score_difference` that of two scores, `unread` images neither could read.
    """

    backend: str
    images: int
    answers: int
    max_corner_px: float
    max_score_difference: float
    differences: tuple[Difference, ...]
    unread: int = 0

    @property
    def agrees(self) -> bool:
        """Whether there is something compared, and no difference in it."""
        return self.images > 0 and not self.differences

    def to_json(self) -> dict[str, Any]:
        """For model.json."""
        return {**asdict(self), "differences": len(self.differences)}

    def sentence(self, task: str) -> str:
        """For people, once it agrees."""
        kind = {"det": "boxes", "rec": "texts"}.get(task, "labels")
        measured = (
            f"at most {self.max_corner_px:.2g} px apart"
            if task == "det"
            else f"scores at most {self.max_score_difference:.1g} apart"
        )
        verdict = f"{self.backend}: agrees with the checkpoint on {self.images} image(s), {self.answers} {kind}, {measured}"
        if not self.answers:
            verdict += (
                f". The model gives no {kind} on them: a model that was trained longer is a better test"
            )
        return verdict


def choose_images(images: Sequence[Path], count: int, seed: int) -> list[Path]:
    """`count` of `images`, the same for the same images and seed, in their order; all where there are fewer."""
    if len(images) <= count:
        return list(images)
    chosen = sorted(random.Random(seed).sample(range(len(images)), count))  # noqa: S311 - a choice that can be repeated, no secret
    return [images[index] for index in chosen]


def compare_answers(
    task: str, checkpoint: Sequence[Answer], exported: Sequence[Answer], backend: str
) -> Agreement:
    """Compare two models' answers on the same images in the same order.

    An image that only one of them cannot read is a difference.
    """
    differences: list[Difference] = []
    corner = score = 0.0
    answers = unread = 0
    for one, other in zip(checkpoint, exported, strict=True):
        if one.error and other.error:
            unread += 1
            continue
        found = _compare_boxes(one, other) if task == "det" else _compare_texts(one, other)
        corner, score, answers = max(corner, found[1]), max(score, found[2]), answers + found[3]
        if not found[0]:
            differences.append(_difference(task, one, other))
    return Agreement(
        backend=backend,
        images=len(checkpoint) - unread,
        answers=answers,
        max_corner_px=corner,
        max_score_difference=score,
        differences=tuple(differences),
        unread=unread,
    )


Found = tuple[bool, float, float, int]
"""Whether the two agree, the largest distance of corners and of scores, and how many answers both gave."""


def _compare_texts(one: Answer, other: Answer) -> Found:
    if one.error or other.error:
        return False, 0.0, 0.0, 0
    apart = abs(one.score - other.score)
    apart = (
        (0.0 if math.isnan(one.score) and math.isnan(other.score) else math.inf)
        if math.isnan(apart)
        else apart
    )
    same = (one.text, one.label) == (other.text, other.label) and apart <= MAX_SCORE_DIFFERENCE
    return same, 0.0, apart, int(bool(one.text or one.label) and same)


def _compare_boxes(one: Answer, other: Answer) -> Found:
    if one.error or other.error:
        return False, 0.0, 0.0, 0
    pairs = match_boxes(one.boxes, other.boxes, MAX_CORNER_PX)
    same = len(pairs) == len(one.boxes) == len(other.boxes)
    return same, max(pairs.values(), default=0.0), 0.0, len(pairs)


def match_boxes(one: Sequence[Box], other: Sequence[Box], limit: float) -> Mapping[tuple[int, int], float]:
    """Boxes paired one to one with no corner farther apart than `limit`, as many as possible, and their distances.

    A matching by augmenting paths (Kuhn's algorithm): of boxes that lie close together, the nearest pair first
    could leave another box without a partner that it might have had.
    """
    near = [
        {right: far for right, there in enumerate(other) if (far := corner_distance(box, there)) <= limit}
        for box in one
    ]
    owner: dict[int, int] = {}

    def place(left: int, tried: set[int]) -> bool:
        for right in sorted(near[left], key=near[left].__getitem__):
            if right not in tried:
                tried.add(right)
                if right not in owner or place(owner[right], tried):
                    owner[right] = left
                    return True
        return False

    for left in range(len(one)):
        place(left, set())
    return {(left, right): near[left][right] for right, left in owner.items()}


def corner_distance(one: Box, other: Box) -> float:
    """The largest distance of corresponding corners in pixels, wherever the two begin to count; infinite where
    they have different numbers of corners."""
    if len(one) != len(other) or not one:
        return math.inf
    count = len(one)
    return min(
        max(math.dist(one[index], other[(index + turn) % count]) for index in range(count))
        for turn in range(count)
    )


def describe_differences(differences: Sequence[Difference], images: int, backend: str) -> str:
    """A paragraph with the first differences, both answers each."""
    shown = "\n".join(
        f"  {one.image}\n    checkpoint: {one.checkpoint}\n    {backend}: {one.exported}"
        for one in differences[:SHOWN]
    )
    more = f"\n  ... and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    return f"the {backend} model does not give the checkpoint's answers on {len(differences)} of {images} image(s):\n{shown}{more}"


def _difference(task: str, one: Answer, other: Answer) -> Difference:
    if task == "det" and not (one.error or other.error):
        pairs = match_boxes(one.boxes, other.boxes, MAX_CORNER_PX)
        mine = [box for index, box in enumerate(one.boxes) if index not in {left for left, _ in pairs}]
        theirs = [box for index, box in enumerate(other.boxes) if index not in {right for _, right in pairs}]
        return Difference(
            image=str(one.image),
            checkpoint=_boxes_in_words(one.boxes, mine),
            exported=_boxes_in_words(other.boxes, theirs),
        )
    return Difference(image=str(one.image), checkpoint=_in_words(one), exported=_in_words(other))


def _boxes_in_words(boxes: Sequence[Box], alone: Sequence[Box]) -> str:
    shown = "; ".join(" ".join(f"({x:.1f}, {y:.1f})" for x, y in box) for box in alone[:2])
    return f"{len(boxes)} boxes" + (f", {len(alone)} without a partner, such as {shown}" if alone else "")


def _in_words(answer: Answer) -> str:
    if answer.error:
        return f"cannot read it: {answer.error}"
    if not answer.text and not answer.label and answer.boxes:
        return f"{len(answer.boxes)} boxes"
    return f"{answer.text or answer.label!r} (score {answer.score:.4f})"
