"""Texts compared as PaddleOCR's evaluation compares them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.analysis.text_scores import (
    TextRules,
    align,
    clusters_of,
    error_rates,
    score_text,
    text_rules,
    text_totals,
)
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


def rates(*pairs: tuple[str, str]) -> dict[str, float]:
    """The error rates of pairs of truth and prediction."""
    return error_rates([score_text(truth, read, TextRules()) for truth, read in pairs])


def test_the_character_error_rate_is_edits_over_the_truths_characters() -> None:
    """Over all texts together: a long text weighs more than a short one."""
    assert rates(("abcd", "abxd"), ("ef", "ef"))["cer"] == pytest.approx(1 / 6)
    assert rates(("a", "bcd"))["cer"] == 3.0


def test_a_wrong_thai_mark_is_one_wrong_cluster() -> None:
    """Two of three code points of one syllable are one thing that a reader sees."""
    found = rates(("ที่", "ทื้"), ("กก", "กก"))
    assert (found["cer"], found["cer_clusters"]) == (2 / 5, 1 / 3)


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("น้ำที่", ["น้ำ", "ที่"]),
        ("เก่ง", ["เ", "ก่", "ง"]),
        ("tie\u0302\u0301ng", ["t", "i", "e\u0302\u0301", "n", "g"]),
    ],
)
def test_clusters_are_those_of_unicode(text: str, clusters: list[str]) -> None:
    """Thai vowels that are written before their consonant stand alone."""
    assert clusters_of(text) == clusters


def test_two_spellings_of_a_text_are_no_error_once_both_are_in_one() -> None:
    """They still are for PaddleOCR's accuracy."""
    found = rates(("น้ำ", "น้ํา"), ("แม่", "เเม่"), ("กา", "กิ"))
    assert found["acc_spelled"] == 2 / 3
    assert text_totals([score_text("น้ำ", "น้ํา", TextRules())])["acc"] == 0.0


def test_no_texts_have_no_rates() -> None:
    """And texts without a character are wrong where something was read."""
    assert error_rates([]) == {}
    assert (rates(("", ""))["cer"], rates(("", "x"))["cer"]) == (0.0, 1.0)


texts = st.text("abกิ่", max_size=12)


@pytest.mark.parametrize(
    ("truth", "prediction", "pairs"),
    [
        ("abc", "abc", [("a", "a"), ("b", "b"), ("c", "c")]),
        ("abc", "axc", [("a", "a"), ("b", "x"), ("c", "c")]),
        ("abc", "ac", [("a", "a"), ("b", ""), ("c", "c")]),
        ("ac", "abc", [("a", "a"), ("", "b"), ("c", "c")]),
        ("aa", "aaa", [("a", "a"), ("a", "a"), ("", "a")]),
        ("ab", "ba", [("", "b"), ("a", "a"), ("b", "")]),
        ("", "", []),
    ],
)
def test_characters_are_paired(truth: str, prediction: str, pairs: list[tuple[str, str]]) -> None:
    """A replaced, a left-out and an added character are each told apart."""
    assert align(truth, prediction) == pairs


@given(texts, texts)
def test_an_alignment_spells_both_texts(truth: str, prediction: str) -> None:
    """Nothing is lost and nothing is invented."""
    pairs = align(truth, prediction)
    assert "".join(first for first, _ in pairs) == truth
    assert "".join(second for _, second in pairs) == prediction


@given(texts, texts)
def test_an_alignment_has_the_fewest_edits(truth: str, prediction: str) -> None:
    """As many pairs differ as PaddleOCR's own measure counts edits."""
    from rapidfuzz.distance import Levenshtein

    edits = sum(first != second for first, second in align(truth, prediction))
    assert edits == Levenshtein.distance(truth, prediction)
