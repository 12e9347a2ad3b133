"""Labels that look wrong: the model is sure of something else, and not in a way in which it errs often.

A text (recognition), with g = log P(what is read) - log P(label), P(what is read), d characters that differ, and n: how often
the model mixes up these very characters in other samples:

    suspicion = g * sqrt(P / d) / (1 + n) ** 0.25          listed from 4 on

Where the probabilities of whole texts are not known (another head than CTC, classes), with the odds of the score s:

    suspicion = log(s / (1 - s)) * sqrt(d / (1 + n))       listed from 3 on

Both were chosen out of some forty ways to rank, on wrong labels that were planted (docs/labelling.md).
A box: how often the model is right where it is as sure of a box as here (listed from 0.8 on), or how much it finds of what is
labelled (from 0.9 on).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.analysis import tables
from ocr_train.analysis.box_scores import ALONE, IGNORED, MATCHED, BoxScore, touched
from ocr_train.analysis.predictions import Scored
from ocr_train.analysis.text_scores import Pair, TextScore
from ocr_train.data.character_classes import visible

LIKELY, SURE, UNLABELLED, UNSEEN = 4.0, 3.0, 0.8, 0.9
"""From which suspicion on a label is listed: by the probabilities, by the score alone, a box without a label, and a label at
which nothing is found: a detector that misses every tenth text says little of any."""
COLUMNS = ("rank", "line", "image", "label", "read", "confidence", "suspicion", "why")
_SHOWN_PAIRS = 3


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A label that looks wrong: `name` is the image as the label file has it; `label` and `read` are texts, classes or
    a box; `confidence` is the model's own in what it read."""

    name: str
    label: str
    read: str
    confidence: float
    suspicion: float
    why: str


def find_suspects(scored: Sequence[Scored]) -> list[Suspect]:
    """The labels that look wrong, the most suspect first."""
    boxes = [(one, one.score) for one in scored if isinstance(one.score, BoxScore)]
    found = _suspect_boxes(boxes) if boxes else _suspect_texts(scored)
    return sorted(found, key=lambda one: (-one.suspicion, one.name, one.label))


def suspects_sentence(suspects: Sequence[Suspect], place: str) -> str:
    """For people: how many labels look wrong, and where they are listed; nothing where none does."""
    if not suspects:
        return ""
    some = "1 label" if len(suspects) == 1 else f"{len(suspects)} labels"
    return f"{some} may be wrong: {place}."


def write_suspects(path: Path, suspects: Sequence[Suspect], lines: Mapping[str, str] | None = None) -> Path:
    """Write the table as CSV; `lines` says where the label of an image is (`val.txt:12`)."""
    places = lines or {}
    rows = [
        (
            *(rank, places.get(one.name, ""), one.name, one.label, one.read),
            *(one.confidence, one.suspicion, one.why),
        )
        for rank, one in enumerate(suspects, start=1)
    ]
    return tables.write_csv(path, COLUMNS, rows)


def _suspect_texts(scored: Sequence[Scored]) -> Iterator[Suspect]:
    differing = [
        (one, one.score)
        for one in scored
        # Another spelling of what is read is not another text.
        if isinstance(one.score, TextScore) and not one.score.right_spelled and one.score.prediction
    ]
    mixed = Counter(pair for one, score in differing for pair in _edits(one, score))
    read_elsewhere = {score.prediction: one.sample.name for one, score in differing}
    for one, score in differing:
        own = Counter(_edits(one, score))
        usual = min(mixed[pair] - own[pair] for pair in own)
        suspicion, least = _suspicion(one, own.total(), usual)
        if suspicion < least:
            continue
        label, read = one.shown_pair
        why = [f"the model reads {read!r} with confidence {one.answer.score:.2f}", _differences(own)]
        if usual:
            why.append(f"it mixes these up {usual}× in other samples, too")
        if other := read_elsewhere.get(score.truth):
            why.append(f"the label is what it reads in {other}")
        yield Suspect(
            name=one.sample.name,
            label=label,
            read=read,
            confidence=one.answer.score,
            suspicion=suspicion,
            why="; ".join(why),
        )


