"""What every benchmark is: a program that measures, prints one table, and says by its exit status whether all bars hold."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import about
from benchmarks.table import Row, draw


@dataclass(frozen=True, kw_only=True)
class Scene:
    """How one benchmark is to be run: an empty `folder` of its own, how many `rounds` of what takes turns, and
    `quick` where it is only asked whether the benchmark works."""

    folder: Path
    rounds: int
    quick: bool


Measure = Callable[[Scene], Iterable[Row]]


def run(name: str, description: str | None, measure: Measure, *, rounds: int = 5) -> int:
    """`python -m benchmarks.NAME`: measure, print the table; 0 where every bar holds, 1 where one is missed."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help="small, and 2 rounds: does it work?")
    parser.add_argument("--rounds", type=int, help=f"of what takes turns (default {rounds}, with --quick 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, too")
    arguments = parser.parse_args()
    count = arguments.rounds or (2 if arguments.quick else rounds)
    before = about()
    # A program that was ended may still write for a moment: that must not cost the figures.
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True) as folder:
        rows = list(measure(Scene(folder=Path(folder), rounds=count, quick=arguments.quick)))
    after = about()
    print(f"\n{draw(rows)}\n\n{before.machine}; {before.load} -> {after.load}\n{before.versions}", flush=True)
    if arguments.json is not None:
        found = {
            "machine": before.machine,
            "versions": before.versions,
            "load": [before.load, after.load],
            "rows": [row.to_json() for row in rows],
        }
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row.verdict == "missed" for row in rows) else 0


def say(text: str) -> None:
    """Progress of a benchmark, beside its table."""
    print(text, file=sys.stderr, flush=True)
