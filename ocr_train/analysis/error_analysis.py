"""Where a model reads well and where it does not: by length, by class of character, by character."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ocr_train.analysis.align import Pair
from ocr_train.analysis.characters import CLASSES, class_of
from ocr_train.analysis.text_scores import TextScore


@dataclass(frozen=True, kw_only=True)
class LengthRow:
    """The texts of one `length` (characters of the truth, as compared): how many, how many right, mean edits."""

    length: int
    texts: int
    right: int
    mean_edit_distance: float

    @property
    def accuracy(self) -> float:
        """The share of right texts."""
        return self.right / self.texts


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """The characters of one class in the truth: read `right`, read as another (`wrong`), or `missed`; `added` are
    predictions of the class where the truth has nothing."""

    name: str
    right: int
    wrong: int
    missed: int
    added: int

    @property
    def characters(self) -> int:
        """How many the truth has."""
        return self.right + self.wrong + self.missed

    @property
    def accuracy(self) -> float | None:
        """The share of characters that were read right; None where the truth has none."""
        return self.right / self.characters if self.characters else None


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """`truth` was read as `prediction` so often; "" stands for nothing. `share` is of all `truth` characters, or,
    where that is "", of all characters."""

    truth: str
    prediction: str
    count: int
    share: float


def by_length(scores: Sequence[TextScore]) -> list[LengthRow]:
    """Accuracy by the truth's length, the shortest first."""
    groups: dict[int, list[TextScore]] = defaultdict(list)
    for score in scores:
        groups[len(score.truth)].append(score)
    return [
        LengthRow(
            length=length,
            texts=len(group),
            right=sum(score.right for score in group),
            mean_edit_distance=sum(score.edit_distance for score in group) / len(group),
        )
        for length, group in sorted(groups.items())
    ]


def by_class(scores: Sequence[TextScore]) -> list[ClassRow]:
    """What became of the characters of each class, in the order of `CLASSES`; classes that never occur are left
    out."""
    counts: Counter[tuple[str, str]] = Counter()
    for truth, prediction in _pairs(scores):
        counts[class_of(truth or prediction), _fate(truth, prediction)] += 1
    rows = [
        ClassRow(
            name=name,
            right=counts[name, "right"],
            wrong=counts[name, "wrong"],
            missed=counts[name, "missed"],
            added=counts[name, "added"],
        )
        for name in CLASSES
    ]
    return [row for row in rows if row.characters or row.added]


def confusions(scores: Sequence[TextScore]) -> list[Confusion]:
    """Every pair of characters that differ, the most frequent first; then by their codes."""
    pairs = Counter(_pairs(scores))
    of_truth: Counter[str] = Counter()
    for (truth, _), count in pairs.items():
        of_truth[truth] += count
    everything = sum(count for truth, count in of_truth.items() if truth)
    wrong = [(pair, count) for pair, count in pairs.items() if pair[0] != pair[1]]
    return [
        Confusion(
            truth=truth,
            prediction=prediction,
            count=count,
            share=count / (of_truth[truth] if truth else max(everything, 1)),
        )
        for (truth, prediction), count in sorted(wrong, key=lambda item: (-item[1], item[0]))
    ]


def weakest(rows: Sequence[ClassRow]) -> ClassRow | None:
    """The class with the lowest accuracy, None where all are perfect or there is none."""
    able = [row for row in rows if row.accuracy is not None and row.accuracy < 1]
    return min(able, key=lambda row: row.accuracy or 0.0, default=None)


def _pairs(scores: Sequence[TextScore]) -> list[Pair]:
    return [pair for score in scores for pair in score.pairs]


def _fate(truth: str, prediction: str) -> str:
    if not truth:
        return "added"
    if not prediction:
        return "missed"
    return "right" if truth == prediction else "wrong"
