"""How well texts were read, counted as PaddleOCR's evaluation counts.

Source of the rules: PaddleOCR `ppocr/metrics/rec_metric.py`, `RecMetric`, as of 2.10: blanks (U+0020) are taken
out of truth and prediction unless `ignore_space` is false, `is_filter` keeps ASCII letters in lower case and
digits, and nothing else is done to the characters: no Unicode normalization, so that the same Thai syllable typed
in another order of marks is another text.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ocr_train.data.spelling import THAI, spelled

Pair = tuple[str, str]
"""A character of the truth and what stands for it in the prediction; "" where there is nothing."""

ERROR_RATES = ("cer", "cer_clusters", "acc_spelled")
"""What `error_rates` says, which PaddleOCR's evaluation does not."""
_PLAIN = frozenset(string.digits + string.ascii_letters)


@dataclass(frozen=True, kw_only=True)
class TextRules:
    """What is done to two texts before they are compared."""

    ignore_space: bool = True
    only_ascii: bool = False

    def apply(self, text: str) -> str:
        """The text as it is compared."""
        if self.ignore_space:
            text = text.replace(" ", "")
        if self.only_ascii:
            text = "".join(char for char in text if char in _PLAIN).lower()
        return text

    def __str__(self) -> str:
        rules = ["blanks are left out" if self.ignore_space else "blanks count"]
        if self.only_ascii:
            rules.append("only ASCII letters, in lower case, and digits count")
        return "compared as PaddleOCR's evaluation does: " + ", ".join([*rules, "no Unicode normalization"])


def text_rules(config: Mapping[str, Any], task: str) -> TextRules:
    """The rules that the section `Metric` of a PaddleOCR configuration asks for; classes are compared as they are."""
    metric = config.get("Metric")
    values = metric if isinstance(metric, Mapping) else {}
    if task != "rec" or values.get("name") == "CNTMetric":
        return TextRules(ignore_space=False)
    return TextRules(
        ignore_space=bool(values.get("ignore_space", True)), only_ascii=bool(values.get("is_filter", False))
    )


@dataclass(frozen=True, kw_only=True)
class TextScore:
    """One text: `truth` and `prediction` as they were compared, and character by character in `pairs`."""

    truth: str
    prediction: str
    pairs: tuple[Pair, ...]

    @property
    def right(self) -> bool:
        """Whether the texts are equal."""
        return self.truth == self.prediction

    @property
    def right_spelled(self) -> bool:
        """Whether they are equal in the one spelling of `ocr_train.data.spelling`."""
        return self.right or spelled(self.truth, THAI) == spelled(self.prediction, THAI)

    @property
    def edit_distance(self) -> int:
        """How many characters must be replaced, left out or added."""
        return sum(first != second for first, second in self.pairs)

    @property
    def similarity(self) -> float:
        """1 minus the edit distance over the longer text's length; 1 for two empty texts."""
        longest = max(len(self.truth), len(self.prediction))
        return 1 - self.edit_distance / longest if longest else 1.0


def score_text(truth: str, prediction: str, rules: TextRules) -> TextScore:
    """Compare two texts."""
    first, second = rules.apply(truth), rules.apply(prediction)
    return TextScore(truth=first, prediction=second, pairs=tuple(align(first, second)))


def align(truth: str, prediction: str) -> list[Pair]:
    """The pairs of one alignment with the fewest edits (Levenshtein, 1966), the same at every call.

    Characters are Unicode code points, which is what a dictionary lists and a model puts out: a Thai tone mark is
    one of its own.
    """
    # A compiled library: not loaded by commands that score nothing.
    from rapidfuzz.distance import Levenshtein

    pairs: list[Pair] = []
    for edit in Levenshtein.opcodes(truth, prediction):
        expected = truth[edit.src_start : edit.src_end]
        read = prediction[edit.dest_start : edit.dest_end]
        pairs += zip_longest(expected, read, fillvalue="")
    return pairs


def text_totals(scores: Sequence[TextScore]) -> dict[str, float]:
    """`acc` and `norm_edit_dis` over all texts, 0 to 1; nothing where there are none.

    PaddleOCR divides by the count plus 0.00001; we divide by the count.
    """
    if not scores:
        return {}
    return {
        "acc": sum(score.right for score in scores) / len(scores),
        "norm_edit_dis": sum(score.similarity for score in scores) / len(scores),
    }


def error_rates(scores: Sequence[TextScore]) -> dict[str, float]:
    """What PaddleOCR's evaluation does not say; nothing where there are no texts.

    `cer`: edits over the characters of all truths, by code point; it may be above 1. `cer_clusters`: the same by grapheme
    cluster (Unicode Standard Annex 29), which is what a reader takes for one character: a Thai consonant with its marks.
    `acc_spelled`: the share of texts that are right when truth and prediction are in one spelling, so that two orders
    of the same marks are no error.
    """
    if not scores:
        return {}
    clusters = [(clusters_of(score.truth), clusters_of(score.prediction)) for score in scores]
    return {
        "cer": _rate(sum(score.edit_distance for score in scores), sum(len(score.truth) for score in scores)),
        "cer_clusters": _rate(
            sum(_distance(truth, read) for truth, read in clusters), sum(len(truth) for truth, _ in clusters)
        ),
        "acc_spelled": sum(score.right_spelled for score in scores) / len(scores),
    }


def clusters_of(text: str) -> list[str]:
    """The grapheme clusters of `text`, in order."""
    # It brings Unicode's tables along: not loaded by commands that score nothing.
    from wcwidth import iter_graphemes

    return list(iter_graphemes(text))


def _distance(truth: Sequence[str], prediction: Sequence[str]) -> int:
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(truth, prediction))


def _rate(edits: int, length: int) -> float:
    return edits / length if length else float(edits > 0)
