"""Which characters of the dictionary the training texts hardly have."""

from __future__ import annotations

from ocr_train.data.rare_characters import character_use

THAI = frozenset("กขฃฅฎabc12")


def test_a_character_in_no_line_is_named() -> None:
    """Of the classes of characters that the texts have at all: labels without Latin letters need none."""
    use = character_use(["กข", "กฎ"], THAI)
    assert use.unseen == ("ฃ", "ฅ")
    assert use.sentences()[0] == ("2 of the 10 characters of the dictionary stand in no training line: ฃ ฅ")


def test_lines_count_and_not_occurrences() -> None:
    """A line with five of a character shows the model one picture."""
    use = character_use(["ขขขขข", *["ก"] * 5], frozenset("กข"))
    assert use.few == {"ข": 1}
    assert use.sentences() == ["1 stand in fewer than 5 training lines: ข (1)"]


def test_validation_texts_that_cannot_be_read_yet_are_named() -> None:
    """A character that only they have is never learnt."""
    use = character_use(["ก"] * 9, frozenset("กข"), held=["กข", "ค"])
    assert use.held == ("ข",)
    assert "1 characters of validation texts stand in no training line: ข" in use.sentences()


def test_marks_are_shown_on_a_circle() -> None:
    """A tone mark alone would sit on the blank before it."""
    use = character_use(["กข"] * 9, frozenset("กข\u0e4a"))
    assert use.sentences()[0].endswith(": ◌\u0e4a")


def test_letters_come_before_digits_and_punctuation() -> None:
    """They are what a team of Thai readers looks for."""
    use = character_use(["ก1."], frozenset("ก1.฿2ฮ"))
    assert use.unseen == ("ฮ", "2", "฿")


def test_nothing_is_said_where_nothing_is_rare() -> None:
    """Spaces count for nothing."""
    assert character_use(["กข "] * 5, frozenset("กข ")).sentences() == []
