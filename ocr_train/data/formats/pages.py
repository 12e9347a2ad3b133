"""Annotated pages of any tool: what a format's reader finds, and how it becomes PaddleOCR's detection labels.

    reader of a format -> FoundPage, one by one -> PageWriter -> OUT/Label.txt, OUT/images/

A reader knows its tool's file and nothing of images; here the image is found, boxes are cut at its edges, and what
cannot be used is counted: the boxes of all pages are those that are written and those in `skipped`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.data.difficult import AUTO
from ocr_train.data.formats.conversion import (
    CLIPPED_HINT,
    IMAGE_NOT_FOUND,
    MENDED_HINT,
    Conversion,
    ConvertedFolder,
    one_line,
)
from ocr_train.data.formats.page_image import IMAGE_HINTS, PageImage, fit_image, read_image_bytes, with_suffix
from ocr_train.data.formats.regions import NoRegion, as_region, finite, fit_region, read_order
from ocr_train.data.formats.text_choice import BoxTexts, DrawnBox, choose_texts
from ocr_train.data.formats.xml_reader import Element, read_xml
from ocr_train.data.labels import Point
from ocr_train.errors import DataError
from ocr_train.ocr_engine.documents import DocumentError, parse_json
from ocr_train.ocr_engine.files import read_regular

MAX_BYTES = 500_000_000
_MOST_POINTS = 5_000

_HINTS = {
    "clipped": CLIPPED_HINT,
    "mended": MENDED_HINT,
    "no_text": "the tool has no text for them: fine for detection, but such boxes give no crops for recognition",
    "class_as_text": "the name of the class was taken for the text",
    "texts_not_joined": "there are not as many texts as boxes, so which belongs to which is not known: export as JSON",
    "several_annotations": "more than one person has labelled it: one answer was taken",
}
_LOST_HINTS = {
    "bad_points": "skipped: the coordinates are not numbers, or missing",
    "too_few_points": "skipped: fewer than 3 points",
    "too_many_points": "skipped: nobody draws an outline of so many points",
    "outside_image": "skipped: the box is outside the image",
    "no_area": "skipped: the box has no area",
    "bad_text": "skipped: the text is not text, or not Unicode",
    "bad_box": "skipped: it is not an annotation as the tool writes it",
    "bad_line": "skipped: the line is not in this format",
    "not_a_region": "skipped: lines, masks and the like have no outline here: draw boxes or polygons",
    "image_rotation": "skipped: drawn on an image that was rotated in the tool only: rotate the file itself",
    "no_image_named": "skipped: no image belongs to them",
    "other_page": "skipped: of a document only the first page is read: one image and one answer a page",
}


@dataclass(kw_only=True)
class FoundBox:
    """One box as the tool has it: `points` in pixels, or in shares of the image's sides.

    `text` None is a text that the tool does not have; `label` is the name of its class, or of what else may stand for the
    text where nothing better is there, `others` are fields that are text under any other name. In `reading_order` the first point is where the text begins; else a quadrilateral
    begins at its top left. `line` is in the tool's file, 0 where that says nothing.
    """

    points: Sequence[Point]
    text: Any = None
    label: str = ""
    others: tuple[tuple[str, str], ...] = ()
    difficult: bool = False
    reading_order: bool = False
    line: int = 0
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class FoundPage:
    """What a tool's `file` says of one image: its name as `written`, or the `stems` that its name may have.

    `size` is what the tool says of it. `lost` are boxes that the reader could not use: kinds with their lines.
    `total` is how many there were, once it is written.
    """

    file: Path
    written: Sequence[str] = ()
    stems: Sequence[str] = ()
    size: tuple[int, int] | None = None
    shares: bool = False
    line: int = 0
    boxes: list[FoundBox] = field(default_factory=list)
    lost: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    total: int = 0

    def lose(self, kind: str, line: int = 0, count: int = 1) -> None:
        """Count boxes that give none here."""
        self.lost += [(kind, line or self.line)] * count


@dataclass(kw_only=True)
class _Written:
    """An image that was written and the boxes found for it so far."""

    name: str
    file: Path
    boxes: list[DrawnBox]
    known: set[DrawnBox]


@dataclass(kw_only=True)
class _Note:
    """What is said of boxes that are written all the same: where it is so first, and how often."""

    file: Path
    line: int
    count: int = 0
    images: int = 0


class PageWriter:
    """Writes pages into the result of a conversion, one after the other."""

    def __init__(self, work: ConvertedFolder, *, text_from: str = AUTO, difficult: str = AUTO) -> None:
        self.work = work
        self._text_from = text_from
        self._difficult = difficult
        self._pages: dict[str, _Written] = {}
        self._notes: dict[str, _Note] = {}

    def add(self, page: FoundPage) -> None:
        """Write the page's image and keep its boxes; what cannot be used becomes a problem."""
        page.total = len(page.boxes) + len(page.lost)
        for note, count in Counter(page.notes).items():
            self._note(page, note, count, page.line)
        if not page.boxes and (page.lost or not self.work.empty_pages):
            self._report_lost(page)
            self.work.skipped["page_without_boxes"] += not page.lost
            return
        empty = not page.boxes
        found = self._find(page)
        if found is None:
            return
        path, image = found
        boxes = self._boxes(page, image)
        self._report_lost(page)
        if boxes or empty:
            self._write(page, path, image, boxes)

    def _find(self, page: FoundPage) -> tuple[Path, PageImage] | None:
        """The image and where it is; where there is none that fits, its boxes are counted and why is said."""
        folder = page.file.parent
        path = next((one for name in page.written if (one := self.work.find_image(folder, name))), None)
        path = path or self.work.find_by_stem(folder, page.stems)
        kind, where = "image_missing", str(next(iter([*page.written, *page.stems]), ""))
        if path is not None:
            image = fit_image(read_image_bytes(path), page.size, any_size=page.shares)
            if isinstance(image, PageImage):
                return path, image
            kind, where = image, str(path)
        hint = IMAGE_HINTS.get(kind) or IMAGE_NOT_FOUND
        if not where:
            hint = "the file does not say which image it is about, and none has its name"
        self.work.report(page.file, kind, where, hint, page.line)
        self.work.skipped["page_without_image"] += 1
        self.work.skipped["box_without_image"] += len(page.boxes)
        self._report_lost(page)
        return None

    def _boxes(self, page: FoundPage, image: PageImage) -> list[DrawnBox]:
        boxes: list[DrawnBox] = []
        notes: dict[str, list[int]] = {}
        for found in page.boxes:
            try:
                box, changes = _box(found, page, image)
            except NoRegion as exc:
                page.lose(exc.reason, found.line)
            else:
                boxes.append(box)
                for note in changes:
                    notes.setdefault(note, []).append(found.line or page.line)
        for note, lines in notes.items():
            self._note(page, note, len(lines), lines[0])
        if image.exif_dropped:
            hint = "labelled before EXIF rotation: the image was written as PNG, unrotated"
            self.work.report(page.file, "exif_dropped", page.line, hint, page.line)
        return boxes

    def _note(self, page: FoundPage, kind: str, count: int, line: int) -> None:
        """Of notes only the first place is told, and how many there are: thousands of them would hide what is lost."""
        note = self._notes.setdefault(kind, _Note(file=page.file, line=line))
        note.count += count
        note.images += 1

    def _note_texts(self, page: _Written, texts: BoxTexts) -> None:
        kinds = [(kind, box) for box in page.boxes for kind in texts.notes(box)]
        for kind, box in kinds:
            self._notes.setdefault(kind, _Note(file=box.file, line=box.line)).count += 1
        for kind in {kind for kind, _ in kinds}:
            self._notes[kind].images += 1

    def _report_lost(self, page: FoundPage) -> None:
        kinds = Counter(kind for kind, _ in page.lost)
        self.work.skipped.update(kinds)
        for kind, count in sorted(kinds.items()):
            if kind in _LOST_HINTS:
                line = next(place for one, place in page.lost if one == kind)
                self.work.report(page.file, kind, f"{count} of {page.total} boxes", _LOST_HINTS[kind], line)

    def _write(self, page: FoundPage, path: Path, image: PageImage, boxes: list[DrawnBox]) -> None:
        identity = os.path.realpath(path)
        written = self._pages.get(identity)
        if written is None:
            name = self.work.place("images", path.parent, with_suffix(path.name, image.data))
            self.work.put(name, image.data)
            self._pages[identity] = _Written(name=name, file=page.file, boxes=boxes, known=set(boxes))
            return
        hint = f"{written.file} is about the same image: the boxes of both are on one line"
        self.work.report(page.file, "image_labelled_twice", path.name, hint, page.line)
        new = [box for box in boxes if box not in written.known]
        written.known.update(new)
        self.work.skipped["same_box_twice"] += len(boxes) - len(new)
        written.boxes += new

    def finish(self) -> Conversion:
        """Write the labels, with the texts that are chosen over all boxes."""
        pages = list(self._pages.values())
        drawn = [box for page in pages for box in page.boxes]
        texts = choose_texts(drawn, text_from=self._text_from, difficult=self._difficult)
        self.work.problems += texts.problems(self.work.src)
        for page in pages:
            self._note_texts(page, texts)
        for kind, note in sorted(self._notes.items()):
            value = f"{note.count} boxes in {note.images} images; here is the first"
            own, hint = texts.said.get(kind, ("", _HINTS.get(kind, "")))
            self.work.report(note.file, kind, own or value, hint, note.line)
        return Conversion(
            labels=self.work.put_labels(
                "Label.txt", ((page.name, [texts.box(one) for one in page.boxes]) for page in pages)
            ),
            images=len(pages),
            boxes=sum(len(page.boxes) for page in pages),
            skipped=dict(sorted((+self.work.skipped).items())),
            problems=tuple(self.work.problems),
        )


