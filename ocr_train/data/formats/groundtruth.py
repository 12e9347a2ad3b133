"""Converts the output manifest of Amazon SageMaker Ground Truth's bounding box jobs: JSON lines, one an image.

A line has `source-ref` (the image's S3 address; here the file of its name is taken), the job's answer under the job's name
(`image_size`, `annotations` with left, top, width, height in pixels) and `<job>-metadata` with the `class-map`. Ground Truth has
no texts: a class is taken for the text unless it is a general word such as "text". Of several jobs in a line all boxes are
taken, each once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.difficult import AUTO
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    as_size,
    convert_pages,
    load_lines,
    report_other,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import finite, rectangle
from ocr_train.data.formats.texts import class_text
from ocr_train.ocr_engine.documents import parse_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

SUFFIXES = (".manifest", ".jsonl", ".json")
_SOURCE = "source-ref"


def is_groundtruth(peek: FilePeek) -> bool:
    """Whether all of the first lines have a `source-ref`, and one a job's boxes."""
    return (
        bool(peek.rows) and all(_SOURCE in row for row in peek.rows) and any(_jobs(row) for row in peek.rows)
    )


def convert_groundtruth(
    src: Path, out: Path, *, text_from: str = AUTO, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every manifest under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does.

    `text_from` is that of `convert_pages`.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work), tool="SageMaker Ground Truth", text_from=text_from)


def _pages(work: ConvertedFolder) -> Iterator[FoundPage]:
    for path in (one for suffix in SUFFIXES for one in work.with_suffix(suffix)):
        lines = load_lines(work, path)
        if lines is None:
            continue
        if not any(f'"{_SOURCE}"' in line for line in lines):
            report_other(work, path, "SageMaker Ground Truth")
            continue
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _page(path, number, line)


def _page(path: Path, number: int, line: str) -> FoundPage:
    page = FoundPage(file=path, line=number)
    try:
        row = parse_json(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        page.lose("bad_line")
        return page
    address = row.get(_SOURCE)
    page.written = (address,) if isinstance(address, str) and address else ()
    seen: set[Any] = set()
    for name, job in _jobs(row).items():
        sizes = job.get("image_size")
        size = sizes[0] if isinstance(sizes, list) and sizes and isinstance(sizes[0], dict) else {}
        page.size = page.size or as_size(size.get("width"), size.get("height"))
        classes = _class_map(row.get(f"{name}-metadata"))
        for annotation in job["annotations"]:
            _add(page, annotation, classes, seen)
    return page


def _jobs(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The answers in a line that have boxes."""
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, dict) and isinstance(value.get("annotations"), list)
    }


def _class_map(metadata: Any) -> Mapping[str, Any]:
    found = metadata.get("class-map") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _add(page: FoundPage, annotation: Any, classes: Mapping[str, Any], seen: set[Any]) -> None:
    if not isinstance(annotation, dict):
        page.lose("bad_box")
        return
    numbers = [
        number
        for name in ("left", "top", "width", "height")
        if (number := finite(annotation.get(name))) is not None
    ]
    if len(numbers) != 4:
        page.lose("bad_points")
        return
    left, top, width, height = numbers
    named = classes.get(str(annotation.get("class_id")))
    label = named if isinstance(named, str) else ""
    box = (left, top, width, height, class_text(label))
    if box in seen:
        page.lose("same_box_twice")
        return
    seen.add(box)
    page.boxes.append(
        FoundBox(points=rectangle(left, top, left + width, top + height), label=label, line=page.line)
    )
