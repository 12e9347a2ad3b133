"""Thai that looks the same is the same characters."""

from __future__ import annotations

import unicodedata

import pytest

from ocr_train.data.checks.recognition import check_text
from ocr_train.data.thai_spelling import thai_spelling

VARIANTS = {
    "เเม่": "แม่",
    "น้\u0e4dา": "น้ำ",
    "น\u0e4d้า": "น้ำ",
    "ท\u0e4dา": "ทำ",
    "นำ้": "น้ำ",
    "ที ่": "ที่",
    "ก่ิ": "กิ่",
    "ที่่": "ที่",
    "รู้ ้": "รู้",
    "กๅ": "กา",
    "ศิลป์ิ": "ศิลปิ์",
    "กา่": "ก่า",
    "กะ่": "ก่ะ",
    "่กา": "กา",
    "A ่ข": "A ข",
    "2่": "2",
}


@pytest.mark.parametrize("written", VARIANTS)
def test_variants_become_the_one_spelling(written: str) -> None:
    """Unicode's normalisation leaves them as they are."""
    assert thai_spelling(written) == VARIANTS[written]
    assert thai_spelling(VARIANTS[written]) == VARIANTS[written]
    assert unicodedata.normalize("NFC", written) == written


@pytest.mark.parametrize(
    "text", ["น้ำดื่ม", "่", "◌่", "กรุงเทพฯ", "สวัสดี ครับ", "ปี 2567", "ฤๅษี", "abc", "é", "ไทย\u200c"[:3]]
)
def test_right_texts_stay(text: str) -> None:
    """Thai or not."""
    assert thai_spelling(text) == text


def test_the_note_says_the_right_spelling_and_the_code_points() -> None:
    """A person cannot see the difference."""
    (finding,) = check_text("เเม่")
    assert finding.kind == "lookalike"
    assert "'แม่'" in finding.hint
    assert "U+0E40 U+0E40 U+0E21 and not U+0E41 U+0E21" in finding.hint


def test_a_zero_width_character_is_no_second_note() -> None:
    """It has a kind of its own."""
    assert [finding.kind for finding in check_text("ไทย\u200b")] == ["control_characters"]


@pytest.mark.parametrize(("text", "marks"), [("่กา", "◌่ (U+0E48)"), ("A ู", "◌ู (U+0E39)")])
def test_a_mark_that_no_consonant_carries_is_named(text: str, marks: str) -> None:
    """It has no right spelling: somebody has to look at the image."""
    (finding,) = check_text(text)
    assert finding.kind == "dangling_mark"
    assert f"no consonant carries {marks}:" in finding.hint
