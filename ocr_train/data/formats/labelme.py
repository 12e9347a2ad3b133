"""Converts LabelMe's JSON files to PaddleOCR detection labels.

Format: LabelMe 2.4 to 7.1 (`label_file.py`): one JSON an image, `imagePath` relative to the JSON,
`imageData` null or the image's file in base64, `shapes` in pixels. What a shape becomes stands in
`ocr_train.data.formats.labelme_shapes`.

Only files under the source folder are read, whatever `imagePath` says, and only files under the result folder
are written. What cannot be used is a `ConversionProblem`, never an exception.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.data.formats.conversion import (
    Conversion,
    ConversionProblem,
    one_line,
    put_file,
    require_own_folder,
)
from ocr_train.data.formats.labelme_shapes import NoRegion, shape_region
from ocr_train.data.formats.source_files import SourceFiles
from ocr_train.data.image_files import (
    IMAGE_SUFFIXES,
    UniquePaths,
    base_name,
    decode_or_none,
    encode_image,
    image_suffix,
    safe_name,
)
from ocr_train.data.labels import Box, format_boxes, format_line, shorten
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.documents import read_json
from ocr_train.ocr_engine.files import read_regular

TEXT_KEYS = ("label", "description")

_FIRST_WITH_EXIF = (3, 7)

_SHAPE_HINTS = {
    "clipped": "these shapes reach outside the image; the part outside was cut off",
    "line_widened": "lines have no height: each became a box 10 px wide; draw polygons or rectangles instead",
    "mask_missing": "the mask is not a PNG; the rectangle between its two corners was taken",
    "no_text": "the text is empty: fine for detection, but such boxes give no crops for recognition",
}


@dataclass(frozen=True, kw_only=True)
class _Image:
    """The image of one JSON: the `data` to write under `name`, its size as OpenCV decodes it, and what tells
    whether another JSON means the same one."""

    data: bytes
    name: str
    width: int
    height: int
    identity: str


@dataclass(kw_only=True)
class _Page:
    """An image that was written and the boxes found for it so far."""

    file: str
    json: Path
    boxes: list[Box]


@dataclass(kw_only=True)
class _Work:
    """What a conversion has found so far."""

    src: Path
    out: Path
    text_from: str
    overwrite: bool
    source: SourceFiles
    names: UniquePaths = field(default_factory=UniquePaths)
    pages: dict[str, _Page] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[ConversionProblem] = field(default_factory=list)

    def report(self, file: Path, kind: str, value: object, hint: str) -> None:
        """Note a problem."""
        self.problems.append(
            ConversionProblem(file=str(file), kind=kind, value=shorten(str(value), 200), hint=hint)
        )


def is_labelme(path: Path) -> bool:
    """Whether the JSON file is LabelMe's: it has `shapes`."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def convert_labelme(src: Path, out: Path, *, text_from: str = "label", overwrite: bool = False) -> Conversion:
    """Convert every LabelMe JSON under `src` to `out/Label.txt` and `out/images/`.

    The transcription is each shape's `text_from`, "label" or "description", as one line. Images keep their
    folders and names; where the file is missing, the embedded one is written. Polygons keep their points.
    Two JSON files about one image give one line with the boxes of both. Pages without a box are left out,
    since PaddleOCR would train on a random other one instead.

    Raises `ConfigError` for another `text_from`; `DataError` where `src` holds no JSON file, `out` holds
    `src`, or a file of another content exists in `out` and `overwrite` is not set.
    """
    if text_from not in TEXT_KEYS:
        raise ConfigError(
            f"text_from={text_from!r} is not a place for the text", hint=f"It is one of {TEXT_KEYS}."
        )
    if not src.is_dir():
        raise DataError(f"{src} is not a folder", hint="Give the folder with LabelMe's JSON files.")
    require_own_folder(src, out)
    source = SourceFiles(src, out)
    jsons = source.with_suffix(".json")
    if not jsons:
        raise DataError(f"{src} has no JSON file", hint="LabelMe saves one JSON file for each image.")
    work = _Work(src=src, out=out, text_from=text_from, overwrite=overwrite, source=source)
    for path in jsons:
        _convert_file(work, path)
    pages = list(work.pages.values())
    text = "".join(format_line(page.file, format_boxes(page.boxes)) for page in pages)
    put_file(out / "Label.txt", text.encode(), overwrite=overwrite)
    return Conversion(
        labels=out / "Label.txt",
        images=len(pages),
        boxes=sum(len(page.boxes) for page in pages),
        skipped=dict(sorted(work.skipped.items())),
        problems=tuple(work.problems),
    )


def _convert_file(work: _Work, path: Path) -> None:
    content = _read_json(work, path)
    if content is None:
        return
    image = _find_usable_image(work, path, content)
    if image is None:
        work.skipped["page_without_image"] += 1
        return
    boxes = _make_boxes(work, path, content["shapes"], image)
    if not boxes:
        work.skipped["page_without_boxes"] += 1
        return
    page = work.pages.get(image.identity)
    if page is not None:
        work.report(
            path,
            "image_labelled_twice",
            page.file,
            f"{page.json} is about the same image: the boxes of both are on one line; keep one of the two",
        )
        page.boxes += [box for box in boxes if box not in page.boxes]
        return
    folder = [safe_name(part) for part in path.parent.relative_to(work.src).parts]
    file = work.names.take("/".join(["images", *folder, safe_name(image.name)]))
    put_file(work.out / file, image.data, overwrite=work.overwrite)
    work.pages[image.identity] = _Page(file=file, json=path, boxes=boxes)


