"""Converts LabelMe's JSON files to PaddleOCR detection labels.

Format: LabelMe 2.4 to 7.1 (`label_file.py`), AnyLabeling and X-AnyLabeling to 4.0: one JSON an image, `imagePath` relative to
the JSON, `imageData` null or the image's file in base64, `shapes` in pixels. What a shape becomes stands in
`ocr_train.data.formats.labelme_shapes`, which tool wrote a file in `labelme_tool`, where the texts are in `text_choice`.

Only files under the source folder are read, whatever `imagePath` says, and only files under the result folder
are written. What cannot be used is a problem of the conversion, never an exception.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.difficult import AUTO, IGNORE, hint_of_difficult, text_of_difficult
from ocr_train.data.files.image_files import base_name, decode_or_none
from ocr_train.data.formats.conversion import (
    CLIPPED_HINT,
    MENDED_HINT,
    Conversion,
    ConvertedFolder,
    FolderOptions,
    one_line,
)
from ocr_train.data.formats.labelme_shapes import decode_base64, has_unknown_type, shape_region
from ocr_train.data.formats.labelme_tool import drawn_before_exif
from ocr_train.data.formats.page_image import (
    IMAGE_HINTS,
    PageImage,
    fit_image,
    read_image_bytes,
    with_suffix,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import NoRegion
from ocr_train.data.formats.text_choice import LABEL, TextChoice, choose_text_field, text_fields
from ocr_train.data.formats.texts import has_hard_mark
from ocr_train.data.labels import IGNORED_TRANSCRIPTIONS, Box, Point
from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import read_regular

if TYPE_CHECKING:
    from typing_extensions import Unpack

EMBEDDED = "imageData"

_SHAPE_HINTS = {
    "clipped": CLIPPED_HINT,
    "mended": MENDED_HINT,
    "line_widened": "lines have no height: each became a box 10 px wide; draw polygons or rectangles instead",
    "mask_missing": "the mask is not a PNG; the rectangle between its two corners was taken",
    "unknown_shape": "shapes of types that LabelMe does not have: kept as polygons of their points",
}
_NO_TEXT_HINT = "the text is empty: fine for detection, but such boxes give no crops for recognition"


@dataclass(frozen=True, kw_only=True)
class _Image:
    """The image of a JSON file; two JSON files are about one image where its `identity` is the same."""

    image: PageImage
    name: str
    identity: str


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """A shape that has a region, the fields that may have its text, and whether it is difficult."""

    points: tuple[Point, ...]
    fields: Mapping[str, str]
    difficult: bool
    json: Path


@dataclass(kw_only=True)
class _Page:
    """An image that was written and the shapes of each JSON file about it."""

    file: str
    json: Path
    shapes: list[list[_Shape]]


def is_labelme(peek: FilePeek) -> bool:
    """Whether the JSON file is LabelMe's: it has `shapes`."""
    return isinstance(peek.keys.get("shapes"), list)


