"""Recognition and classification labels, text by text."""

from __future__ import annotations

import pytest

from ocr_train.data.checks.recognition import (
    check_class,
    check_text,
    ctc_steps_needed,
    escape,
    text_for_trainer,
)

DIGITS = frozenset("0123456789")


def kinds(label: str, **rules: object) -> list[str]:
    """The kinds that `check_text` finds in `label`."""
    return [finding.kind for finding in check_text(label, **rules)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("1502", []),
        ("น้ำ ที่", []),
        ("", ["empty_text"]),
        ("  ", ["surrounding_spaces", "empty_text"]),
        (" 1502", ["surrounding_spaces"]),
        ("1502\u3000", ["surrounding_spaces"]),
        ("15\t02", ["extra_tab"]),
        ("15\u200b02", ["control_characters"]),
        ("15\r02", ["control_characters"]),
        ("क्\u200dष", []),
        ("待识别", ["placeholder_text"]),
        ("###", ["placeholder_text"]),
    ],
)
def test_a_text_without_rules_is_checked_for_what_nobody_could_mean(label: str, expected: list[str]) -> None:
    """Spaces, tabs, invisible characters and stand-ins are seen whatever the dictionary."""
    assert kinds(label) == expected


def test_characters_outside_the_dictionary_are_named_with_their_code_point() -> None:
    """The hint lists each missing character once, sorted."""
    (finding,) = check_text("1é2é๑", charset=DIGITS)
    assert finding.kind == "outside_dictionary"
    assert "'é' (U+00E9), '๑' (U+0E51)" in finding.hint


def test_a_missing_space_points_at_use_space_char() -> None:
    """The space has a switch of its own in PaddleOCR."""
    (finding,) = check_text("1 2", charset=DIGITS)
    assert "use_space_char" in finding.hint


def test_an_invisible_character_that_the_dictionary_holds_is_right() -> None:
    """Whoever puts U+200B into the dictionary wants it."""
    assert kinds("1\u200b2", charset=DIGITS | {"\u200b"}) == []
    assert kinds("1\u200b2", charset=DIGITS) == ["control_characters"]


def test_lower_case_is_compared_where_paddleocr_lower_cases() -> None:
    """Without a dictionary file PaddleOCR lower-cases, so capitals are fine."""
    charset = frozenset("abc")
    assert kinds("ABC", charset=charset, lower=True) == []
    assert kinds("ABC", charset=charset) == ["outside_dictionary"]


def test_max_text_length_is_the_longest_text_that_is_kept() -> None:
    """PaddleOCR skips texts longer than it, not those as long."""
    assert kinds("1" * 25, max_text_length=25) == []
    assert kinds("1" * 26, max_text_length=25) == ["too_long"]


@pytest.mark.parametrize(("text", "steps"), [("", 0), ("ab", 2), ("aa", 3), ("aabb", 6), ("aaa", 5)])
def test_ctc_needs_a_blank_between_equal_neighbours(text: str, steps: int) -> None:
    """One step a character, and one a repetition."""
    assert ctc_steps_needed(text) == steps


def test_a_text_is_feasible_up_to_the_width_of_the_features() -> None:
    """25 steps hold 13 equal characters (13 + 12 blanks), not 14; Paddle's own loss turns 0 there."""
    assert kinds("1" * 13, ctc_steps=25) == []
    assert kinds("1" * 14, ctc_steps=25) == ["ctc_infeasible"]
    assert kinds("12" * 12 + "1", ctc_steps=25) == []
    assert kinds("12" * 13, ctc_steps=25) == ["ctc_infeasible"]


def test_characters_that_the_encoder_drops_need_no_steps() -> None:
    """What the dictionary lacks is reported once, not as too long for CTC as well."""
    assert kinds("1" + "é" * 40, charset=DIGITS, ctc_steps=25) == ["outside_dictionary"]


def test_a_class_must_be_in_the_list() -> None:
    """PaddleOCR compares the label text with label_list exactly."""
    assert check_class("180", ("0", "180")) == []
    assert [finding.kind for finding in check_class("90", ("0", "180"))] == ["unknown_class"]
    assert [finding.kind for finding in check_class("", ("0", "180"))] == ["empty_text"]
    assert check_class("90", ()) == []


def test_the_clean_text_is_what_paddleocr_reads_without_spaces_around() -> None:
    """Up to the first tab, stripped."""
    assert text_for_trainer(" 1502 \t320\t48") == "1502"


def test_escape_spells_out_what_cannot_be_seen() -> None:
    """Messages stay on one line and show what is wrong."""
    assert escape("a\r\u200bb\ud800") == "a\\u000d\\u200bb\\ud800"
