"""The HTML summary of a validation: one file that needs no network and no scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class KindShown:
    """A kind of problem as the page has it; `problems` are the first of its `count`."""

    name: str
    severity: str
    count: int
    why: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class ExampleShown:
    """A label with its picture (a data address, or nothing); `colour` is a class of the style sheet."""

    kind: str
    colour: str
    file: str
    line: int
    image: str
    text: str
    hint: str
    picture: str


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


def _kinds(report: ValidationReport) -> list[KindShown]:
    """The kinds that were found: errors first, the most frequent first."""
    by_kind: dict[str, list[Problem]] = {}
    for problem in report.problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    found = [
        KindShown(
            name=kind,
            severity=KINDS[kind].severity(report.task),
            count=count,
            why=KINDS[kind].why,
            problems=tuple(by_kind.get(kind, ())[:PROBLEMS_SHOWN_PER_KIND]),
        )
        for kind, count in report.counts.items()
    ]
    return sorted(found, key=lambda kind: (kind.severity != ERROR, -kind.count))


def _examples(examples: Iterable[Example], images: Path, task: str) -> list[ExampleShown]:
    found = []
    for example in sorted(examples, key=lambda one: (not one.kind, one.file, one.line)):
        bad = bool(example.kind) and KINDS[example.kind].severity(task) == ERROR
        found.append(
            ExampleShown(
                kind=example.kind,
                colour="good" if not example.kind else "error" if bad else "note",
                file=example.file,
                line=example.line,
                image=example.image,
                text=example.text,
                hint=example.hint,
                picture=draw_sample(images, example.image, example.boxes, problem=bad) or "",
            )
        )
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
