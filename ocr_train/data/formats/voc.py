"""Converts Pascal VOC XML: a file an image, as LabelImg, Roboflow and others write it.

A box is an `object`: `bndbox` (xmin, ymin, xmax, ymax), `polygon` (x1, y1, x2, y2, ...), or roLabelImg's `robndbox` (centre,
width, height, angle in radians clockwise). The text is the `text` or `transcription` of the object or of its attributes, where
a tool writes one, else its `name`, where names are not classes alone. `difficult` 1 becomes `###`, unless it is to be kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.difficult import AUTO, is_difficult
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    as_points,
    as_size,
    convert_pages,
    load_xml,
    report_other,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import finite, rectangle, turned
from ocr_train.data.formats.xml_reader import Element
from ocr_train.data.labels import Point

if TYPE_CHECKING:
    from typing_extensions import Unpack

_TEXT_TAGS = ("transcription", "text", "ocr", "value")


def is_voc(peek: FilePeek) -> bool:
    """Whether it is the XML of one image with objects."""
    return peek.xml is not None and _is_voc(peek.xml)


def _is_voc(root: Element) -> bool:
    return root.tag == "annotation" and (
        root.first("filename") is not None or root.first("object") is not None
    )


def convert_voc(
    src: Path,
    out: Path,
    *,
    text_from: str = AUTO,
    difficult: str = AUTO,
    overwrite: bool = False,
    **folder: Unpack[FolderOptions],
) -> Conversion:
    """Convert every XML file under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does.

    `text_from` and `difficult` are those of `convert_pages`.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work), tool="Pascal VOC", text_from=text_from, difficult=difficult)


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
        page.boxes.append(
            FoundBox(
                points=points,
                text=_text(one),
                label=one.value("name") or "",
                difficult=is_difficult(one.value("difficult")),
                reading_order=in_order,
                line=one.line,
            )
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


def _text(one: Element) -> str | None:
    return next((value for tag in _TEXT_TAGS if (value := one.value(tag))), None) or _attribute(one)


def _attribute(one: Element) -> str | None:
    """A text among `attributes`, as CVAT and Datumaro write them."""
    group = one.first("attributes")
    for attribute in group.all("attribute") if group else ():
        if attribute.value("name").lower() in _TEXT_TAGS and attribute.value("value"):
            return attribute.value("value")
    return None
