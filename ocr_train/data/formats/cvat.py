"""Converts CVAT's XML "CVAT for images 1.1": one file for all images.

| shape | region |
|---|---|
| `box` | xtl, ytl, xbr, ybr, turned by `rotation` (degrees clockwise) about its centre |
| `polygon` | its `points`, x,y;x,y;... |
| `ellipse` | a polygon of 16 points |
| `points`, `tag` | no region |
| `mask` | the outline of its run lengths |
| `polyline`, `cuboid`, `skeleton` | lost, and said |

The text is an attribute of the shape, else its label, where labels are not classes alone. Shapes with an attribute such as
`difficult` or `illegible` that is true are ignored unless they are to be kept. CVAT turns images as EXIF says, as OpenCV does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.difficult import AUTO
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.masks import outline_of_cvat
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
from ocr_train.data.formats.regions import ellipse, finite, rectangle, turned
from ocr_train.data.formats.texts import attribute_class, attribute_text, has_hard_mark, other_texts
from ocr_train.data.formats.xml_reader import Element
from ocr_train.data.labels import Point

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NO_REGION = {"points": "points"}
_OF_THE_IMAGE = frozenset({"tag", "attribute"})
"""What stands beside the shapes and is none."""


def is_cvat(peek: FilePeek) -> bool:
    """Whether it is CVAT's XML for images, with one image at least."""
    return peek.xml is not None and _is_cvat(peek.xml)


def _is_cvat(root: Element) -> bool:
    return root.tag == "annotations" and root.first("image") is not None


def convert_cvat(
    src: Path,
    out: Path,
    *,
    text_key: str = "",
    text_from: str = AUTO,
    difficult: str = AUTO,
    overwrite: bool = False,
    **folder: Unpack[FolderOptions],
) -> Conversion:
    """Convert every CVAT XML under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does.

    `text_key` names the attribute that has the text; `text_from` and `difficult` are those of `convert_pages`.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    pages = _pages(work, text_key)
    return convert_pages(work, pages, tool="CVAT for images", text_from=text_from, difficult=difficult)


def _pages(work: ConvertedFolder, text_key: str) -> Iterator[FoundPage]:
    for path in work.with_suffix(".xml"):
        root = load_xml(work, path)
        if root is None:
            continue
        if not _is_cvat(root):
            report_other(work, path, "CVAT for images")
            continue
        for image in root.all("image"):
            yield _page(path, image, text_key)


def _page(path: Path, image: Element, text_key: str) -> FoundPage:
    given = image.attributes
    page = FoundPage(
        file=path,
        written=(name,) if (name := given.get("name", "")) else (),
        size=as_size(given.get("width"), given.get("height")),
        line=image.line,
    )
    for shape in image.children:
        if shape.tag in _NO_REGION:
            page.lose(_NO_REGION[shape.tag], shape.line)
        elif shape.tag in ("box", "polygon", "ellipse", "mask"):
            _add(page, shape, text_key)
        elif shape.tag not in _OF_THE_IMAGE:
            # Polylines, cuboids, skeletons, and what another version may have.
            page.lose("not_a_region", shape.line)
    return page


def _add(page: FoundPage, shape: Element, text_key: str) -> None:
    points = _outline(shape)
    if points is None:
        page.lose("not_a_region" if shape.tag == "mask" else "bad_points", shape.line)
        return
    attributes = {one.attributes.get("name", ""): one.text for one in shape.all("attribute")}
    text = attribute_text(attributes, text_key)
    label = attribute_class(attributes) or shape.attributes.get("label", "")
    page.boxes.append(
        FoundBox(
            points=points,
            text=text,
            label="" if text_key else label,
            others=() if text_key else other_texts(attributes),
            difficult=has_hard_mark(attributes),
            reading_order=shape.tag == "box",
            line=shape.line,
        )
    )


def _outline(shape: Element) -> list[Point] | None:
    given = shape.attributes
    if shape.tag == "mask":
        return outline_of_cvat(given)
    angle = finite(given.get("rotation", "0"))
    if shape.tag == "polygon":
        return as_points([value for pair in given.get("points", "").split(";") for value in pair.split(",")])
    names = ("xtl", "ytl", "xbr", "ybr") if shape.tag == "box" else ("cx", "cy", "rx", "ry")
    numbers = [number for name in names if (number := finite(given.get(name))) is not None]
    if len(numbers) != 4 or angle is None:
        return None
    first, second, third, fourth = numbers
    if shape.tag == "ellipse":
        return ellipse(first, second, third, fourth, angle)
    centre = ((first + third) / 2, (second + fourth) / 2)
    return turned(rectangle(*numbers), angle, centre) if angle else rectangle(*numbers)
