"""benchmarks/RESULTS.md: what the last whole run of the benchmarks found, one table a benchmark."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import About
from benchmarks.table import number_text


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one benchmark found: `rows` as `Row.to_json` gives them; `failed` says why there are none."""

    name: str
    minutes: float
    load: str
    rows: Sequence[Mapping[str, Any]]
    failed: str


def write_results(path: Path, parts: Sequence[Part], machine: About, *, minutes: float) -> None:
    """Write the page; figures of before are replaced."""
    path.write_text("\n".join(_page(parts, machine, minutes)) + "\n", encoding="utf-8")


def _page(parts: Sequence[Part], machine: About, minutes: float) -> Iterator[str]:
    bars = [row["verdict"] for part in parts for row in part.rows if row["verdict"]]
    yield "# Results"
    yield ""
    yield "`make bench` wrote this page. What is measured, and how, is in [README.md](README.md); what was found by it in"
    yield "[docs/performance.md](../docs/performance.md)."
    yield ""
    yield f"- **Date**: {time.strftime('%Y-%m-%d')}, {minutes:.0f} minutes"
    yield f"- **Machine**: {machine.machine}, {machine.load} at the start"
    yield f"- **Versions**: {machine.versions}"
    yield f"- **Bars**: {bars.count('holds')} hold, {bars.count('missed')} missed"
    for part in parts:
        yield from _section(part)


def _section(part: Part) -> Iterator[str]:
    yield ""
    yield f"## {part.name}"
    yield ""
    if part.failed:
        yield f"`python -m benchmarks.{part.name}` {part.failed}."
        return
    yield f"`python -m benchmarks.{part.name}`, {part.minutes:.1f} minutes, {part.load}"
    yield ""
    yield "| measured | median | smallest .. largest | rounds | bar | | made of |"
    yield "|---|---|---|---|---|---|---|"
    for row in part.rows:
        samples = row["samples"]
        spread = f"{number_text(min(samples))} .. {number_text(max(samples))}" if len(samples) > 1 else ""
        cells = [
            row["name"].strip(),
            f"{number_text(row['median'])} {row['unit']}",
            spread,
            str(len(samples)),
            row["bar"] or "",
            row["verdict"] or "",
            row["note"],
        ]
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
