"""Where the texts of a folder's boxes are: in the field that tools call the label, which for others is a class, or in another.

It is decided over all boxes of a folder, since a page with one box tells nothing. A label is a class where a few values stand
over many boxes, general words such as "text" above all; then another field that holds texts is taken. Where none does, there
are no texts: nobody wants a model that reads "text" everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.data.checks.problems import Problem
from ocr_train.data.difficult import AUTO, IGNORE, IGNORED, hint_of_difficult, text_of_difficult
from ocr_train.data.formats.conversion import conversion_problem, one_line
from ocr_train.data.formats.texts import TEXT_KEYS, class_text, may_be_text
from ocr_train.data.labels import IGNORED_TRANSCRIPTIONS, Box, Point, shorten

LABEL, DESCRIPTION = "label", "description"
_GROUPS = ("attributes", "flags")
_FEW = 5
"""So many values over many boxes are classes."""


@dataclass(frozen=True, kw_only=True)
class TextChoice:
    """The `field` that texts are taken from, empty where none has any; `note` is its kind, value and hint, where a person
    should know of it."""

    field: str
    note: tuple[str, str, str] | None = None

    def text(self, fields: Mapping[str, str]) -> str:
        """The text of a box; one whose label says that nobody should read it is ignored."""
        found = fields.get(self.field, "")
        label = fields.get(LABEL, "")
        if not found and (label in IGNORED_TRANSCRIPTIONS or class_text(label) == IGNORED):
            return IGNORED
        return found

    def problems(self, folder: Path) -> list[Problem]:
        """The note, of the folder."""
        return [] if self.note is None else [conversion_problem(folder, *self.note)]


def text_fields(shape: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a shape that may hold its text, those that are empty left out: `label`, `description`, known names
    such as `text`, and what is text among its `attributes` and `flags`."""
    named = {name: value for name, value in shape.items() if name in (LABEL, DESCRIPTION, *TEXT_KEYS)}
    for group in _GROUPS:
        inside = shape.get(group)
        for name, value in inside.items() if isinstance(inside, dict) else ():
            named[f"{group}.{str(name).strip().lower()}"] = value
    found = ((name, one_line(value)) for name, value in named.items() if isinstance(value, str))
    return {name: text for name, text in found if text}


def choose_text_field(boxes: Sequence[Mapping[str, str]], text_from: str = AUTO) -> TextChoice:
    """Where the texts of `boxes` are, of which each is its fields that are not empty. `text_from` is "label", or
    "description" for that field or, where no box has one, the tool's other field for texts; "auto" decides."""
    if text_from == LABEL:
        return TextChoice(field=LABEL)
    values: dict[str, Counter[str]] = {}
    for fields in boxes:
        for name, text in fields.items():
            values.setdefault(name, Counter())[text] += 1
    labels = values.pop(LABEL, Counter())
    if text_from == DESCRIPTION:
        return TextChoice(
            field=DESCRIPTION if DESCRIPTION in values else _fullest(values, labels) or DESCRIPTION
        )
    other = _fullest(values, labels)
    if other and (not labels or _stands_for_more(values[other], labels)):
        return _other_field(other, values[other], labels, len(boxes))
    if labels and are_classes(labels):
        return TextChoice(field="", note=class_note(labels))
    if other in _KNOWN and 2 * values[other].total() >= labels.total():
        return TextChoice(field=LABEL, note=_both_fields(other, values[other], labels))
    return TextChoice(field=LABEL)


def are_classes(labels: Counter[str], *, beside_texts: bool = False) -> bool:
    """Whether labels, with how many boxes each stands over, are names of classes; where other boxes have texts,
    `beside_texts`, a few that repeat are enough."""
    boxes, values = labels.total(), len(labels)
    if _general(labels) * 2 > boxes:
        return True
    if values > _FEW:
        return False
    if beside_texts:
        return boxes > values
    return boxes >= max(10, 4 * values)


def class_note(labels: Counter[str]) -> tuple[str, str, str]:
    """That names of classes are no texts: kind, value, hint."""
    hint = (
        "these are names of classes, and no field has a text: fine for detection. For recognition type the texts into "
        f"the tool's field for them (LabelMe: description); {_take_labels(labels)}"
    )
    return "class_names", _show(labels), hint


def _take_labels(labels: Counter[str]) -> str:
    """How to take the labels all the same: recognition refuses general words over many crops, unless told."""
    more = ", and in recognition placeholders=keep for general words" if _general(labels) else ""
    return f"to take them all the same: --text-from label (-P text_from=label){more}"


def _general(labels: Counter[str]) -> int:
    """Over how many boxes a general word stands, or one that says not to read it."""
    return sum(count for label, count in labels.items() if class_text(label) in ("", IGNORED))


def _fullest(values: Mapping[str, Counter[str]], labels: Counter[str]) -> str:
    """Of the fields that are there for texts the one that most boxes have; else another one whose values are as
    different as texts are; none where no field is."""
    known = {name: count for name, count in values.items() if name.rpartition(".")[2].lower() in _KNOWN}
    others = {
        name: count
        for name, count in values.items()
        if name not in known
        and may_be_text(name)
        and len(count) > max(_FEW, len(labels))
        and 2 * len(count) > count.total()
    }
    for group in (known, others):
        if group:
            return max(group, key=lambda name: group[name].total())
    return ""


_KNOWN = frozenset({DESCRIPTION, *TEXT_KEYS})


