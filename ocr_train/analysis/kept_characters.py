"""Which characters a model reads after a training that it did not read before it, and which no longer.

Both readings are of the same texts. A character counts at its place in the truth: read right before and not after, it is
lost; the other way round, it is won.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ocr_train.analysis.text_scores import TextScore
from ocr_train.data.character_classes import char_code, visible

COLUMNS = ("character", "code", "name", "times", "right_before", "right_after", "won", "lost")
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class KeptCharacter:
    """One character of the truth: how many `times` it is there, how often it was read right before and after, how many of
    its places were `won` and `lost`. Before is None where there was no reading before: then neither is known."""

    character: str
    times: int
    right_before: int | None
    right_after: int
    won: int | None
    lost: int | None

    @property
    def fallen(self) -> int:
        """By how many it is read right less often; 0 where it is not, or where that is not known."""
        return 0 if self.right_before is None else max(0, self.right_before - self.right_after)

    @property
    def row(self) -> tuple[object, ...]:
        """For the table `COLUMNS`."""
        return (
            visible(self.character),
            char_code(self.character),
            unicodedata.name(self.character, ""),
            *(self.times, self.right_before, self.right_after, self.won, self.lost),
        )


def kept_characters(
    after: Sequence[TextScore], before: Sequence[TextScore] | None = None
) -> tuple[KeptCharacter, ...]:
    """Every character of the truths, those that lost most first; `before` are scores of the same texts in the same order."""
    times: Counter[str] = Counter()
    right: dict[str, Counter[str]] = {name: Counter() for name in ("before", "after", "won", "lost")}
    for number, score in enumerate(after):
        now = _places(score)
        then = _places(before[number]) if before else [(char, False) for char, _ in now]
        for (char, is_right), (_, was_right) in zip(now, then, strict=True):
            times[char] += 1
            right["before"][char] += was_right
            right["after"][char] += is_right
            right["won"][char] += is_right and not was_right
            right["lost"][char] += was_right and not is_right
    known = before is not None
    found = [
        KeptCharacter(
            character=char,
            times=count,
            right_before=right["before"][char] if known else None,
            right_after=right["after"][char],
            won=right["won"][char] if known else None,
            lost=right["lost"][char] if known else None,
        )
        for char, count in times.items()
    ]
    return tuple(sorted(found, key=_rank))


def _places(score: TextScore) -> list[tuple[str, bool]]:
    """Each character of the truth in order, and whether it was read; what was read beside the truth has no place."""
    return [(truth, truth == read) for truth, read in score.pairs if truth]


def _rank(one: KeptCharacter) -> tuple[int, int, int, str]:
    return -one.fallen, -(one.lost or 0), one.right_after - one.times, one.character


def missing_characters(texts: Iterable[str], charset: frozenset[str]) -> dict[str, int]:
    """How often each character stands in `texts` that `charset` lacks, the most frequent first."""
    found = Counter(char for text in texts for char in text if char not in charset)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def characters_sentence(rows: Sequence[KeptCharacter]) -> str:
    """Which characters are read less often, for people: "31 characters are read less often, most lost: g (12 of 14), Q, 7";
    empty where there was no reading before."""
    if not rows or rows[0].right_before is None:
        return ""
    fallen = [one for one in rows if one.fallen]
    if not fallen:
        return "no character is read less often"
    some = [
        f"{visible(one.character)} ({one.fallen} of {one.right_before})"
        if one.fallen > 1
        else visible(one.character)
        for one in fallen[:_NAMED]
    ]
    what = "1 character is" if len(fallen) == 1 else f"{len(fallen)} characters are"
    return f"{what} read less often, most lost: {', '.join(some)}"


def score_sentence(
    metric: str, before: Mapping[str, float] | None, after: Mapping[str, float], samples: int
) -> str:
    """The main figures, for people: "acc 0.960 before training, 0.540 after it, on 100 samples"."""
    earlier = f"{before.get(metric, 0.0):.3f} before training, " if before is not None else ""
    later = "after it" if earlier else "after training"
    count = "1 sample" if samples == 1 else f"{samples} samples"
    return f"{metric} {earlier}{after.get(metric, 0.0):.3f} {later}, on {count}"
