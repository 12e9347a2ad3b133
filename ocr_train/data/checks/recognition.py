"""Checks of one recognition or classification label: what PaddleOCR's label encoders make of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ocr_train.data.character_classes import char_code, visible
from ocr_train.data.checks.problems import Finding
from ocr_train.data.labels import shorten
from ocr_train.data.spelling import NFC, spelled
from ocr_train.data.thai_spelling import dangling_marks, thai_order, without_zero_width

SPACES = " \u00a0\u3000"
"""What counts as a space around a text: the plain, the no-break and the ideographic one."""

PLACEHOLDERS = frozenset({"待识别", "无识别结果", "TEMPORARY", "NULL"})
"""What PPOCRLabel writes for a box whose text has not been typed yet."""

PLACEHOLDERS_REC = PLACEHOLDERS | {"###"}
"""In a recognition file "###" is a crop of a box that detection ignores."""

INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Control characters, line separators, marks of direction, zero-width spaces and lone surrogates. The
zero-width joiner and non-joiner are left out: Indic and Persian spelling needs them."""


def text_for_trainer(label: str) -> str:
    """The text that the trainer gets: cut at the first tab, as PaddleOCR does, without surrounding spaces."""
    return label.partition("\t")[0].strip(SPACES) if "\t" in label else label.strip(SPACES)