def _stands_for_more(texts: Counter[str], labels: Counter[str]) -> bool:
    """Whether `texts` are the texts and `labels` the classes, of two fields that both have something."""
    boxes, classes = labels.total(), len(labels)
    if _general(labels) * 2 > boxes:
        return True
    if boxes == classes:
        return False
    if classes <= _FEW:
        return len(texts) > classes or (classes == 1 and 2 * texts.total() >= boxes)
    # Classes of a form (name, address, total, ...), each on every page.
    return boxes >= 3 * classes and len(texts) >= 2 * classes and 5 * texts.total() >= 4 * boxes


def _other_field(name: str, texts: Counter[str], labels: Counter[str], boxes: int) -> TextChoice:
    value = f"{name}: {texts.total()} of {boxes} boxes have a text there"
    hint = (
        f"taken for the texts; the labels are names of classes ({_show(labels)}); {_take_labels(labels)}"
        if labels
        else "taken for the texts, as there are no labels"
    )
    return TextChoice(field=name, note=("text_field", value, hint))


def _both_fields(name: str, texts: Counter[str], labels: Counter[str]) -> tuple[str, str, str]:
    value = f"label: {labels.total()} boxes have a text there, {texts.total()} have one in {name}"
    hint = (
        "the labels were taken, as they are not a few names of classes; to take the other field: --text-from description "
        "(-P text_from=description)"
    )
    return "text_field", value, hint


def _show(labels: Counter[str]) -> str:
    """`6 boxes: 'text'`, the most frequent first."""
    first = ", ".join(repr(shorten(label, 30)) for label, _ in labels.most_common(_FEW))
    more = f", ... {len(labels)} in all" if len(labels) > _FEW else ""
    return f"{labels.total()} boxes: {first}{more}"


@dataclass(frozen=True, kw_only=True)
class DrawnBox:
    """A box in its image, before it is known what its text is: the tool's `text` (None where it has none for it) and the
    `label` of its class, and `others`, fields of any other name. Equal are boxes in one place that say the same, wherever they were found."""

    points: tuple[Point, ...]
    text: str | None
    label: str
    difficult: bool
    others: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    file: Path = field(compare=False)
    line: int = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class BoxTexts:
    """What becomes of the texts of a folder's boxes: where they are from, whether labels are `classes`, the `field` of
    any other name that has the texts, with a `note` about it, and what is said of kinds of notes that depend on all this: a
    value, empty for how many there are, and a hint."""

    text_from: str
    difficult: str
    classes: bool
    said: Mapping[str, tuple[str, str]]
    field: str = ""
    note: tuple[str, str, str] | None = None

    def box(self, drawn: DrawnBox) -> Box:
        """The box with its transcription."""
        text = self._text(drawn)
        if _is_hard(drawn, text):
            text = text_of_difficult(text, self.difficult, usual=IGNORE)
        return Box(transcription=text, points=drawn.points)

    def notes(self, drawn: DrawnBox) -> list[str]:
        """The kinds of notes about a box."""
        text = self._text(drawn)
        kinds = ["difficult"] if _is_hard(drawn, text) else []
        if text and drawn.text is None and text != IGNORED and not self.field:
            kinds.append("class_as_text")
        if not text:
            general = class_text(drawn.label) == ""
            kinds.append("no_text" if general or self.field or not self.classes else "class_names")
        return kinds

    def problems(self, folder: Path) -> list[Problem]:
        """What is to be said of the whole folder."""
        return [] if self.note is None else [conversion_problem(folder, *self.note)]

    def _text(self, drawn: DrawnBox) -> str:
        if self.text_from == LABEL:
            return drawn.label
        if self.field and drawn.text is None:
            return one_line(dict(drawn.others).get(self.field, "")) or self._of_class(drawn)
        if drawn.text is not None or self.text_from == DESCRIPTION:
            return drawn.text or ""
        return self._of_class(drawn)

    def _of_class(self, drawn: DrawnBox) -> str:
        text = class_text(drawn.label)
        return text if text == IGNORED or not (self.classes or self.field) else ""


def _is_hard(drawn: DrawnBox, text: str) -> bool:
    return drawn.difficult and text not in IGNORED_TRANSCRIPTIONS


def choose_texts(drawn: Sequence[DrawnBox], *, text_from: str, difficult: str) -> BoxTexts:
    """Decide over the boxes of a folder of a tool that has a field for texts, or classes alone, or both."""
    labels = Counter(box.label for box in drawn if box.label and box.text is None)
    texts = any(box.text for box in drawn)
    classes = bool(labels) and are_classes(labels, beside_texts=texts)
    name, note = "", None
    if text_from != LABEL and not texts:
        name, note = _field_of_any_name(drawn, labels)
    said = {
        "difficult": ("", hint_of_difficult(difficult, usual=IGNORE)),
        "class_names": class_note(labels)[1:],
    }
    return BoxTexts(
        text_from=text_from, difficult=difficult, classes=classes, said=said, field=name, note=note
    )


def _field_of_any_name(
    drawn: Sequence[DrawnBox], labels: Counter[str]
) -> tuple[str, tuple[str, str, str] | None]:
    """The field whose values are as different as texts are, where the labels are classes; none where there is none."""
    values: dict[str, Counter[str]] = {}
    for box in drawn:
        for name, text in box.others:
            values.setdefault(name, Counter())[text] += 1
    found = _fullest(values, labels)
    if not found or (labels and not _stands_for_more(values[found], labels)):
        return "", None
    return found, _other_field(found, values[found], labels, len(drawn)).note
