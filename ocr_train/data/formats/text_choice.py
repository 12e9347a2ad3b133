"""Where the texts of a folder's boxes are: in the field that tools call the label, which for others is a class, or in another.

It is decided over all boxes of a folder, since a page with one box tells nothing. A label is a class where a few values stand
over many boxes, general words such as "text" above all; then another field that holds texts is taken. Where none does, there
are no texts: nobody wants a model that reads "text" everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.data.checks.problems import Problem
from ocr_train.data.difficult import AUTO, IGNORED
from ocr_train.data.formats.conversion import conversion_problem, one_line
from ocr_train.data.formats.texts import TEXT_KEYS, class_text
from ocr_train.data.labels import IGNORED_TRANSCRIPTIONS, shorten

LABEL, DESCRIPTION = "label", "description"
_GROUPS = ("attributes", "flags")
_FEW = 5
"""So many values over many boxes are classes."""
_LABEL_HINT = "to take them all the same: --text-from label (-P text_from=label)"


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
    """Where the texts of `boxes` are, of which each is its fields that are not empty. `text_from` "auto" decides; any
    other is the field's name."""
    if text_from != AUTO:
        return TextChoice(field=text_from)
    values: dict[str, Counter[str]] = {}
    for fields in boxes:
        for name, text in fields.items():
            values.setdefault(name, Counter())[text] += 1
    labels = values.pop(LABEL, Counter())
    other = _fullest(values, labels)
    if other and (not labels or _stands_for_more(values[other], labels)):
        return _other_field(other, values[other], labels, len(boxes))
    if labels and are_classes(labels):
        return TextChoice(field="", note=class_note(labels))
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
    return boxes >= max(6 if values == 1 else 10, 4 * values)


def class_note(labels: Counter[str]) -> tuple[str, str, str]:
    """That names of classes are no texts: kind, value, hint."""
    hint = (
        "these are names of classes, and no field has a text: fine for detection. For recognition type the texts into "
        f"the tool's field for them (LabelMe: description); {_LABEL_HINT}"
    )
    return "class_names", _show(labels), hint


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
        if name not in known and len(count) > max(_FEW, len(labels)) and 2 * len(count) > count.total()
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
        f"taken for the texts; the labels are names of classes ({_show(labels)}); {_LABEL_HINT}"
        if labels
        else "taken for the texts, as there are no labels"
    )
    return TextChoice(field=name, note=("text_field", value, hint))


def _show(labels: Counter[str]) -> str:
    """`6 boxes: 'text'`, the most frequent first."""
    first = ", ".join(repr(shorten(label, 30)) for label, _ in labels.most_common(_FEW))
    more = f", ... {len(labels)} in all" if len(labels) > _FEW else ""
    return f"{labels.total()} boxes: {first}{more}"


def count_labels(labels: Iterable[str]) -> Counter[str]:
    """How many boxes each label stands over; those without one are left out."""
    return Counter(label for label in labels if label)