def _read_json(work: _Work, path: Path) -> Mapping[str, Any] | None:
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


def _make_boxes(work: _Work, path: Path, shapes: list[Any], image: _Image) -> list[Box]:
    boxes: list[Box] = []
    notes: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for shape in shapes:
        try:
            box, changes = _make_box(shape, work.text_from, image)
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


def _make_box(shape: object, text_from: str, image: _Image) -> tuple[Box, tuple[str, ...]]:
    """The box of one shape, and what was changed in making it. Raises `NoRegion` where it gives none."""
    if not isinstance(shape, dict):
        raise NoRegion("bad_shape")
    region = shape_region(shape, image.width, image.height)
    value = shape.get(text_from)
    text = one_line("" if value is None else value) if isinstance(value, str | None) else None
    if text is None:
        raise NoRegion("bad_text")
    return Box(transcription=text, points=region.points), region.notes if text else (*region.notes, "no_text")


def _find_usable_image(work: _Work, path: Path, content: Mapping[str, Any]) -> _Image | None:
    """The image file or, where that is missing, unreadable or of another size, the embedded image."""
    written = content.get("imagePath")
    name = base_name(written) if isinstance(written, str) else ""
    found = work.source.find_image(path.parent, written) if isinstance(written, str) and name else None
    reasons = []
    if found is not None:
        fitted = _fit(_read_bytes(found), content)
        if isinstance(fitted, _Fitted):
            if fitted.exif_dropped:
                work.report(
                    path,
                    "exif_dropped",
                    found,
                    "labelled before EXIF rotation: the image was written as PNG, unrotated",
                )
            stored_name = f"{Path(found.name).stem}.png" if fitted.exif_dropped else found.name
            return _make_image(fitted, stored_name, os.path.realpath(found))
        reasons.append((fitted, found))
    embedded = content.get("imageData")
    if isinstance(embedded, str) and embedded:
        fitted = _fit(_decode_base64(embedded), content)
        if isinstance(fitted, _Fitted):
            return _make_image(fitted, name or path.stem, str(path))
        reasons.append((fitted, Path("imageData")))
    if not reasons:
        work.report(path, "image_missing", written, "put the image next to the JSON, or save with image data")
    for kind, where in reasons:
        work.report(path, kind, where, _IMAGE_HINTS[kind])
    return None


_IMAGE_HINTS = {
    "unreadable_image": "OpenCV cannot read it: save it as JPEG or PNG",
    "size_mismatch": "the image is not as large as the JSON says, its shapes would be in wrong places: label it again",
}


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """Image data that fits its JSON; `exif_dropped` says that it was written again without a rotation."""

    data: bytes
    width: int
    height: int
    exif_dropped: bool = False


def _fit(data: bytes, content: Mapping[str, Any]) -> _Fitted | str:
    """The image in the orientation in which it was labelled, or the kind of problem that it has.

    LabelMe rotates as EXIF says since 3.7 (2019), as OpenCV does. Shapes of a file from before, or of another
    tool, may lie in the unrotated image: then that is what is written.
    """
    image = decode_or_none(data)
    if image is None:
        return "unreadable_image"
    height, width = image.shape[:2]
    declared = _declared_size(content)
    before_exif = _version(content) < _FIRST_WITH_EXIF
    if declared in (None, (width, height)) and not before_exif:
        return _Fitted(data=data, width=width, height=height)
    stored = decode_or_none(data, ignore_exif=True)
    stored_height, stored_width = stored.shape[:2]
    if declared in (None, (stored_width, stored_height)):
        if stored.shape == image.shape and bool((stored == image).all()):
            return _Fitted(data=data, width=width, height=height)
        png = encode_image(stored, ".png")
        return _Fitted(data=png, width=stored_width, height=stored_height, exif_dropped=True)
    if declared == (width, height):
        return _Fitted(data=data, width=width, height=height)
    return "size_mismatch"


def _declared_size(content: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = content.get("imageWidth"), content.get("imageHeight")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _version(content: Mapping[str, Any]) -> tuple[int, ...]:
    """Major and minor version; that of today for a file that does not say, as other tools write them."""
    parts = str(content.get("version") or "").split(".")[:2]
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        return tuple(int(part) for part in parts)
    return _FIRST_WITH_EXIF


def _make_image(fitted: _Fitted, name: str, identity: str) -> _Image:
    """Give the image a suffix that says what its data is."""
    suffix = image_suffix(fitted.data) or PurePosixPath(name).suffix
    own = PurePosixPath(name).suffix.lower()
    same = {own, suffix} in ({".jpg", ".jpeg"}, {".tif", ".tiff"}) or own == suffix
    if not same:
        name = f"{PurePosixPath(name).stem if own in IMAGE_SUFFIXES else name}{suffix}"
    return _Image(data=fitted.data, name=name, width=fitted.width, height=fitted.height, identity=identity)


def _read_bytes(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError:
        return b""


def _decode_base64(text: str) -> bytes:
    """The bytes; none where it is not base64. A `data:image/...;base64,` in front is passed over."""
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text)
    except (binascii.Error, ValueError):
        return b""
