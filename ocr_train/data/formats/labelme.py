"""Converts LabelMe's JSON files to PaddleOCR detection labels.

Format: LabelMe 2.4 to 7.1 (`label_file.py`): one JSON an image, `imagePath` relative to the JSON,
`imageData` null or the image's file in base64, `shapes` in pixels. What a shape becomes stands in
`ocr_train.data.formats.labelme_shapes`.

Only files under the source folder are read, whatever `imagePath` says, and only files under the result folder
are written. What cannot be used is a problem of the conversion, never an exception.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.data.formats.conversion import (
    CLIPPED_HINT,
    MENDED_HINT,
    Conversion,
    ConvertedFolder,
    one_line,
)
from ocr_train.data.formats.labelme_shapes import decode_base64, shape_region
from ocr_train.data.formats.page_image import (
    IMAGE_HINTS,
    PageImage,
    fit_image,
    read_image_bytes,
    with_suffix,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import NoRegion
from ocr_train.data.image_files import base_name, decode_or_none
from ocr_train.data.labels import Box
from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import read_regular

EMBEDDED = "imageData"
_FIRST_WITH_EXIF = (3, 7)
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.|$)")

_SHAPE_HINTS = {
    "clipped": CLIPPED_HINT,
    "mended": MENDED_HINT,
    "line_widened": "lines have no height: each became a box 10 px wide; draw polygons or rectangles instead",
    "mask_missing": "the mask is not a PNG; the rectangle between its two corners was taken",
    "no_text": "the text is empty: fine for detection, but such boxes give no crops for recognition",
}


@dataclass(frozen=True, kw_only=True)
class _Image:
    """The image of a JSON file; two JSON files are about one image where its `identity` is the same."""

    image: PageImage
    name: str
    identity: str


@dataclass(kw_only=True)
class _Page:
    """An image that was written and the boxes found for it so far."""

    file: str
    json: Path
    boxes: list[Box]


def is_labelme(peek: FilePeek) -> bool:
    """Whether the JSON file is LabelMe's: it has `shapes`."""
    return isinstance(peek.keys.get("shapes"), list)


def convert_labelme(src: Path, out: Path, *, text_from: str = "label", overwrite: bool = False) -> Conversion:
    """Convert every LabelMe JSON under `src` to `out/Label.txt` and `out/images/`.

    The transcription is each shape's `text_from`, "label" or "description", as one line. Images keep their
    folders and names; where the file is missing, the embedded one is written. Polygons keep their points.
    Two JSON files about one image give one line with the boxes of both. Pages without a box are left out,
    since PaddleOCR would train on a random other one instead.

    Raises `DataError` where `src` holds no JSON file, `out` holds `src`, or a file of another content exists in
    `out` and `overwrite` is not set.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite)
    jsons = work.with_suffix(".json")
    if not jsons:
        raise DataError(f"{src} has no JSON file", hint="LabelMe saves one JSON file for each image.")
    pages: dict[str, _Page] = {}
    for path in jsons:
        _convert_file(work, pages, path, text_from)
    return Conversion(
        labels=work.put_labels("Label.txt", ((page.file, page.boxes) for page in pages.values())),
        images=len(pages),
        boxes=sum(len(page.boxes) for page in pages.values()),
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
    boxes = _make_boxes(work, path, content["shapes"], text_from, image.image)
    if not boxes:
        work.skipped["page_without_boxes"] += 1
        return
    page = pages.get(image.identity)
    if page is not None:
        hint = f"{page.json} is about the same image: the boxes of both are on one line; keep one of the two"
        work.report(path, "image_labelled_twice", page.file, hint)
        page.boxes += [box for box in boxes if box not in page.boxes]
        return
    file = work.place("images", path.parent, image.name)
    work.put(file, image.image.data)
    pages[image.identity] = _Page(file=file, json=path, boxes=boxes)


def _read_json(work: ConvertedFolder, path: Path) -> Mapping[str, Any] | None:
    try:
        content = json.loads(read_regular(path))
    except OSError as exc:
        work.report(path, "unreadable", exc.strerror, "check the file's permissions")
        return None
    except UnicodeDecodeError as exc:
        work.report(
            path, "not_utf8", exc.reason, "save the file as UTF-8; old LabelMe used the system's encoding"
        )
        return None
    except (ValueError, RecursionError) as exc:
        work.report(path, "bad_json", exc, "the file is damaged: save it again in LabelMe")
        return None
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        work.report(path, "not_labelme", type(content).__name__, "a LabelMe file is an object with `shapes`")
        return None
    return content


def _make_boxes(
    work: ConvertedFolder, path: Path, shapes: list[Any], text_from: str, image: PageImage
) -> list[Box]:
    boxes: list[Box] = []
    notes: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for shape in shapes:
        try:
            box, changes = _make_box(shape, text_from, image)
        except NoRegion as exc:
            lost[exc.reason] += 1
        else:
            boxes.append(box)
            notes.update(changes)
    work.skipped.update(lost)
    for kind, count in sorted(notes.items()):
        work.report(path, kind, f"{count} of {len(shapes)} shapes", _SHAPE_HINTS[kind])
    for kind, count in sorted(lost.items()):
        if kind not in ("point", "points"):
            work.report(path, kind, f"{count} of {len(shapes)} shapes", "skipped: draw them again in LabelMe")
    return boxes


def _make_box(shape: object, text_from: str, image: PageImage) -> tuple[Box, tuple[str, ...]]:
    """The box of one shape, and what was changed in making it. Raises `NoRegion` where it gives none."""
    if not isinstance(shape, dict):
        raise NoRegion("bad_shape")
    region = shape_region(shape, image.width, image.height)
    value = shape.get(text_from)
    text = one_line("" if value is None else value) if isinstance(value, str | None) else None
    if text is None:
        raise NoRegion("bad_text")
    return Box(transcription=text, points=region.points), region.notes if text else (*region.notes, "no_text")


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
    """LabelMe rotates as EXIF says since 3.7 (2019); shapes of a file from before lie in the unrotated image."""
    if decode_or_none(data) is None:
        return "unreadable_image"
    return fit_image(data, _declared_size(content), before_exif=_version(content) < _FIRST_WITH_EXIF)


def _declared_size(content: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = content.get("imageWidth"), content.get("imageHeight")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _version(content: Mapping[str, Any]) -> tuple[int, ...]:
    """Major and minor version; that of today for a file that does not say, as other tools write them."""
    found = _VERSION.match(str(content.get("version") or ""))
    return (int(found[1]), int(found[2])) if found else _FIRST_WITH_EXIF
