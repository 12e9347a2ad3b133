"""Pictures of labels, and of what is wrong with them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from ocr_train.analysis.pictures import open_upright
from ocr_train.data.boxes import read_boxes
from ocr_train.data.checks.listing import list_problems
from ocr_train.data.checks.problems import ERROR, KINDS, Problem
from ocr_train.data.checks.statistics import Example
from ocr_train.data.checks.validate import validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.labels import Box, LabelLine, read_labels
from ocr_train.data.layout import validation_files
from ocr_train.data.samples import image_names
from ocr_train.drawing.boxes import BOX_COLOUR, Colour, outline_box, write_above
from ocr_train.notebook.data import LabelSet
from ocr_train.notebook.display import as_html, figures_html, show_html, show_table, table_html

GOOD_COLOUR = (0, 130, 80)
IGNORED_COLOUR = (140, 140, 140)
PROBLEMS_SHOWN = 30
_PAGE_PX = (640, 1280)
"""Pages are shown at least and at most so wide: texts above boxes can be read."""
_FIGURE_PX = {"det": 380, "rec": 200, "cls": 200}


def show_labels(labels: LabelSet, count: int = 6) -> None:
    """Show `count` samples from all over the label files: pages with their boxes, crops with their texts."""
    lines = [line for path in labels.files[:1] for line in read_labels(path) if isinstance(line, LabelLine)]
    chosen = lines[:: max(1, len(lines) // max(1, count))][:count]
    figures = list(_figures(labels, chosen))
    title = f"{len(chosen)} of {len(lines)} samples in {labels.files[0].name}"
    show_html(
        f"<p>{as_html(title)}</p>{figures_html(figures, width_px=_FIGURE_PX.get(labels.task, 200))}", title
    )


def check_labels(labels: LabelSet) -> None:
    """Check every label and every image, and show the verdict, a table of the problems and pictures of some.

    Raises `DataError` where a label file cannot be read.
    """
    report = validate(
        labels.files,
        labels.images,
        labels.rules,
        held=validation_files(labels.files),
        known=labels.known,
    )
    notes = sum(report.counts.values()) - report.errors
    print(f"{report.labels} labels, {report.errors} errors in {len(report.bad_lines)} lines, {notes} notes")
    if report.leaks:
        print(report.leaks.sentence())
    if not report.counts:
        print("Nothing to correct.")
        return
    kinds = sorted(report.counts, key=lambda kind: (report.severity(kind) != ERROR, kind))
    rows = [(kind, report.severity(kind), report.counts[kind], KINDS[kind].why) for kind in kinds]
    tones = ["problem" if row[1] == ERROR else "warning" for row in rows]
    show_table(("problem", "", "how often", "why it matters"), rows, tones=tones)
    show_problems(report.problems)
    _show_examples(labels, report)
    if report.errors:
        print(
            "Correct these lines and run this cell again. Or train on the rest: "
            'PARAMETERS={"on_bad_sample": "quarantine"} in the first cell.'
        )


def show_problems(problems: Sequence[Problem]) -> None:
    """Show where the problems are, errors first."""
    ranked = sorted(problems, key=lambda one: one.severity != ERROR)[:PROBLEMS_SHOWN]
    rows = [
        (f"{Path(one.file).name}{f':{one.line}' if one.line else ''}", one.kind, one.value, one.hint)
        for one in ranked
    ]
    more = f" (the first {len(rows)} of {len(problems)})" if len(problems) > len(rows) else ""
    page = f"<details open><summary>where{more}</summary>{table_html(('line', 'problem', 'value', 'what to do'), rows)}</details>"
    show_html(page, "\n".join(list_problems(ranked)))


def _show_examples(labels: LabelSet, report: ValidationReport) -> None:
    bad = [one for one in report.statistics.examples if one.kind]
    figures = [figure for one in bad[:6] if (figure := _example(labels, one)) is not None]
    if figures:
        show_html(
            figures_html(figures, width_px=_FIGURE_PX.get(labels.task, 200)), f"{len(figures)} pictures"
        )


def _example(labels: LabelSet, one: Example) -> tuple[bytes, str] | None:
    picture = label_picture(labels.images / one.image, one.boxes, BOX_COLOUR)
    caption = f"{as_html(Path(one.file).name)}:{one.line} <b>{as_html(one.kind)}</b><br>{as_html(one.text)}"
    return (picture, caption) if picture else None


def _figures(labels: LabelSet, lines: Sequence[LabelLine]) -> Iterator[tuple[bytes, str]]:
    for line in lines:
        name = image_names(line.image)[0]
        boxes = read_boxes(line.label).boxes if labels.task == "det" else ()
        picture = label_picture(labels.images / name, boxes)
        if picture is not None:
            said = f"{len(boxes)} boxes" if labels.task == "det" else f"<b>{as_html(line.label)}</b>"
            yield picture, f"{said}<br><small>{as_html(name)}</small>"


def label_picture(path: Path, boxes: Sequence[Box] = (), colour: Colour = GOOD_COLOUR) -> bytes | None:
    """The image as JPEG, with the boxes and their texts drawn in (ignored ones in grey); None where it cannot be read."""
    from PIL import ImageDraw

    picture = open_upright(path)
    if picture is None:
        return None
    scale = 1.0
    if boxes:
        least, most = _PAGE_PX
        scale = min(max(picture.width, least), most) / picture.width
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    pen = ImageDraw.Draw(picture)
    for box in boxes:
        tone = IGNORED_COLOUR if box.ignored else colour
        corners = [_near((x * scale, y * scale), picture.size) for x, y in box.points]
        if corners:
            outline_box(pen, corners, picture.size, tone)
            write_above(pen, box.transcription, corners, tone)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _near(point: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
    """Points far outside are brought near: drawing lines to them takes forever."""
    x, y = (min(max(value, -side), 2.0 * side) for value, side in zip(point, size, strict=True))
    return x, y
