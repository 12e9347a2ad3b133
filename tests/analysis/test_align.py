"""Texts side by side with the fewest edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.analysis.align import align

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
