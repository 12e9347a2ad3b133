"""What class a character of a text is of (digits, Latin, Thai, punctuation, other), and how it is shown to people."""

from __future__ import annotations

import unicodedata

DIGITS, LATIN, THAI, PUNCTUATION, OTHER = "digits", "Latin", "Thai", "punctuation", "other"
CLASSES = (DIGITS, LATIN, THAI, PUNCTUATION, OTHER)
_THAI_BLOCK = ("\u0e00", "\u0e7f")
NOTHING = "(nothing)"


def class_of(char: str) -> str:
    """One of `CLASSES`: digits are decimal digits of any script (the Thai ones, too), punctuation includes symbols
    such as the baht sign, Thai is the rest of the Thai block with its vowels and tone marks."""
    category = unicodedata.category(char)
    if category == "Nd":
        return DIGITS
    if category[0] in "PS":
        return PUNCTUATION
    if _THAI_BLOCK[0] <= char <= _THAI_BLOCK[1]:
        return THAI
    if category[0] == "L" and unicodedata.name(char, "").startswith(("LATIN", "FULLWIDTH LATIN")):
        return LATIN
    return OTHER


def visible(char: str) -> str:
    """The character as it can be seen: a mark sits on a dotted circle, blanks and invisible ones get their code."""
    if not char:
        return NOTHING
    category = unicodedata.category(char)
    if char == " ":
        return "␣"
    if category[0] == "M":
        return f"◌{char}"
    return char_code(char) if category[0] in "CZ" else char


def char_code(char: str) -> str:
    """U+0E48; empty for no character."""
    return f"U+{ord(char):04X}" if char else ""