def convert_labelme(
    src: Path,
    out: Path,
    *,
    text_from: str = AUTO,
    difficult: str = AUTO,
    overwrite: bool = False,
    **folder: Unpack[FolderOptions],
) -> Conversion:
    """Convert every LabelMe JSON under `src` to `out/Label.txt` and `out/images/`.

    The transcription is each shape's `text_from`, "label" or "description", as one line; "auto" decides over all shapes
    under `src`. Shapes that are `difficult` are kept or ignored as that says, ignored where it is "auto". Images keep
    their folders and names; where the file is missing, the embedded one is written. Polygons keep their points. Two JSON
    files about one image give one line with the boxes of both. Pages without a box are left out, since PaddleOCR would
    train on a random other one instead.

    Raises `DataError` where `src` holds no JSON file, `out` holds `src`, or a file of another content exists in
    `out` and `overwrite` is not set.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    jsons = work.with_suffix(".json")
    if not jsons:
        raise DataError(f"{src} has no JSON file", hint="LabelMe saves one JSON file for each image.")
    pages: dict[str, _Page] = {}
    for path in jsons:
        _convert_file(work, pages, path, text_from)
    boxes = _with_texts(work, list(pages.values()), text_from, difficult)
    return Conversion(
        labels=work.put_labels("Label.txt", boxes.items()),
        images=len(pages),
        boxes=sum(map(len, boxes.values())),
        skipped=dict(sorted(work.skipped.items())),
        problems=tuple(work.problems),
    )


def _convert_file(work: ConvertedFolder, pages: dict[str, _Page], path: Path, text_from: str) -> None:
    content = _read_json(work, path)
    if content is None:
        return
    image = _find_usable_image(work, path, content)
    if image is None:
        work.skipped["page_without_image"] += 1
        return
    shapes = _read_shapes(work, path, content["shapes"], text_from, image.image)
    if not shapes and (content["shapes"] or not work.empty_pages):
        work.skipped["page_without_boxes"] += 1
        return
    page = pages.get(image.identity)
    if page is not None:
        hint = f"{page.json} is about the same image: the boxes of both are on one line; keep one of the two"
        work.report(path, "image_labelled_twice", page.file, hint)
        page.shapes.append(shapes)
        return
    file = work.place("images", path.parent, image.name)
    work.put(file, image.image.data)
    pages[image.identity] = _Page(file=file, json=path, shapes=[shapes])


def _with_texts(
    work: ConvertedFolder, pages: list[_Page], text_from: str, difficult: str
) -> dict[str, list[Box]]:
    """The boxes by image, with the texts that are chosen over all of them; what they lack is told once."""
    everything = [shape for page in pages for shapes in page.shapes for shape in shapes]
    choice = choose_text_field([shape.fields for shape in everything], text_from)
    work.problems += choice.problems(work.src)
    hard = [
        shape
        for shape in everything
        if shape.difficult and choice.text(shape.fields) not in IGNORED_TRANSCRIPTIONS
    ]
    empty = [shape for shape in everything if not choice.text(shape.fields)]
    if hard:
        hint = hint_of_difficult(difficult, usual=IGNORE)
        work.report(hard[0].json, "difficult", f"{len(hard)} of {len(everything)} shapes", hint)
    # Where there are no texts at all, why is said above.
    if empty and choice.field:
        work.report(empty[0].json, "no_text", f"{len(empty)} of {len(everything)} shapes", _NO_TEXT_HINT)
    boxes: dict[str, list[Box]] = {}
    for page in pages:
        known: set[Box] = set()
        found = boxes[page.file] = []
        for shapes in page.shapes:
            new = [box for shape in shapes if (box := _make_box(shape, choice, difficult)) not in known]
            known.update(new)
            found += new
    return boxes


def _make_box(shape: _Shape, choice: TextChoice, difficult: str) -> Box:
    text = choice.text(shape.fields)
    if shape.difficult and text not in IGNORED_TRANSCRIPTIONS:
        text = text_of_difficult(text, difficult, usual=IGNORE)
    return Box(transcription=text, points=shape.points)


def _read_json(work: ConvertedFolder, path: Path) -> Mapping[str, Any] | None:
    problem: tuple[str, object, str] | None = None
    try:
        content = json.loads(read_regular(path))
    except OSError as exc:
        problem = ("unreadable", exc.strerror, "check the file's permissions")
    except UnicodeDecodeError as exc:
        problem = ("not_utf8", exc.reason, "save the file as UTF-8; old LabelMe used the system's encoding")
    except (ValueError, RecursionError) as exc:
        problem = ("bad_json", str(exc), "the file is damaged: save it again in LabelMe")
    if problem is not None:
        work.report(path, *problem)
        work.skipped["file_unreadable"] += 1
        return None
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        work.report(path, "not_labelme", type(content).__name__, "a LabelMe file is an object with `shapes`")
        return None
    return content


def _read_shapes(
    work: ConvertedFolder, path: Path, shapes: list[Any], text_from: str, image: PageImage
) -> list[_Shape]:
    """The shapes of a file that have a region; what cannot be used, and what was changed, is told."""
    found: list[_Shape] = []
    notes: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for shape in shapes:
        try:
            one, changes = _read_shape(shape, path, text_from, image)
        except NoRegion as exc:
            lost[exc.reason] += 1
        else:
            found.append(one)
            notes.update(changes)
    work.skipped.update(lost)
    types = Counter(
        str(one["shape_type"]) for one in shapes if isinstance(one, dict) and has_unknown_type(one)
    )
    for kind, count in sorted(notes.items()):
        named = f": {', '.join(sorted(types))}" if kind == "unknown_shape" else ""
        work.report(path, kind, f"{count} of {len(shapes)} shapes{named}", _SHAPE_HINTS[kind])
    for kind, count in sorted(lost.items()):
        if kind not in ("point", "points"):
            named = f": {', '.join(sorted(types))}" if kind == "unknown_shape_type" else ""
            hint = "skipped: draw them again in LabelMe"
            work.report(path, kind, f"{count} of {len(shapes)} shapes{named}", hint)
    return found


def _read_shape(
    shape: object, path: Path, text_from: str, image: PageImage
) -> tuple[_Shape, tuple[str, ...]]:
    """One shape, and what was changed in making its region. Raises `NoRegion` where it gives none."""
    if not isinstance(shape, dict):
        raise NoRegion("bad_shape")
    region = shape_region(shape, image.width, image.height)
    fields = text_fields(shape)
    asked = LABEL if text_from == AUTO else text_from
    value = shape.get(asked)
    # A label that is no text does not matter where another field has one.
    if (text_from != AUTO or not fields) and (
        not isinstance(value, str | None) or one_line(value or "") is None
    ):
        raise NoRegion("bad_text")
    marks = [shape, *(one for name in ("flags", "attributes") if isinstance(one := shape.get(name), dict))]
    hard = any(map(has_hard_mark, marks))
    return _Shape(points=region.points, fields=fields, difficult=hard, json=path), region.notes


def _find_usable_image(work: ConvertedFolder, path: Path, content: Mapping[str, Any]) -> _Image | None:
    """The image file or, where that is missing, unreadable or of another size, the embedded image."""
    reasons = []
    for data, name, where in _candidates(work, path, content):
        image = _fit(data, content)
        if isinstance(image, PageImage):
            if image.exif_dropped:
                hint = "labelled before EXIF rotation: the image was written as PNG, unrotated"
                work.report(path, "exif_dropped", where, hint)
            identity = str(path) if where == EMBEDDED else os.path.realpath(where)
            return _Image(image=image, name=with_suffix(name, image.data), identity=identity)
        reasons.append((image, where))
    if not reasons:
        hint = "put the image next to the JSON, or save with image data"
        work.report(path, "image_missing", content.get("imagePath"), hint)
    for kind, where in reasons:
        work.report(path, kind, where, IMAGE_HINTS[kind])
    return None


def _candidates(
    work: ConvertedFolder, path: Path, content: Mapping[str, Any]
) -> Iterator[tuple[bytes, str, str]]:
    """The bytes that may be the image, the name that they have, and where they are."""
    written = content.get("imagePath")
    name = base_name(written) if isinstance(written, str) else ""
    found = work.find_image(path.parent, written) if isinstance(written, str) and name else None
    if found is not None:
        yield read_image_bytes(found), found.name, str(found)
    embedded = content.get("imageData")
    if isinstance(embedded, str) and embedded:
        yield decode_base64(embedded), name or path.stem, EMBEDDED


def _fit(data: bytes, content: Mapping[str, Any]) -> PageImage | str:
    """The image as its tool showed it."""
    if decode_or_none(data) is None:
        return "unreadable_image"
    return fit_image(data, _declared_size(content), before_exif=drawn_before_exif(content))


def _declared_size(content: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = content.get("imageWidth"), content.get("imageHeight")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None
