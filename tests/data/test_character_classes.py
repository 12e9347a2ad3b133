"""What class a character is of, and how it is shown."""

from __future__ import annotations

import pytest

from ocr_train.data.character_classes import CLASSES, class_of, visible


@pytest.mark.parametrize(
    ("char", "name"),
    [
        *(("7", "digits"), ("๗", "digits"), ("x", "Latin"), ("É", "Latin"), ("ก", "Thai"), ("่", "Thai")),
        *(("ำ", "Thai"), ("ๆ", "Thai"), ("฿", "punctuation"), ("-", "punctuation"), ("。", "punctuation")),
        *(("中", "other"), ("\u200b", "other"), (" ", "other")),
    ],
)
def test_a_character_has_a_class(char: str, name: str) -> None:
    """Thai digits are digits, the baht sign is a symbol, vowels and tone marks are Thai."""
    assert class_of(char) == name
    assert name in CLASSES


@pytest.mark.parametrize(
    ("char", "seen"), [("่", "◌่"), (" ", "␣"), ("\u200b", "U+200B"), ("", "(nothing)"), ("ก", "ก")]
)
def test_a_character_can_be_seen(char: str, seen: str) -> None:
    """A mark sits on a dotted circle; what has no ink has its code."""
    assert visible(char) == seen