def escape(text: str) -> str:
    """`text` for a message, with the invisible characters spelled out and the length bounded."""
    return shorten(INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def check_text(
    label: str,
    *,
    charset: frozenset[str] | None = None,
    max_text_length: int | None = None,
    ctc_steps: int | None = None,
    lower: bool = False,
) -> Sequence[Finding]:
    """What is wrong with the text of a recognition line; an empty sequence for a good one.

    `charset` is the dictionary with the space where that is used, None for unchecked. `lower` says that
    PaddleOCR lower-cases first. `ctc_steps` is the width of the feature map: a text needs one step for each
    character and one more between two equal neighbours.
    """
    text = text_for_trainer(label)
    findings = _spacing(label, text)
    if not text:
        findings.append(Finding("empty_text", escape(label), "write the text, or remove the line"))
        return findings
    if looks_like_boxes(text):
        return [*findings, _boxes(text)]
    # Nothing of ASCII that can be printed is invisible, or has a look-alike or a mark.
    plain = text.isascii() and text.isprintable()
    if not plain and INVISIBLE.search(text):
        findings += invisible_characters(text, charset)
    if text in PLACEHOLDERS_REC:
        findings.append(placeholder(text))
    if not plain:
        findings += _lookalike(text) + _dangling(text)
    if max_text_length is not None and len(text) > max_text_length:
        hint = f"{len(text)} characters; max_text_length is {max_text_length}: raise it or remove the line"
        findings.append(Finding("too_long", escape(text), hint))
    encoded = text.lower() if lower else text
    if charset is not None and not charset.issuperset(encoded):
        findings += _outside(encoded, charset)
    if ctc_steps is not None and 2 * len(encoded) > ctc_steps:
        findings += _ctc(encoded, charset, ctc_steps)
    return findings


def check_class(label: str, label_list: Sequence[str]) -> Sequence[Finding]:
    """What is wrong with a classification label; `label_list` empty means that any is right."""
    text = text_for_trainer(label)
    findings = _spacing(label, text)
    if not text:
        findings.append(Finding("empty_text", escape(label), "write the class, or remove the line"))
    elif looks_like_boxes(text):
        findings.append(_boxes(text))
    elif label_list and text not in label_list:
        hint = f"the classes are {', '.join(map(repr, label_list))}"
        findings.append(Finding("unknown_class", escape(text), hint))
    return findings


def _spacing(label: str, text: str) -> list[Finding]:
    if label == text:
        return []
    first, tab, _ = label.partition("\t")
    findings = []
    if tab:
        hint = (
            "PaddleOCR reads only up to the first tab of a label: write a space instead, or remove the rest"
        )
        findings.append(Finding("extra_tab", escape(label), hint))
    if first != text:
        findings.append(surrounding_spaces(first))
    return findings


def surrounding_spaces(text: str) -> Finding:
    """The note for a text with spaces around it."""
    return Finding("surrounding_spaces", escape(text), "stripped for training; strip them in the file too")


def respelled(label: str, right: str) -> Finding:
    """The note for a text that has another spelling in the clean copy, as asked."""
    return Finding("respelled", escape(label), f"{escape(right)!r} in the copy, as asked (normalize)")


def placeholder(text: str) -> Finding:
    """The finding for a text that a labelling tool wrote by itself."""
    hint = "a tool wrote it in place of a text: type what the image shows"
    return Finding("placeholder_text", escape(text), hint)


def _lookalike(text: str) -> list[Finding]:
    """The note for a text that looks like its one spelling and is another; zero-width characters have a kind of their own."""
    right = thai_order(spelled(text, NFC))
    if right == without_zero_width(text):
        return []
    hint = f"looks like {right!r} and has other characters ({_code_points(text, right)}): write one spelling everywhere, or normalize=thai (nfc)"
    return [Finding("lookalike", escape(text), hint)]


def _dangling(text: str) -> list[Finding]:
    marks = dangling_marks(text)
    if not marks:
        return []
    named = ", ".join(f"{visible(mark)} ({char_code(mark)})" for mark in dict.fromkeys(marks))
    hint = f"no consonant carries {named}: type what the image shows, or leave it out with normalize=thai"
    return [Finding("dangling_mark", escape(text), hint)]


def _code_points(text: str, right: str) -> str:
    """The first difference of two spellings, by code points."""
    start = next(
        (at for at, (one, other) in enumerate(zip(text, right, strict=False)) if one != other), len(right)
    )
    shown = [" ".join(f"U+{ord(char):04X}" for char in value[start : start + 3]) for value in (text, right)]
    return f"{shown[0]} and not {shown[1]}"


def _boxes(text: str) -> Finding:
    hint = "a detection label, whose JSON would be learned as it stands: it is for --task det (model=det)"
    return Finding("boxes_as_text", escape(text), hint)


def looks_like_boxes(text: str) -> bool:
    """Whether a label is a list of boxes, also one whose JSON is broken."""
    if not text.startswith(("[", '"', " ")):
        return False
    begin = text.lstrip('"').lstrip()[:40]
    return begin.startswith(("[{", "[ {")) and "points" in text


def invisible_characters(text: str, charset: frozenset[str] | None = None) -> list[Finding]:
    """The finding for invisible characters, except those that `charset` asks for."""
    found = sorted({char for char in INVISIBLE.findall(text) if charset is None or char not in charset})
    if not found:
        return []
    names = ", ".join(f"U+{ord(char):04X}" for char in found[:10])
    return [Finding("control_characters", escape(text), f"remove {names}")]


def outside_characters(text: str, charset: frozenset[str]) -> list[str]:
    """The characters of `text` that `charset` lacks, sorted; invisible ones are reported by their own
    kind."""
    return sorted(char for char in set(text) - charset if not INVISIBLE.match(char))


def _outside(text: str, charset: frozenset[str]) -> list[Finding]:
    missing = outside_characters(text, charset)
    if not missing:
        return []
    names = ", ".join(f"{char!r} (U+{ord(char):04X})" for char in missing[:10])
    hint = f"not in the dictionary: {names}; add them there, or correct the text"
    if missing == [" "]:
        hint = "the dictionary has no space: set use_space_char, or correct the text"
    return [Finding("outside_dictionary", escape(text), hint)]


def ctc_steps_needed(text: str) -> int:
    """The fewest steps in which CTC can write `text`: a blank stands between two equal neighbours."""
    return len(text) + sum(one == other for one, other in pairwise(text))


def _ctc(text: str, charset: frozenset[str] | None, steps: int) -> list[Finding]:
    # The encoder drops what the dictionary lacks, so only the rest needs steps.
    kept = text if charset is None else "".join(char for char in text if char in charset)
    needed = ctc_steps_needed(kept)
    if needed <= steps:
        return []
    hint = f"CTC needs {needed} steps for it and has {steps}: split the crop, or see 'Long lines' in docs/thai.md"
    return [Finding("ctc_infeasible", escape(text), hint)]
