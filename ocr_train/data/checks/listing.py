"""Problems as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

LISTED = 50
"""So many problems are listed; JSON results and problems.json have more."""


class LocatedProblem(Protocol):
    """A problem of a conversion or of a validation."""

    @property
    def file(self) -> str:
        """The file, or the place in words."""

    @property
    def line(self) -> int:
        """Its line from 1; 0 for the whole file."""

    @property
    def kind(self) -> str:
        """What kind it is."""

    @property
    def value(self) -> str:
        """What stands there."""

    @property
    def hint(self) -> str:
        """What to do."""


def problem_lines(problems: Sequence[LocatedProblem], limit: int = LISTED) -> list[str]:
    """One line a problem, the first `limit` of them, and how many more there are."""
    lines = [
        f"{one.file}{f':{one.line}' if one.line else ''}: {one.kind} {one.value!r}: {one.hint}"
        for one in problems[:limit]
    ]
    return lines + ([f"... and {len(problems) - limit} more"] if len(problems) > limit else [])


def counted(counts: Mapping[str, int]) -> str:
    """`4 page_without_image, 3 point`: the largest first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {kind}" for kind, count in ranked)
