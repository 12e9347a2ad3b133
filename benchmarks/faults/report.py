"""The table of what became of the faults: a line for each, whatever number of runs it had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from benchmarks.faults.scene import Result

_HEADER = (
    "fault",
    "when",
    "trainer",
    "runs",
    "points",
    "lost",
    "twice",
    "checkpoints",
    "lost",
    "status true",
    "",
)


def draw(results: Sequence[Result]) -> list[str]:
    """The table, its last line the sums."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.fault, result.when, result.trainer), []).append(result)
    rows = [(*names, *_figures(group), _words(group)) for names, group in groups.items()]
    rows.append(("all", "", "", *_figures(results), ""))
    cells = [_HEADER, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADER) - 1)]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in cells
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def echo(result: Result) -> None:
    """One case, as soon as it is over."""
    word = "ok" if result.good else "NOT"
    print(f"{word:4} {result.seconds:4.0f} s  {result.fault}, {result.when}: {result.note}", flush=True)
    for line in _wrong([result]):
        print(f"       {line}", flush=True)


def _figures(results: Iterable[Result]) -> tuple[str, ...]:
    verdicts = list(chain.from_iterable(result.verdicts for result in results))
    true = sum(not one.lie for one in verdicts)
    return (
        str(len(verdicts)),
        str(sum(one.points for one in verdicts)),
        str(sum(one.points_lost for one in verdicts)),
        str(sum(one.points_doubled for one in verdicts)),
        str(sum(one.checkpoints for one in verdicts)),
        str(sum(one.checkpoints_lost for one in verdicts)),
        f"{true} of {len(verdicts)}",
    )


def _words(results: Sequence[Result]) -> str:
    """What went wrong, else the note of the only case, else how many cases there were."""
    wrong = _wrong(results)
    if wrong:
        return f"NOT: {wrong[0]}" + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else "")
    return results[0].note if len(results) == 1 else f"{len(results)} times"


def _wrong(results: Iterable[Result]) -> list[str]:
    found: list[str] = []
    for result in results:
        found += result.problems
        for verdict in result.verdicts:
            found += [*verdict.details, *([verdict.lie] if verdict.lie else [])]
    return found
