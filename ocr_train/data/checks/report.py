"""The HTML summary of a validation: one file that needs no network and no scripts."""

from __future__ import annotations

import base64
import io
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.data.checks.images import FORMATS
from ocr_train.data.checks.problems import ERROR, KINDS, Problem
from ocr_train.data.checks.recognition import escape
from ocr_train.data.checks.statistics import MAX_LENGTH_BIN, SIDE_BINS, Example
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.files.image_paths import is_foreign
from ocr_train.data.labels import Box, Point
from ocr_train.drawing.html_pages import render
from ocr_train.ocr_engine.files import open_regular

TEMPLATE = Path(__file__).with_name("report.html.jinja")
PROBLEMS_SHOWN_PER_KIND = 20
CHARACTERS_SHOWN = 2000
LONGEST_SIDE_PX = 640
GOOD_COLOUR = (0, 150, 90)
IGNORED_COLOUR = (150, 150, 150)
PROBLEM_COLOUR = (220, 40, 40)
PATH_SHOWN = 78
"""Characters of a path, room left for what `escape` spells out."""


def write_html(report: ValidationReport, images: Path, out: Path) -> None:
    """Write the summary of `report` to `out`; `images` is the folder that the labels' paths start from."""
    write_bytes(out, render_html(report, images).encode("utf-8", "replace"))


def render_html(report: ValidationReport, images: Path) -> str:
    """The summary as one HTML document: verdict, counts, examples, problems, characters, histograms."""
    statistics = report.statistics
    return render(
        TEMPLATE,
        filters={
            "shown": escape,
            "path": _path,
            "printable": _printable,
            "glyph": _glyph,
            "character_name": _name,
        },
        report=report,
        statistics=statistics,
        facts=_facts(report),
        kinds=_kinds(report),
        examples=_examples(report, images),
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


def _path(path: str) -> str:
    """A path with the end that tells which file it is; a long one is cut at its beginning."""
    return escape(path if len(path) <= PATH_SHOWN else f"…{path[1 - PATH_SHOWN :]}")


def _facts(report: ValidationReport) -> list[str]:
    facts = [f"{report.labels:,} labels", f"{sum(report.counts.values()) - report.errors:,} notes"]
    if report.task not in ("rec", "cls"):
        statistics = report.statistics
        facts.append(f"{statistics.boxes:,} boxes, {statistics.ignored_boxes:,} of them ignored")
    if report.leaks:
        facts.append(report.leaks.sentence())
    return facts


def _kinds(report: ValidationReport) -> list[tuple[str, str, int, str, list[Problem]]]:
    """Name, severity, count, meaning and first problems of each kind: errors first, the most frequent first."""
    by_kind: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in report.problems:
        by_kind[problem.kind].append(problem)
    found = [
        (
            name,
            report.severity(name),
            count,
            KINDS[name].why,
            by_kind[name][:PROBLEMS_SHOWN_PER_KIND],
        )
        for name, count in report.counts.items()
    ]
    return sorted(found, key=lambda kind: (kind[1] != ERROR, -kind[2]))


def _examples(report: ValidationReport, images: Path) -> list[tuple[Example, str, str]]:
    """Each with a class of the style sheet and its picture (a data address, or nothing)."""
    found = []
    for example in sorted(report.statistics.examples, key=lambda one: (not one.kind, one.file, one.line)):
        severity = report.severity(example.kind) if example.kind else "good"
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


def draw_sample(images: Path, name: str, boxes: Sequence[Box], *, problem: bool = False) -> str | None:
    """The image `name` under `images` with its `boxes`, as a JPEG data URI of at most 640 px a side.

    It stands upright as EXIF says, like the boxes. Ignored boxes are grey; with `problem` the others are red.
    None where the image cannot be read.
    """
    from PIL import Image, ImageDraw, ImageOps

    if is_foreign(name):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_regular(images / name) as file, Image.open(file, formats=FORMATS) as stored:
                picture = ImageOps.exif_transpose(stored).convert("RGB")
        scale = min(1.0, LONGEST_SIDE_PX / max(picture.size))
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height))
        pen = ImageDraw.Draw(picture)
        for box in boxes:
            colour = PROBLEM_COLOUR if problem else GOOD_COLOUR
            corners = _corners(box.points, scale, picture.size)
            pen.line([*corners, *corners[:2]], fill=IGNORED_COLOUR if box.ignored else colour, width=2)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
    # Pillow's readers raise nearly anything on broken files, and a missing picture must not cost the summary.
    except Exception:  # noqa: BLE001 - see above
        return None
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _corners(points: Sequence[Point], scale: float, size: tuple[int, int]) -> list[Point]:
    """The corners in the small picture; those far outside are brought near, where no integer overflows."""
    width, height = size
    return [
        (min(max(x * scale, -width), 2.0 * width), min(max(y * scale, -height), 2.0 * height))
        for x, y in points
    ]
