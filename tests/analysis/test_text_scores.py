"""Texts compared as PaddleOCR's evaluation compares them."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_train.analysis.text_scores import TextRules, score_text, text_rules, text_totals
from tests.analysis.builders import paddleocr_metric

PAIRS = [
    ("ราชกิจจานุเบกษา", "ราชกิจจานุเบกษา"),
    ("เล่ม ๑๔๐", "เล่ม๑๔๐"),
    ("น้ำ", "น้ํา"),  # the same to the eye: U+0E33 against U+0E4D U+0E32
    ("KA-1", "ka1"),
    ("A B", "AB C"),
    ("x", ""),
]


@pytest.mark.parametrize("rules", [{}, {"ignore_space": False}, {"is_filter": True}])
def test_the_totals_are_those_of_paddleocrs_own_metric(rules: dict[str, Any]) -> None:
    """RecMetric divides by the count plus 0.00001: that is all the difference."""
    metric = paddleocr_metric("rec_metric").RecMetric(**rules)
    metric(([(said, 1.0) for _, said in PAIRS], [(truth, 1.0) for truth, _ in PAIRS]))
    ours = text_rules({"Metric": {"name": "RecMetric", **rules}}, "rec")
    totals = text_totals([score_text(truth, said, ours) for truth, said in PAIRS])
    assert totals == pytest.approx(metric.get_metric(), abs=1e-5)


def test_unicode_is_not_normalized() -> None:
    """Two spellings of one Thai syllable are two texts, as for PaddleOCR."""
    score = score_text("น้ำ", "น้ํา", TextRules())
    assert (score.right, score.edit_distance) == (False, 2)


def test_classes_are_compared_as_they_are() -> None:
    """The blank rule is recognition's."""
    assert text_rules({"Metric": {"name": "ClsMetric"}}, "cls") == TextRules(ignore_space=False)


def test_rules_say_what_they_do() -> None:
    """For evaluation.json."""
    assert "blanks are left out" in str(TextRules())
    assert "only ASCII" in str(TextRules(only_ascii=True, ignore_space=False))


def test_two_empty_texts_are_the_same() -> None:
    """No division by nothing."""
    assert score_text(" ", "", TextRules()).similarity == 1.0
    assert text_totals([]) == {}
