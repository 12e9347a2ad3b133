"""Converts YOLO's text files: a file an image, a line a box, in shares of the image's sides.

| line | from |
|---|---|
| `class x y width height [confidence]`, x and y being the centre | YOLO |
| `class x1 y1 x2 y2 x3 y3 x4 y4` | YOLO-OBB: corners in order |
| `class x1 y1 ... xn yn` | YOLO segmentation: a polygon |

YOLO has no text. It is taken from a file `NAME.gt.txt` beside the labels or the image, with a line for each box; else it is
the name of the class (`data.yaml`, `classes.txt` or `obj.names`), unless that is a general word such as "text"; else it is
unknown, and the box is for detection only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.difficult import AUTO
from ocr_train.data.files.image_files import is_file
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    convert_pages,
    load_lines,
    report_other,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import rectangle
from ocr_train.data.labels import Point
from ocr_train.data.layout import NOT_LABELS
from ocr_train.ocr_engine.documents import read_yaml

if TYPE_CHECKING:
    from typing_extensions import Unpack

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")
YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
TEXTS = ".gt.txt"
_CLASS = re.compile(r"\d{1,6}")
_SHARE = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_FARTHEST = 2.0
"""Shares a little outside of 0 to 1 are cut off at the image's edge; pixels are not shares."""


def is_yolo(peek: FilePeek) -> bool:
    """Whether all of the first lines have a class and shares."""
    if NOT_LABELS.search(peek.path.stem) or peek.path.name in NAME_FILES:
        return False
    return bool(peek.lines) and all(_parse(line) is not None for line in peek.lines)


def convert_yolo(
    src: Path, out: Path, *, text_from: str = AUTO, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every label file under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does.

    `text_from` is that of `convert_pages`.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work), tool="YOLO", text_from=text_from)


def _pages(work: ConvertedFolder) -> Iterator[FoundPage]:
    names = _class_names(work)
    for path in work.with_suffix(".txt"):
        if path.name in NAME_FILES or NOT_LABELS.search(path.stem) or path.name.lower().endswith(TEXTS):
            continue
        lines = load_lines(work, path)
        if lines is None:
            continue
        numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
        parsed = [(number, _parse(line)) for number, line in numbered]
        page = FoundPage(file=path, stems=(path.stem,), shares=True)
        if parsed and not any(one for _, one in parsed) and not work.find_by_stem(path.parent, page.stems):
            report_other(work, path, "YOLO")
            continue
        _fill(work, page, parsed, names)
        yield page


def _fill(
    work: ConvertedFolder,
    page: FoundPage,
    parsed: Sequence[tuple[int, tuple[int, list[Point]] | None]],
    names: Mapping[int, str],
) -> None:
    texts = _texts(work, page, len(parsed))
    for index, (number, one) in enumerate(parsed):
        if one is None:
            page.lose("bad_line", number)
            continue
        kind, points = one
        page.boxes.append(
            FoundBox(
                points=points,
                text=texts[index] if texts else None,
                label=names.get(kind, ""),
                reading_order=len(points) == 4,
                line=number,
            )
        )


def _parse(line: str) -> tuple[int, list[Point]] | None:
    """The class and the outline in shares; None for a line of another form."""
    first, *rest = line.split()
    if not _CLASS.fullmatch(first) or not all(_SHARE.fullmatch(one) for one in rest):
        return None
    numbers = [float(one) for one in rest]
    # NaN cannot be written in this form, infinity is out of range.
    if not all(abs(number) <= _FARTHEST for number in numbers):
        return None
    if len(numbers) in (4, 5):
        x, y, width, height = numbers[:4]
        return int(first), rectangle(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return int(first), list(zip(numbers[::2], numbers[1::2], strict=True))
    return None


def _texts(work: ConvertedFolder, page: FoundPage, count: int) -> list[str]:
    """The texts of a page's boxes in their order; none where no file has as many."""
    image = work.find_by_stem(page.file.parent, page.stems)
    folders = [page.file.parent, *([image.parent] if image else [])]
    path = next((one for folder in folders if is_file(one := folder / f"{page.file.stem}{TEXTS}")), None)
    lines = load_lines(work, path) if path is not None else None
    if lines is None:
        return []
    # One line end at the end; empty lines are boxes without a text.
    texts = lines[:-1] if lines and not lines[-1] else lines
    if len(texts) != count:
        page.notes.append("texts_not_joined")
        return []
    return texts


def _class_names(work: ConvertedFolder) -> dict[int, str]:
    """Names by class; of several files the first that has any."""
    for path in (one for name in YAML_FILES for one in work.named(name)):
        try:
            content = read_yaml(path)
        except (OSError, ValueError):
            continue
        if names := _yaml_names(content.get("names") if isinstance(content, dict) else None):
            return names
    for path in (one for name in NAME_FILES for one in work.named(name)):
        if lines := load_lines(work, path):
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    return {}


def _yaml_names(names: Any) -> dict[int, str]:
    items = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    return {
        int(number): str(name) for number, name in items if isinstance(number, int) or str(number).isdecimal()
    }
