"""Where a model reads well and where it does not."""

from __future__ import annotations

import pytest

from ocr_train.analysis.error_analysis import (
    by_class,
    by_length,
    confusions,
    weakest,
)
from ocr_train.analysis.text_scores import TextRules, TextScore, score_text


def scores(*pairs: tuple[str, str]) -> list[TextScore]:
    """Truths and predictions, compared."""
    return [score_text(truth, said, TextRules()) for truth, said in pairs]


def test_texts_are_grouped_by_length() -> None:
    """Blanks do not count, where they are not compared."""
    rows = by_length(scores(("ab", "ab"), ("a b", "ax"), ("abc", "abc")))
    assert [(row.length, row.texts, row.right, row.accuracy) for row in rows] == [
        (2, 2, 1, 0.5),
        (3, 1, 1, 1.0),
    ]
    assert rows[0].mean_edit_distance == 0.5


def test_characters_are_counted_by_class() -> None:
    """Right, replaced, left out and added."""
    rows = {row.name: row for row in by_class(scores(("A1ก", "A7ก"), ("ก่", "ก"), ("A", "A-")))}
    assert (rows["digits"].wrong, rows["digits"].accuracy) == (1, 0.0)
    assert (rows["Thai"].right, rows["Thai"].missed, rows["Thai"].characters) == (2, 1, 3)
    assert (rows["punctuation"].added, rows["punctuation"].accuracy) == (1, None)
    assert "other" not in rows


def test_confusions_come_with_the_most_frequent_first() -> None:
    """With their share of the true character; the right ones are none."""
    rows = confusions(scores(("O1", "01"), ("O", "0"), ("O", "O"), ("ab", "a")))
    assert [(row.truth, row.prediction, row.times) for row in rows] == [("O", "0", 2), ("b", "", 1)]
    assert rows[0].share == pytest.approx(2 / 3)


def test_an_added_character_is_shared_over_all() -> None:
    """There is no true character to be a share of."""
    (row,) = confusions(scores(("ab", "abc")))
    assert (row.truth, row.prediction, row.share) == ("", "c", 0.5)


def test_the_weakest_class_is_named_where_one_is_weak() -> None:
    """None where all is right."""
    worst = weakest(by_class(scores(("1a", "1b"))))
    assert worst is not None
    assert worst.name == "Latin"
    assert weakest(by_class(scores(("1a", "1a")))) is None
