"""Converts answers of Amazon Textract (DetectDocumentText, AnalyzeDocument), one JSON an image.

`Blocks` of the type WORD are the boxes, or those of the type LINE with `level="line"`, or where there is no word: `Polygon` in
shares of the page's sides, from where the text begins, else `BoundingBox`. An answer does not name its image: it is the one of
the JSON file's name (`receipt.json` or `receipt.jpg.json`). The console calls every answer `analyzeDocResponse.json`, in a zip
file of its own: there it is the image of the folder's name (`receipt/` and `receipt.jpg`), or the only one in that folder. Of a
document only the first page is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.files.image_files import IMAGE_SUFFIXES
from ocr_train.data.files.system_files import is_system_file
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import FoundBox, FoundPage, convert_pages, load_json, report_other
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import finite, rectangle
from ocr_train.data.labels import Point

if TYPE_CHECKING:
    from typing_extensions import Unpack

_OF_CONSOLE = ("analyzedocresponse", "detectdocumenttextresponse", "apiresponse")
_LEVELS = {"word": "WORD", "line": "LINE"}


def is_textract(peek: FilePeek) -> bool:
    """Whether the JSON has blocks of Textract."""
    return _blocks(peek.json) is not None


def _blocks(content: Any) -> list[Any] | None:
    """All blocks of an answer, or of a list of answers (one for each part); None where the JSON is not Textract's."""
    answers = content if isinstance(content, list) else [content]
    found: list[Any] = []
    for answer in answers:
        blocks = answer.get("Blocks") if isinstance(answer, dict) else None
        if not isinstance(blocks, list):
            return None
        found += blocks
    return found if any(isinstance(one, dict) and "BlockType" in one for one in found) else None


def convert_textract(
    src: Path, out: Path, *, level: str = "word", overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every answer under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work, level), tool="Amazon Textract")


def _pages(work: ConvertedFolder, level: str) -> Iterator[FoundPage]:
    for path in work.with_suffix(".json"):
        content = load_json(work, path)
        if content is None:
            continue
        blocks = _blocks(content)
        if blocks is None:
            report_other(work, path, "Amazon Textract")
            continue
        yield _page(path, blocks, level)


def _page(path: Path, blocks: list[Any], level: str) -> FoundPage:
    page = FoundPage(file=path, stems=_stems(path), shares=True)
    kinds = {block.get("BlockType") for block in blocks if isinstance(block, dict) and _is_hashable(block)}
    wanted = _LEVELS[level] if _LEVELS[level] in kinds else "LINE" if "LINE" in kinds else "WORD"
    for block in blocks:
        if not isinstance(block, dict) or not _is_hashable(block):
            page.lose("bad_box")
        elif block.get("BlockType") == wanted:
            _add(page, block)
        elif block.get("BlockType") in _LEVELS.values():
            page.lose("other_level")
    return page


def _stems(path: Path) -> tuple[str, ...]:
    """The names that the image may have, without suffix: `receipt.jpg.json` is about receipt.jpg, as receipt.json is."""
    stems = [Path(path.stem).stem, path.stem]
    if path.stem.lower().startswith(_OF_CONSOLE):
        beside = [
            one.stem
            for one in path.parent.iterdir()
            if one.suffix.lower() in IMAGE_SUFFIXES and not is_system_file(one.name)
        ]
        stems += [path.parent.name, *(beside if len(beside) == 1 else [])]
    return tuple(dict.fromkeys(stems))


def _is_hashable(block: Mapping[str, Any]) -> bool:
    return isinstance(block.get("BlockType"), str)


def _add(page: FoundPage, block: Mapping[str, Any]) -> None:
    if block.get("Page", 1) != 1:
        page.lose("other_page")
        return
    geometry = block.get("Geometry")
    points = _outline(geometry) if isinstance(geometry, dict) else None
    if points is None:
        page.lose("bad_points")
        return
    page.boxes.append(FoundBox(points=points, text=block.get("Text"), reading_order=True))


def _outline(geometry: Mapping[str, Any]) -> list[Point] | None:
    polygon = geometry.get("Polygon")
    if isinstance(polygon, list) and polygon:
        pairs = [(finite(one.get("X")), finite(one.get("Y"))) for one in polygon if isinstance(one, dict)]
        points = [(x, y) for x, y in pairs if x is not None and y is not None]
        return points if len(points) == len(polygon) else None
    box = geometry.get("BoundingBox")
    if not isinstance(box, dict):
        return None
    sides = [
        number for name in ("Left", "Top", "Width", "Height") if (number := finite(box.get(name))) is not None
    ]
    if len(sides) != 4:
        return None
    left, top, width, height = sides
    return rectangle(left, top, left + width, top + height)
