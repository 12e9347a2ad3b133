"""Two texts side by side with the fewest edits, character by character.

Characters are Unicode code points, which is what a dictionary lists and a model puts out: a Thai tone mark is
one of its own.
"""

from __future__ import annotations

from itertools import zip_longest

Pair = tuple[str, str]
"""A character of the truth and what stands for it in the prediction; "" where there is nothing."""


def align(truth: str, prediction: str) -> list[Pair]:
    """The pairs of one alignment with the fewest edits (Levenshtein, 1966), the same at every call."""
    # A compiled library: not loaded by commands that score nothing.
    from rapidfuzz.distance import Levenshtein

    pairs: list[Pair] = []
    for edit in Levenshtein.opcodes(truth, prediction):
        expected = truth[edit.src_start : edit.src_end]
        read = prediction[edit.dest_start : edit.dest_end]
        pairs += zip_longest(expected, read, fillvalue="")
    return pairs
