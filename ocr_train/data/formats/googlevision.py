"""Converts answers of Google Cloud Vision (TEXT_DETECTION, DOCUMENT_TEXT_DETECTION), one JSON an image.

`textAnnotations` are the boxes: the first is the whole page's text where there are more, and left out. Without them the words of
`fullTextAnnotation` are taken. Corners go clockwise from where the text begins, in pixels (`vertices`) or in shares
(`normalizedVertices`); a coordinate that is 0 is not written. The image is the one of the JSON file's name, or of the answer's
`context.uri`. Both spellings of keys are read, textAnnotations and text_annotations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import FoundBox, FoundPage, as_size, convert_pages, load_json, report_other
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import finite
from ocr_train.data.labels import Point

if TYPE_CHECKING:
    from typing_extensions import Unpack

_CAPITAL = re.compile(r"[A-Z]")


def is_googlevision(peek: FilePeek) -> bool:
    """Whether the JSON is an answer with texts."""
    return _answers(peek.json) is not None


def _get(content: Mapping[str, Any], key: str) -> Any:
    """The value under a key in either spelling."""
    other = _CAPITAL.sub(lambda found: f"_{found[0].lower()}", key)
    return content.get(key, content.get(other))


def _answers(content: Any) -> list[Any] | None:
    """The answers in a file; None where the JSON is not Vision's."""
    answers = content.get("responses", [content]) if isinstance(content, dict) else content
    if not isinstance(answers, list) or not any(isinstance(one, dict) and _has_text(one) for one in answers):
        return None
    return answers


def _has_text(answer: Mapping[str, Any]) -> bool:
    whole = _get(answer, "fullTextAnnotation")
    texts = _get(answer, "textAnnotations")
    outlined = (one for one in (texts if isinstance(texts, list) else ()) if isinstance(one, dict))
    return any(_get(one, "boundingPoly") is not None for one in outlined) or (
        isinstance(whole, dict) and isinstance(whole.get("pages"), list)
    )


def convert_googlevision(
    src: Path, out: Path, *, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every answer under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work), tool="Google Vision")


def _pages(work: ConvertedFolder) -> Iterator[FoundPage]:
    for path in work.with_suffix(".json"):
        content = load_json(work, path)
        if content is None:
            continue
        answers = _answers(content)
        if answers is None:
            report_other(work, path, "Google Vision")
            continue
        for answer in answers:
            yield _page(path, answer, alone=len(answers) == 1)


def _page(path: Path, answer: Any, *, alone: bool) -> FoundPage:
    page = FoundPage(file=path)
    if not isinstance(answer, dict):
        page.lose("bad_box")
        return page
    context = answer.get("context")
    uri = context.get("uri") if isinstance(context, dict) else None
    page.written = (uri,) if isinstance(uri, str) and uri else ()
    if alone:
        page.stems = tuple(dict.fromkeys((Path(path.stem).stem, path.stem)))
    pages = _whole_pages(answer)
    if len(pages) == 1:
        page.size = as_size(pages[0].get("width"), pages[0].get("height"))
    texts = _get(answer, "textAnnotations")
    if isinstance(texts, list) and texts:
        if len(texts) > 1:
            page.lose("whole_text")
        for one in texts[1:] if len(texts) > 1 else texts:
            text = one.get("description") if isinstance(one, dict) else None
            _add(page, one, "boundingPoly", text)
        return page
    for number, one in enumerate(pages):
        for word in _words(one):
            if number:
                page.lose("other_page")
            else:
                _add(page, word, "boundingBox", _spelled(word))
    return page


def _whole_pages(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    whole = _get(answer, "fullTextAnnotation")
    pages = whole.get("pages") if isinstance(whole, dict) else None
    return [one for one in pages if isinstance(one, dict)] if isinstance(pages, list) else []


def _words(page: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = [page]
    for level in ("blocks", "paragraphs", "words"):
        lists = [one.get(level) for one in found if isinstance(one, dict)]
        found = [part for parts in lists if isinstance(parts, list) for part in parts]
    return found


def _spelled(word: Any) -> Any:
    symbols = word.get("symbols") if isinstance(word, dict) else None
    if not isinstance(symbols, list):
        return None
    texts = [text for one in symbols if isinstance(one, dict) and isinstance(text := one.get("text"), str)]
    # 0 is no text: the word is counted as one that has none.
    return "".join(texts) if len(texts) == len(symbols) else 0


def _add(page: FoundPage, one: Any, key: str, text: Any) -> None:
    outline = _get(one, key) if isinstance(one, dict) else None
    if not isinstance(outline, dict):
        page.lose("bad_box")
        return
    shares = _get(outline, "normalizedVertices")
    points = _corners(shares or outline.get("vertices"))
    if points is None or (page.boxes and page.shares != bool(shares)):
        page.lose("bad_points")
        return
    page.shares = bool(shares)
    page.boxes.append(FoundBox(points=points, text=text, reading_order=True))


def _corners(vertices: Any) -> list[Point] | None:
    if not isinstance(vertices, list):
        return None
    pairs = [(finite(one.get("x", 0)), finite(one.get("y", 0))) for one in vertices if isinstance(one, dict)]
    points = [(x, y) for x, y in pairs if x is not None and y is not None]
    return points if points and len(points) == len(vertices) else None
