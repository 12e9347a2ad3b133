"""Converts what VGG Image Annotator (VIA 1 and 2) saves: the project, annotations as JSON, annotations as CSV.

| shape | region |
|---|---|
| `rect` | x, y, width, height |
| `polygon`, `polyline` that is closed | its points |
| `circle`, `ellipse` (`theta` in radians clockwise) | a polygon of 16 points |
| `point` | no region |
| `polyline` | lost, and said |

The text is a region attribute: a known name such as `text` or `transcription`, else the only one there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.difficult import AUTO
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    as_points,
    convert_pages,
    load_json,
    load_lines,
    report_other,
)
from ocr_train.data.formats.peek import FilePeek, delimiter_of, read_rows, split_header
from ocr_train.data.formats.regions import ellipse, finite, rectangle
from ocr_train.data.formats.texts import attribute_class, attribute_text, has_hard_mark, other_texts
from ocr_train.data.labels import Point
from ocr_train.ocr_engine.documents import parse_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

_METADATA = "_via_img_metadata"
_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_NO_REGION = {"point": "point", "": ""}


def is_via(peek: FilePeek) -> bool:
    """Whether it is a project, images with regions, or a table of regions."""
    if peek.suffix == ".csv":
        return _is_header(peek.header)
    return _images(peek.json) is not None


def _is_header(header: tuple[str, ...]) -> bool:
    return set(_COLUMNS) <= {name.lstrip("#") for name in header}


def _images(content: Any) -> list[Any] | None:
    """The entries of the images; None where the JSON is not VIA's."""
    if not isinstance(content, dict):
        return None
    project = content.get(_METADATA)
    if isinstance(project, dict):
        return list(project.values())
    values = list(content.values())
    own = bool(values) and any(
        isinstance(one, dict)
        and isinstance(one.get("filename"), str)
        and isinstance(one.get("regions"), list | dict)
        for one in values
    )
    return values if own else None


def convert_via(
    src: Path,
    out: Path,
    *,
    text_key: str = "",
    text_from: str = AUTO,
    difficult: str = AUTO,
    overwrite: bool = False,
    **folder: Unpack[FolderOptions],
) -> Conversion:
    """Convert every file of VIA under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does.

    `text_key` names the region attribute that has the text; `text_from` and `difficult` are those of `convert_pages`.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    pages = _pages(work, text_key)
    return convert_pages(work, pages, tool="VIA", text_from=text_from, difficult=difficult)


def _pages(work: ConvertedFolder, text_key: str) -> Iterator[FoundPage]:
    for path in work.with_suffix(".json"):
        content = load_json(work, path)
        if content is None:
            continue
        images = _images(content)
        if images is None:
            report_other(work, path, "VIA")
            continue
        for image in images:
            yield _read_image(path, image, text_key)
    for path in work.with_suffix(".csv"):
        lines = load_lines(work, path)
        if lines is None:
            continue
        if not lines or not _is_header(split_header(lines[0])):
            report_other(work, path, "VIA")
            continue
        yield from _read_table(path, lines, text_key)


def _read_image(path: Path, image: Any, text_key: str) -> FoundPage:
    page = FoundPage(file=path)
    if not isinstance(image, dict):
        page.lose("bad_box")
        return page
    name = image.get("filename")
    page.written = (name,) if isinstance(name, str) and name else ()
    regions = image.get("regions")
    found = list(regions.values()) if isinstance(regions, dict) else regions
    if not isinstance(found, list):
        page.lose("bad_box")
        return page
    for region in found:
        if isinstance(region, dict):
            _add(page, region.get("shape_attributes"), region.get("region_attributes"), text_key, 0)
        else:
            page.lose("bad_box")
    return page


def _read_table(path: Path, lines: list[str], text_key: str) -> Iterator[FoundPage]:
    header = [name.lstrip("#") for name in split_header(lines[0])]
    pages: dict[str, FoundPage] = {}
    stray = FoundPage(file=path)
    for row in read_rows(lines, delimiter_of(lines[0])):
        line = row.line
        cells = dict(zip(header, row.cells, strict=False))
        if row.broken or row.lines > 1 or not all(cells.get(name) is not None for name in _COLUMNS):
            stray.lose("bad_line", line, count=row.lines)
            continue
        page = pages.setdefault(cells["filename"], FoundPage(file=path, written=(cells["filename"],)))
        shape, attributes = _parsed(cells[_COLUMNS[1]]), _parsed(cells[_COLUMNS[2]])
        # An image without regions has one line, too.
        if shape != {} or cells.get("region_count") not in ("0", None):
            _add(page, shape, attributes, text_key, line)
    yield from pages.values()
    if stray.lost:
        yield stray


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return None


def _add(page: FoundPage, shape: Any, attributes: Any, text_key: str, line: int) -> None:
    if not isinstance(shape, dict):
        page.lose("bad_box", line)
        return
    kind = shape.get("name")
    if kind == "point":
        page.lose("point", line)
        return
    points = _outline(shape, kind)
    if points is None:
        page.lose("not_a_region" if kind == "polyline" else "bad_points", line)
        return
    given: Mapping[str, Any] = attributes if isinstance(attributes, dict) else {}
    page.boxes.append(
        FoundBox(
            points=points,
            text=attribute_text(given, text_key),
            label="" if text_key else attribute_class(given),
            others=() if text_key else other_texts(given),
            difficult=has_hard_mark(given),
            line=line,
        )
    )


def _outline(shape: Mapping[str, Any], kind: Any) -> list[Point] | None:
    if kind in ("polygon", "polyline"):
        across, down = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(across, list) or not isinstance(down, list) or len(across) != len(down):
            return None
        if kind == "polyline" and (len(across) < 5 or (across[0], down[0]) != (across[-1], down[-1])):
            return None
        return as_points([value for pair in zip(across, down, strict=True) for value in pair])
    names = {
        "rect": ("x", "y", "width", "height"),
        "circle": ("cx", "cy", "r", "r"),
        "ellipse": ("cx", "cy", "rx", "ry"),
    }
    numbers = [number for name in names.get(str(kind), ()) if (number := finite(shape.get(name))) is not None]
    if len(numbers) != 4:
        return None
    first, second, third, fourth = numbers
    if kind == "rect":
        return rectangle(first, second, first + third, second + fourth)
    return ellipse(first, second, third, fourth, math.degrees(finite(shape.get("theta", 0)) or 0.0))