def _suspicion(one: Scored, edits: int, usual: int) -> tuple[float, float]:
    """The suspicion, and from which one on the label is listed."""
    answer = one.answer
    if answer.text_logp is None or answer.label_logp is None:
        sure = min(max(answer.score, 1e-4), 1 - 1e-4)
        return max(math.log(sure / (1 - sure)), 0.0) * math.sqrt(edits / (1 + usual)), SURE
    gap = answer.text_logp - answer.label_logp
    return gap * math.sqrt(math.exp(answer.text_logp) / edits) / (1 + usual) ** 0.25, LIKELY


def _edits(one: Scored, score: TextScore) -> list[Pair]:
    """The characters that differ; a class is one."""
    if one.answer.label:
        return [(score.truth, score.prediction)]
    return [pair for pair in score.pairs if pair[0] != pair[1]]


def _differences(edits: Iterable[Pair]) -> str:
    """What would have to be changed in the label, in a few words."""
    changes = [f"{_shown(written)} → {_shown(read)}" for written, read in edits]
    rest = len(changes) - _SHOWN_PAIRS
    return "label → read: " + ", ".join(changes[:_SHOWN_PAIRS]) + (f" and {rest} more" if rest > 0 else "")


def _shown(part: str) -> str:
    return visible(part) if len(part) < 2 else part


def _suspect_boxes(boxes: Sequence[tuple[Scored, BoxScore]]) -> Iterator[Suspect]:
    scores = [
        (confidence, state != ALONE)
        for one, score in boxes
        for state, confidence in zip(score.predicted, one.answer.scores, strict=False)
        if state != IGNORED
    ]
    truth = Counter(state for _, score in boxes for state in score.truth)
    for one, score in boxes:
        yield from _without_label(one, score, scores)
        yield from _not_found(one, score, truth)


def _without_label(one: Scored, score: BoxScore, scores: Sequence[tuple[float, bool]]) -> Iterator[Suspect]:
    labelled = [box.points for box in one.sample.boxes]
    for state, points, confidence in zip(score.predicted, one.answer.boxes, one.answer.scores, strict=False):
        if state != ALONE or touched(points, labelled):
            continue
        others = [right for value, right in scores if value >= confidence]
        # This box itself says nothing of how right such boxes are.
        rate = _rate(sum(others), len(others) - 1)
        if rate >= UNLABELLED:
            why = f"the model is sure of a box here and no label has one; {rate:.0%} of its boxes that are as sure are right"
            yield Suspect(
                name=one.sample.name,
                label="",
                read=_corners(points),
                confidence=confidence,
                suspicion=rate,
                why=why,
            )


def _not_found(one: Scored, score: BoxScore, truth: Counter[str]) -> Iterator[Suspect]:
    for state, box in zip(score.truth, one.sample.boxes, strict=True):
        if state != ALONE or one.answer.error or touched(box.points, one.answer.boxes):
            continue
        found, wanted = truth[MATCHED] - score.matched, truth[MATCHED] + truth[ALONE]
        rate = _rate(found, wanted - score.matched - score.missed)
        here = min(1.0, (score.matched + 1) / (score.matched + score.missed))
        if rate * here >= UNSEEN:
            text = f" ({box.transcription})" if box.transcription else ""
            yield Suspect(
                name=one.sample.name,
                label=_corners(box.points) + text,
                read="",
                confidence=0.0,
                suspicion=rate * here,
                why=f"the model sees nothing at this label, and finds {rate:.0%} of the labels elsewhere",
            )


def _rate(right: int, count: int) -> float:
    """The share that is to be expected (Laplace's rule of succession): a few boxes do not say much."""
    return (right + 1) / (count + 2)


def _corners(points: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
