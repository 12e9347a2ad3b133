"""The HTML summary of a validation: one file that needs no network and no scripts."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.data.checks.pictures import draw_sample
from ocr_train.data.checks.problems import ERROR, KINDS, Problem
from ocr_train.data.checks.recognition import escape
from ocr_train.data.checks.statistics import MAX_LENGTH_BIN, SIDE_BINS, Example
from ocr_train.data.checks.validate import ValidationReport
from ocr_train.drawing.html_pages import render

TEMPLATE = Path(__file__).with_name("report.html.jinja")
PROBLEMS_SHOWN_PER_KIND = 20
CHARACTERS_SHOWN = 2000


def write_html(report: ValidationReport, images: Path, out: Path) -> None:
    """Write the summary of `report` to `out`; `images` is the folder that the labels' paths start from."""
    write_bytes(out, render_html(report, images).encode("utf-8", "replace"))


def render_html(report: ValidationReport, images: Path) -> str:
    """The summary as one HTML document: verdict, counts, examples, problems, characters, histograms."""
    statistics = report.statistics
    return render(
        TEMPLATE,
        filters={"shown": escape, "printable": _printable, "glyph": _glyph, "character_name": _name},
        report=report,
        statistics=statistics,
        facts=_facts(report),
        kinds=_kinds(report),
        examples=_examples(statistics.examples, images, report.task),
        outside=sorted(statistics.outside.items(), key=lambda item: -item[1].count)[:CHARACTERS_SHOWN],
        characters=statistics.characters.most_common(CHARACTERS_SHOWN),
        lengths=[
            (f"{length}{'+' if length == MAX_LENGTH_BIN else ''}", count)
            for length, count in sorted(statistics.lengths.items())
        ],
        sides=[
            (f"≤ {edge}" if edge else "more", statistics.sides[edge])
            for edge in (*SIDE_BINS, 0)
            if statistics.sides[edge]
        ],
    )


def _facts(report: ValidationReport) -> list[str]:
    facts = [f"{report.labels:,} labels", f"{sum(report.counts.values()) - report.errors:,} notes"]
    if report.task == "det":
        statistics = report.statistics
        facts.append(f"{statistics.boxes:,} boxes, {statistics.ignored_boxes:,} of them ignored")
    return facts


def _kinds(report: ValidationReport) -> list[tuple[str, str, int, str, list[Problem]]]:
    """Name, severity, count, meaning and first problems of each kind: errors first, the most frequent first."""
    by_kind: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in report.problems:
        by_kind[problem.kind].append(problem)
    found = [
        (
            name,
            KINDS[name].severity(report.task),
            count,
            KINDS[name].why,
            by_kind[name][:PROBLEMS_SHOWN_PER_KIND],
        )
        for name, count in report.counts.items()
    ]
    return sorted(found, key=lambda kind: (kind[1] != ERROR, -kind[2]))


def _examples(examples: Iterable[Example], images: Path, task: str) -> list[tuple[Example, str, str]]:
    """Each with a class of the style sheet and its picture (a data address, or nothing)."""
    found = []
    for example in sorted(examples, key=lambda one: (not one.kind, one.file, one.line)):
        severity = KINDS[example.kind].severity(task) if example.kind else "good"
        picture = draw_sample(images, example.image, example.boxes, problem=severity == ERROR)
        found.append((example, severity, picture or ""))
    return found


def _printable(text: str) -> str:
    """`text` without the lone surrogates that UTF-8 cannot write."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _glyph(char: str) -> str:
    """A character as it can be seen: marks sit on a dotted circle, spaces and invisible ones get a name."""
    if char == " ":
        return "␣"
    if unicodedata.category(char) in ("Mn", "Mc", "Me"):
        return f"◌{char}"
    return escape(char)


def _name(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip()
