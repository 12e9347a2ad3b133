"""Converts Pascal VOC XML: a file an image, as LabelImg, Roboflow and others write it.

A box is an `object`: `bndbox` (xmin, ymin, xmax, ymax), `polygon` (x1, y1, x2, y2, ...), or roLabelImg's `robndbox` (centre,
width, height, angle in radians clockwise). The text is the `text` or `transcription` of the object or of its attributes, where
a tool writes one, else its `name`, unless that is a general word such as "text". `difficult` 1 becomes `###`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ocr_train.data.formats.conversion import Conversion, ConvertedFolder
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    as_points,
    as_size,
    convert_pages,
    load_xml,
    report_other,
    text_of_class,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import finite, rectangle, turned
from ocr_train.data.formats.texts import IGNORED
from ocr_train.data.formats.xml_reader import Element
from ocr_train.data.labels import Point

_TEXT_TAGS = ("transcription", "text", "ocr", "value")


def is_voc(peek: FilePeek) -> bool:
    """Whether it is the XML of one image with objects."""
    return peek.xml is not None and _is_voc(peek.xml)


def _is_voc(root: Element) -> bool:
    return root.tag == "annotation" and (
        root.first("filename") is not None or root.first("object") is not None
    )


def convert_voc(src: Path, out: Path, *, overwrite: bool = False) -> Conversion:
    """Convert every XML file under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite)
    return convert_pages(work, _pages(work), tool="Pascal VOC")


def _pages(work: ConvertedFolder) -> Iterator[FoundPage]:
    for path in work.with_suffix(".xml"):
        root = load_xml(work, path)
        if root is None:
            continue
        if not _is_voc(root):
            report_other(work, path, "Pascal VOC")
            continue
        yield _page(path, root)


def _page(path: Path, root: Element) -> FoundPage:
    size = root.first("size")
    # The name in the file is often one from before the image was renamed.
    names = tuple(name for name in (root.value("filename"), root.value("path")) if name)
    page = FoundPage(
        file=path,
        written=names,
        stems=(path.stem,),
        size=as_size(size.value("width"), size.value("height")) if size else None,
    )
    for one in root.all("object"):
        outline = _outline(one)
        if outline is None:
            page.lose("bad_points", one.line)
            continue
        points, in_order = outline
        text, notes = _text(one)
        page.boxes.append(
            FoundBox(points=points, text=text, reading_order=in_order, line=one.line, notes=notes)
        )
    return page


def _outline(one: Element) -> tuple[list[Point], bool] | None:
    if polygon := one.first("polygon"):
        count = sum(child.tag.startswith("x") for child in polygon.children)
        values = [polygon.value(f"{axis}{number}") for number in range(1, count + 1) for axis in "xy"]
        if (points := as_points(values)) is not None:
            return points, False
    if box := one.first("robndbox"):
        numbers = [finite(box.value(name)) for name in ("cx", "cy", "w", "h", "angle")]
        found = [number for number in numbers if number is not None]
        if len(found) == 5:
            x, y, width, height, angle = found
            corners = rectangle(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            return turned(corners, math.degrees(angle), (x, y)), True
    if box := one.first("bndbox"):
        ends = as_points([box.value(name) for name in ("xmin", "ymin", "xmax", "ymax")])
        return None if ends is None else (rectangle(*ends[0], *ends[1]), False)
    return None


def _text(one: Element) -> tuple[str | None, tuple[str, ...]]:
    text = next((value for tag in _TEXT_TAGS if (value := one.value(tag))), None) or _attribute(one)
    notes: tuple[str, ...] = ()
    if text is None:
        text, notes = text_of_class(one.value("name"))
    if one.value("difficult") == "1" and text != IGNORED:
        return IGNORED, ("difficult",)
    return text, notes


def _attribute(one: Element) -> str | None:
    """A text among `attributes`, as CVAT and Datumaro write them."""
    group = one.first("attributes")
    for attribute in group.all("attribute") if group else ():
        if attribute.value("name").lower() in _TEXT_TAGS and attribute.value("value"):
            return attribute.value("value")
    return None