def _box(found: FoundBox, page: FoundPage, image: PageImage) -> tuple[DrawnBox, tuple[str, ...]]:
    """The box and what was changed in making it. Raises `NoRegion`."""
    text = one_line(found.text) if isinstance(found.text, str) else None
    if text is None and found.text is not None:
        raise NoRegion("bad_text")
    if len(found.points) > _MOST_POINTS:
        raise NoRegion("too_many_points")
    across, down = (image.width, image.height) if page.shares else (1, 1)
    points = [(x * across, y * down) for x, y in found.points]
    corners = [point for index, point in enumerate(points) if point != points[index - 1]]
    if len(corners) < 3:
        raise NoRegion("no_area" if len(points) > 2 else "too_few_points")
    # Four points stay four, so that a corner given twice does not turn the box.
    outline = points if len(points) == 4 and len(corners) < 4 else corners
    ordered = read_order(outline) if found.reading_order else as_region(outline)
    region = fit_region(ordered, image.width, image.height, drawn=outline, notes=found.notes)
    drawn = DrawnBox(
        points=region.points,
        text=text,
        label=one_line(found.label) or "",
        others=found.others,
        difficult=found.difficult,
        file=page.file,
        line=found.line or page.line,
    )
    return drawn, region.notes


def convert_pages(
    work: ConvertedFolder,
    pages: Iterable[FoundPage],
    *,
    tool: str,
    text_from: str = AUTO,
    difficult: str = AUTO,
) -> Conversion:
    """Write all pages; raises `DataError` where a reader found no page of the tool's and nothing to say of that.

    `text_from` is "label" for the names of classes as texts, "description" for the tool's field for texts alone, "auto" for
    that field and, where a box has none, the class if it may be a text. `difficult` says what becomes of such boxes.
    """
    writer = PageWriter(work, text_from=text_from, difficult=difficult)
    count = 0
    for page in pages:
        writer.add(page)
        count += 1
    if not count and not work.problems:
        raise DataError(
            f"{work.src} has no file of {tool}",
            hint="Give the folder with the tool's export; `convert auto` finds the tool.",
        )
    return writer.finish()


