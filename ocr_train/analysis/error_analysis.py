"""Where a model reads well and where it does not: by length, by class of character, by character."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ocr_train.analysis.text_scores import Pair, TextScore
from ocr_train.data.character_classes import CLASSES, class_of


class LengthRow(NamedTuple):
    """The texts of one `length` (characters of the truth, as compared): how many, how many right, mean edits."""

    length: int
    texts: int
    right: int
    accuracy: float
    mean_edit_distance: float


class ClassRow(NamedTuple):
    """The `characters` of one class in the truth: read `right`, read as another (`wrong`), or `missed`; `added` are
    predictions of the class where the truth has nothing. `accuracy` is None where the truth has none."""

    name: str
    characters: int
    right: int
    wrong: int
    missed: int
    added: int
    accuracy: float | None


class Confusion(NamedTuple):
    """`truth` was read as `prediction` so often; "" stands for nothing. `share` is of all `truth` characters, or,
    where that is "", of all characters."""

    truth: str
    prediction: str
    times: int
    share: float


def by_length(scores: Sequence[TextScore]) -> list[LengthRow]:
    """Accuracy by the truth's length, the shortest first."""
    groups: dict[int, list[TextScore]] = defaultdict(list)
    for score in scores:
        groups[len(score.truth)].append(score)
    return [
        LengthRow(
            length,
            texts=len(group),
            right=sum(score.right for score in group),
            accuracy=sum(score.right for score in group) / len(group),
            mean_edit_distance=sum(score.edit_distance for score in group) / len(group),
        )
        for length, group in sorted(groups.items())
    ]


def by_class(scores: Sequence[TextScore]) -> list[ClassRow]:
    """What became of the characters of each class, in the order of `CLASSES`; classes that never occur are left
    out."""
    fates = Counter((class_of(truth or read), _fate(truth, read)) for truth, read in _pairs(scores))
    rows = []
    for name in CLASSES:
        right, wrong, missed, added = (fates[name, fate] for fate in ("right", "wrong", "missed", "added"))
        characters = right + wrong + missed
        accuracy = right / characters if characters else None
        if characters or added:
            rows.append(ClassRow(name, characters, right, wrong, missed, added, accuracy))
    return rows


def confusions(scores: Sequence[TextScore]) -> list[Confusion]:
    """Every pair of characters that differ, the most frequent first; then by their codes."""
    pairs = Counter(_pairs(scores))
    of_truth = Counter(truth for truth, _ in _pairs(scores))
    # What is added where the truth has nothing is a share of all its characters.
    of_truth[""] = max(of_truth.total() - of_truth[""], 1)
    wrong = [(pair, count) for pair, count in pairs.items() if pair[0] != pair[1]]
    return [
        Confusion(truth, prediction, count, share=count / of_truth[truth])
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
