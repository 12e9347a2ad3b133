"""Texts in one spelling, where it was asked for: Unicode's composed form, and for Thai its one order of marks."""

from __future__ import annotations

import unicodedata

from ocr_train.data.thai_spelling import thai_spelling

NFC, THAI = "nfc", "thai"


def spelled(text: str, normalize: str) -> str:
    """`text` as `normalize` asks: "nfc" composes letters and their marks (Vietnamese, Korean and others), "thai" does that
    and puts Thai into its one spelling; anything else leaves it as it is."""
    if normalize == NFC:
        return unicodedata.normalize("NFC", text)
    return thai_spelling(unicodedata.normalize("NFC", text)) if normalize == THAI else text