def as_points(values: Sequence[Any]) -> list[Point] | None:
    """x, y, x, y, ... as points; None where one is not a coordinate or there is an odd number."""
    numbers = [finite(value) for value in values]
    if len(numbers) % 2 or len(numbers) < 2 or any(number is None for number in numbers):
        return None
    pairs = iter([number for number in numbers if number is not None])
    return list(zip(pairs, pairs, strict=True))


def as_size(width: Any, height: Any) -> tuple[int, int] | None:
    """A size in pixels; None where a tool writes none, or a size that no image has."""
    sides = [finite(side) for side in (width, height)]
    if any(side is None or side < 1 for side in sides):
        return None
    return int(sides[0] or 0), int(sides[1] or 0)


def load_json(work: ConvertedFolder, path: Path) -> Any:
    """The JSON of a file; None, and a problem, where it cannot be read."""
    data = load_bytes(work, path)
    if data is None:
        return None
    try:
        return parse_json(data)
    except UnicodeDecodeError as exc:
        work.report(path, "not_utf8", exc.reason, "save the file as UTF-8")
    except ValueError as exc:
        work.report(path, "bad_json", exc, "the file is damaged: export it again")
    work.skipped["file_unreadable"] += 1
    return None


def load_lines(work: ConvertedFolder, path: Path) -> list[str] | None:
    """The lines of a text file in UTF-8, without BOM and line ends; None, and a problem, where it cannot be read."""
    data = load_bytes(work, path)
    if data is None:
        return None
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as exc:
        work.report(path, "not_utf8", exc.reason, "save the file as UTF-8")
        work.skipped["file_unreadable"] += 1
        return None
    # Not splitlines: a text may hold other breaks, such as U+2028.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def load_bytes(work: ConvertedFolder, path: Path) -> bytes | None:
    """All of a file; None, and a problem, where it cannot be read or is too large."""
    try:
        return read_regular(path, MAX_BYTES)
    except OSError as exc:
        work.report(path, "unreadable", exc.strerror, "check the file's permissions and its size")
        work.skipped["file_unreadable"] += 1
        return None


def load_xml(work: ConvertedFolder, path: Path) -> Element | None:
    """The root of an XML file; None, and a problem, where it cannot be read."""
    try:
        return read_xml(path)
    except (OSError, DocumentError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
    work.report(path, "bad_xml", reason, "the file is damaged: export it again")
    work.skipped["file_unreadable"] += 1
    return None


def report_other(work: ConvertedFolder, path: Path, tool: str) -> None:
    """A file with the right suffix that is not the tool's."""
    work.report(path, "other_file", path.name, f"not in the format of {tool}: passed over")
