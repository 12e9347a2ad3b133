"""Thai text in its one spelling: what looks the same is the same characters.

A model learns two classes, or two orders, for one picture where labels mix them. Unicode's normalisation (NFC) leaves all
of these as they are. Order within a syllable: consonant, vowel below or above, tone mark, as keyboards of WTT 2.0 and
The Unicode Standard (16.2, Thai) have it.
"""

from __future__ import annotations

import re

_SARA_E, _SARA_AE = "\u0e40", "\u0e41"
_NIKHAHIT, _SARA_AA, _SARA_AM = "\u0e4d", "\u0e32", "\u0e33"
_SARA_A = "\u0e30"
_CONSONANTS = "\u0e01-\u0e2e"
_TONES = "\u0e48-\u0e4b"
_VOWELS = "\u0e31\u0e34-\u0e3a\u0e47"
_MARKS = f"{_VOWELS}{_TONES}\u0e4c\u0e4d\u0e4e"

_THAI = re.compile("[\u0e01-\u0e5b]")
_STEPS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Zero-width characters inside Thai words are invisible.
    (
        re.compile(
            "(?<=[\u0e00-\u0e7f])[\u200b-\u200d\u2060\ufeff]+|[\u200b-\u200d\u2060\ufeff]+(?=[\u0e00-\u0e7f])"
        ),
        "",
    ),
    (re.compile(f"{_SARA_E}{_SARA_E}"), _SARA_AE),
    # A mark after a space has nothing that carries it: the space is a slip, or the font's way to show it.
    (re.compile(f"(?<=[{_CONSONANTS}{_MARKS}]) +(?=[{_MARKS}])"), ""),
    (re.compile(f"([{_MARKS}])\\1+"), r"\1"),
    (re.compile(f"([{_TONES}\u0e4c])([{_VOWELS}])"), r"\2\1"),
    # Nikhahit and sara aa are sara am, the tone mark between them or before both.
    (re.compile(f"{_NIKHAHIT}([{_TONES}]?){_SARA_AA}"), rf"\1{_SARA_AM}"),
    (re.compile(f"([{_TONES}]){_NIKHAHIT}{_SARA_AA}"), rf"\1{_SARA_AM}"),
    # A tone mark typed after sara am.
    (re.compile(f"{_SARA_AM}([{_TONES}])"), rf"\1{_SARA_AM}"),
    # A tone mark typed after a vowel that stands behind its consonant.
    (re.compile(f"(?<=[{_CONSONANTS}{_MARKS}])([{_SARA_A}{_SARA_AA}])([{_TONES}])"), r"\2\1"),
    # Lakkhangyao stands after ru and lu only.
    (re.compile("(?<![\u0e24\u0e26])\u0e45"), _SARA_AA),
)
_DANGLING = re.compile(f"(?<![{_CONSONANTS}{_MARKS}\u25cc])[{_MARKS}]+")
"""Marks that no consonant carries; the dotted circle carries those that a text is about."""


def without_zero_width(text: str) -> str:
    """`text` without the zero-width characters that stand beside Thai."""
    pattern, replacement = _STEPS[0]
    return pattern.sub(replacement, text) if _THAI.search(text) else text


def thai_order(text: str) -> str:
    """`text` with its Thai characters chosen and ordered as in the one spelling; every other text comes back as it is."""
    if not _THAI.search(text):
        return text
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text


def dangling_marks(text: str) -> list[str]:
    """The Thai vowels above or below and tone marks of `text` that no consonant carries: nothing can be drawn so."""
    if not _DANGLING.search(text):
        return []
    return [mark for marks in _DANGLING.findall(thai_order(text)) for mark in marks]


def thai_spelling(text: str) -> str:
    """`text` with its Thai in the one spelling, and without dangling marks; a text of nothing else stays."""
    ordered = thai_order(text)
    if not _DANGLING.search(ordered):
        return ordered
    return _DANGLING.sub("", ordered).strip() or ordered
