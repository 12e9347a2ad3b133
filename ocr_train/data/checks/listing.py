"""Problems as lines for people: equal ones once with how many there are, and of no kind so many that they hide the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ocr_train.data.checks.problems import ERROR, Problem

LISTED = 50
"""So many lines are shown; JSON results and problems.json have every problem."""
PER_KIND = 10
"""So many of them about one kind."""
_PLACES = 4


def list_problems(
    problems: Sequence[Problem], counts: Mapping[str, int] | None = None, limit: int = LISTED
) -> list[str]:
    """One line for each problem, errors first, at most `limit`; then for each kind how many more there are.

    Problems that say the same of several places are one line. `counts` has how many there are of each kind, where not all
    of them are in `problems`.
    """
    total = Counter(counts) if counts is not None else Counter(problem.kind for problem in problems)
    equal: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in sorted(problems, key=lambda problem: problem.severity != ERROR):
        equal.setdefault((problem.kind, problem.value, problem.hint), []).append(problem)
    shown: Counter[str] = Counter()
    lines_of: Counter[str] = Counter()
    lines: list[str] = []
    for (kind, _, _), same in equal.items():
        if len(lines) == limit:
            break
        if lines_of[kind] == PER_KIND:
            continue
        lines.append(_line(same))
        lines_of[kind] += 1
        shown[kind] += len(same)
    return lines + [f"... and {count} more {kind}" for kind, count in (total - shown).items()]


def _line(same: Sequence[Problem]) -> str:
    first = same[0]
    line = f"{_place(first)}: {first.kind} {first.value!r}: {first.hint}"
    if len(same) == 1:
        return line
    # Boxes of one image have one place.
    others = [place for place in dict.fromkeys(_short_places(same[1:], first)) if place != _place(first)]
    if not others:
        return f"{line} ({len(same)} times)"
    shown = ", ".join(others[:_PLACES]) + (", ..." if len(others) > _PLACES else "")
    return f"{line} ({len(same)} times, also at {shown})"


def _short_places(problems: Iterable[Problem], first: Problem) -> Iterable[str]:
    """The places of `problems`; in the file of `first` the line alone."""
    return (
        f"line {problem.line}" if problem.file == first.file and problem.line else _place(problem)
        for problem in problems
    )


def _place(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}" if problem.line else problem.file
