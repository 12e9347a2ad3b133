"""Two texts side by side with the fewest edits, character by character.

Characters are Unicode code points, which is what a dictionary lists and a model puts out: a Thai tone mark is
one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[str, str]
"""A character of the truth and what stands for it in the prediction; "" where there is nothing."""


def align(truth: str, prediction: str) -> list[Pair]:
    """The pairs of one alignment with the fewest edits (Levenshtein, 1966), the same at every call.

    Of equally good ones that with a substitution before a left-out before an added character is taken, from the
    end. O(n*m) in time and space.
    """
    head = _common(truth, prediction)
    tail = _common(truth[head:][::-1], prediction[head:][::-1])
    first, second = truth[head : len(truth) - tail], prediction[head : len(prediction) - tail]
    same = [(char, char) for char in truth[:head]]
    end = [(char, char) for char in truth[len(truth) - tail :]] if tail else []
    return [*same, *_walk_back(first, second, _costs(first, second)), *end]


def edit_distance(truth: str, prediction: str) -> int:
    """How many characters must be replaced, left out or added to make one text the other."""
    return sum(first != second for first, second in align(truth, prediction))


def _common(first: str, second: str) -> int:
    """How many characters the two begin with together."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _costs(first: str, second: str) -> list[list[int]]:
    """costs[i][j]: the fewest edits from the first i characters to the other's first j."""
    rows = [list(range(len(second) + 1))]
    for i, one in enumerate(first, start=1):
        above, row = rows[-1], [i]
        for j, other in enumerate(second, start=1):
            row.append(min(above[j - 1] + (one != other), above[j] + 1, row[j - 1] + 1))
        rows.append(row)
    return rows


def _walk_back(first: str, second: str, costs: Sequence[Sequence[int]]) -> list[Pair]:
    pairs: list[Pair] = []
    i, j = len(first), len(second)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (first[i - 1] != second[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((first[i], second[j]))
        elif i and costs[i][j] == costs[i - 1][j] + 1:
            i -= 1
            pairs.append((first[i], ""))
        else:
            j -= 1
            pairs.append(("", second[j]))
    return pairs[::-1]
