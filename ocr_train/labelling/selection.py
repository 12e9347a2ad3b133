"""What to label next: the images that a model is least sure of, spread over all kinds of images.

    uncertainty = 1 - confidence (`confidence`)
    kinds       k-means on what images look like and what was read, half as many kinds as images are wanted
    next        the image with the largest uncertainty * 0.7 ** (how many of its kind are chosen already)

An image that is nearly the same as a chosen one is passed over; at most a quarter are pages on which nothing was found. Everything is the same at every call: the first centres are the
least sure image and then the one that is farthest from all before (Gonzalez, 1985), and ties are broken by path.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.labelling.thumbnails import SIDE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALIKE = 0.7
"""So much less is an image wanted for each of its kind that is chosen."""
NEAR = 2.5
"""Two images are nearly the same where their grey values differ by less on average, brightness aside (of 255)."""
EMPTY = 0.25
"""At most this share are pages on which nothing was found, as long as there are others: they may be blank."""
_NEAR_ASPECT = 0.05
_NEAR_TEXT = 0.9
_POOLED = 4
_BUCKETS = 32
_ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An image that may be chosen: what it looks like (`ImageLook`), what was read (`text`), how many boxes were found,
    `confidence` with why, how many exact `copies` of it there are beside it, and whether it is a page on which nothing was
    found (`empty`)."""

    image: Path
    grey: NDArray[np.uint8]
    aspect: float
    text: str
    boxes: int
    confidence: float
    why: str
    copies: int = 0
    empty: bool = False


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A chosen image, and of how many of its kind how many are chosen."""

    candidate: Candidate
    alike: int
    chosen_alike: int

    @property
    def reason(self) -> str:
        """Why this one, in words."""
        parts = [f"{self.candidate.why}, confidence {self.candidate.confidence:.2f}"]
        if self.alike > 1:
            chosen = f"{self.chosen_alike} are" if self.chosen_alike > 1 else "1 is"
            parts.append(f"one of {self.alike} alike, of which {chosen} chosen")
        else:
            parts.append("no other is like it")
        if self.candidate.copies:
            copies = self.candidate.copies
            parts.append(f"{copies} exact {'copy' if copies == 1 else 'copies'} of it left out")
        return "; ".join(parts)


@dataclass(frozen=True, kw_only=True)
class ImageSelection:
    """The `chosen` images, the most wanted first, and how many were passed over as `nearly_same`."""

    chosen: tuple[Selected, ...]
    nearly_same: int


def select_spread(candidates: Sequence[Candidate], count: int) -> ImageSelection:
    """Choose at most `count` of the images."""
    ranked = sorted(candidates, key=lambda one: (one.confidence, str(one.image)))
    kinds = _kinds(ranked, -(-count // 2))
    waiting = [(-(1 - one.confidence), place) for place, one in enumerate(ranked)]
    heapq.heapify(waiting)
    taken, chosen, nearly, empty = Counter[int](), list[int](), 0, list[int]()
    while (waiting or empty) and len(chosen) < count:
        if not waiting:
            place = empty.pop(0)
        else:
            wanted, place = heapq.heappop(waiting)
            now = -(1 - ranked[place].confidence) * ALIKE ** taken[kinds[place]]
            if now > wanted + 1e-12:
                # Others of its kind were chosen since.
                heapq.heappush(waiting, (now, place))
                continue
            if ranked[place].empty and sum(ranked[other].empty for other in chosen) >= count * EMPTY:
                empty.append(place)
                continue
        if any(_nearly_same(ranked[place], ranked[other]) for other in chosen):
            nearly += 1
            continue
        chosen.append(place)
        taken[kinds[place]] += 1
    sizes = Counter(kinds)
    selected = (
        Selected(candidate=ranked[place], alike=sizes[kinds[place]], chosen_alike=taken[kinds[place]])
        for place in chosen
    )
    return ImageSelection(chosen=tuple(selected), nearly_same=nearly)


def _nearly_same(one: Candidate, other: Candidate) -> bool:
    if abs(math.log(one.aspect / other.aspect)) > _NEAR_ASPECT or abs(one.boxes - other.boxes) > 1:
        return False
    first, second = one.grey.astype("float32"), other.grey.astype("float32")
    difference = abs((first - first.mean()) - (second - second.mean())).mean()
    if difference >= NEAR:
        return False
    # A compiled library: not loaded where nothing looks alike.
    from rapidfuzz.fuzz import ratio

    return ratio(one.text, other.text) >= 100 * _NEAR_TEXT


def _kinds(candidates: Sequence[Candidate], count: int) -> list[int]:
    """The kind of each, as a number."""
    import numpy as np

    if not candidates:
        return []
    points = np.stack([_features(one) for one in candidates])
    centres = points[_far_apart(points, min(count, len(points)))]
    kinds = _nearest(points, centres)
    for _ in range(_ROUNDS):
        for kind in range(len(centres)):
            inside = points[kinds == kind]
            if len(inside):
                centres[kind] = inside.mean(axis=0)
        moved = _nearest(points, centres)
        if (moved == kinds).all():
            break
        kinds = moved
    return [int(kind) for kind in kinds]


def _features(one: Candidate) -> NDArray[np.float32]:
    """What an image looks like (8 x 8 grey values, its shape) and what was read (pairs of characters), each about 1 long."""
    import numpy as np

    side = SIDE // _POOLED
    grey = one.grey.reshape(side, _POOLED, side, _POOLED).mean(axis=(1, 3)).ravel() / 255 / side * 2
    text = np.zeros(_BUCKETS)
    for start in range(max(1, len(one.text) - 1)):
        text[zlib.crc32(one.text[start : start + 2].encode("utf-8", "replace")) % _BUCKETS] += 1
    length = float(np.linalg.norm(text)) if one.text else 0.0
    shape = math.log(one.aspect) / 4
    words = text / length / 2 if length else text * 0
    return np.asarray(np.concatenate([grey, words, [shape]]), dtype=np.float32)


def _far_apart(points: NDArray[np.float32], count: int) -> list[int]:
    """The first point, and again and again the one that is farthest from those before."""
    import numpy as np

    found = [0]
    apart = ((points - points[0]) ** 2).sum(axis=1)
    while len(found) < count:
        found.append(int(apart.argmax()))
        apart = np.minimum(apart, ((points - points[found[-1]]) ** 2).sum(axis=1))
    return found


def _nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    import numpy as np

    apart = (centres**2).sum(axis=1) - 2 * points @ centres.T
    return np.asarray(apart.argmin(axis=1), dtype=np.int64)
