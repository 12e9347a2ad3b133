"""Converts COCO JSON: COCO-Text, Roboflow's `_annotations.coco.json`, and what CVAT and others export as COCO.

| field | what is read |
|---|---|
| `images` (`imgs` in COCO-Text) | `file_name`, `width`, `height`, by `id` |
| `annotations` (`anns`) | the outline: `segmentation` as one polygon, COCO-Text's `polygon` or `mask`, else `bbox` (left, top, width, height) with `attributes.rotation` in degrees, as CVAT writes it |
| the text | a field of the annotation or its `attributes` (`utf8_string`, `transcription`, `text`, `caption`, ...), else the name of its category |

Ignored as `###`, unless they are to be kept: what COCO-Text calls illegible, crowds (`iscrowd`), what has `ignore` or
`difficult`, as X-AnyLabeling and CVAT write them. Masks of run lengths become their outline; where they are broken, the `bbox`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.difficult import AUTO, is_difficult
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.masks import outline_of_coco
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    as_points,
    as_size,
    convert_pages,
    load_json,
    report_other,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import finite, rectangle, turned
from ocr_train.data.formats.texts import attribute_class, attribute_text, has_hard_mark, other_texts
from ocr_train.data.labels import Point

if TYPE_CHECKING:
    from typing_extensions import Unpack

_OWN_KEYS = frozenset({"category", "label", "name"})
"""Keys of an annotation itself that say what it is, and not what stands in it."""


def is_coco(peek: FilePeek) -> bool:
    """Whether the JSON has images and annotations, of which none has keypoints: people have no text."""
    found = _parts(peek.json)
    return found is not None and not any("keypoints" in one for one in found[1][:50] if isinstance(one, dict))


def convert_coco(
    src: Path,
    out: Path,
    *,
    text_key: str = "",
    text_from: str = AUTO,
    difficult: str = AUTO,
    overwrite: bool = False,
    **folder: Unpack[FolderOptions],
) -> Conversion:
    """Convert every COCO JSON under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does.

    `text_key` names the field of an annotation, or of its attributes, that has the text; `text_from` and `difficult` are
    those of `convert_pages`.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    pages = _pages(work, text_key)
    return convert_pages(work, pages, tool="COCO", text_from=text_from, difficult=difficult)


def _parts(content: Any) -> tuple[list[Any], list[Any], dict[Any, str]] | None:
    """Images, annotations and the names of categories; None where the JSON is not COCO."""
    if not isinstance(content, dict):
        return None
    images, annotations = (
        content.get("images", content.get("imgs")),
        content.get("annotations", content.get("anns")),
    )
    if isinstance(images, dict) and isinstance(annotations, dict):
        images, annotations = list(images.values()), list(annotations.values())
    if not isinstance(images, list) or not isinstance(annotations, list):
        return None
    if not any(isinstance(image, dict) and isinstance(image.get("file_name"), str) for image in images):
        return None
    categories = content.get("categories")
    names = {
        _key(one.get("id")): one["name"]
        for one in (categories if isinstance(categories, list) else ())
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    }
    return images, annotations, names


def _key(value: Any) -> Any:
    """An id that can be looked up; numbers are the same as text, as some tools write them."""
    return str(value) if isinstance(value, int | str) else None


def _pages(work: ConvertedFolder, text_key: str) -> Iterator[FoundPage]:
    for path in work.with_suffix(".json"):
        content = load_json(work, path)
        if content is None:
            continue
        parts = _parts(content)
        if parts is None:
            report_other(work, path, "COCO")
            continue
        yield from _read(path, *parts, text_key)


def _read(
    path: Path, images: list[Any], annotations: list[Any], names: Mapping[Any, str], text_key: str
) -> Iterator[FoundPage]:
    pages: dict[Any, FoundPage] = {}
    for image in images:
        if isinstance(image, dict) and isinstance(image.get("file_name"), str) and _key(image.get("id")):
            size = as_size(image.get("width"), image.get("height"))
            pages.setdefault(
                _key(image["id"]),
                FoundPage(file=path, written=(image["file_name"], *_original(image)), size=size),
            )
    stray = FoundPage(file=path)
    for annotation in annotations:
        if not isinstance(annotation, dict):
            stray.lose("bad_box")
            continue
        page = pages.get(_key(annotation.get("image_id")))
        if page is None:
            stray.lose("no_image_named")
            continue
        points = _outline(annotation)
        if points is None:
            page.lose("bad_points")
            continue
        text, label = _text(annotation, names, text_key)
        own = annotation.get("polygon") or annotation.get("mask")
        page.boxes.append(
            FoundBox(
                points=points,
                text=text,
                label=label,
                others=() if text_key else other_texts({**annotation, **_attributes(annotation)}),
                difficult=_is_hard(annotation),
                reading_order=bool(own) or _is_turned(annotation),
            )
        )
    yield from pages.values()
    if stray.lost:
        yield stray


def _original(image: Mapping[str, Any]) -> tuple[str, ...]:
    """The name before Roboflow's: `extra.name`."""
    extra = image.get("extra")
    name = extra.get("name") if isinstance(extra, dict) else None
    return (name,) if isinstance(name, str) else ()


def _outline(annotation: Mapping[str, Any]) -> list[Point] | None:
    for name in ("polygon", "mask", "segmentation"):
        value = annotation.get(name)
        polygons = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
        if len(polygons) == 1 and isinstance(polygons[0], list) and len(polygons[0]) >= 6:
            points = as_points(polygons[0])
            if points is not None:
                return points
        if (mask := outline_of_coco(value)) is not None:
            return mask
    box = annotation.get("bbox")
    numbers = [finite(value) for value in box] if isinstance(box, list) and len(box) == 4 else [None]
    sides = [number for number in numbers if number is not None]
    if len(sides) != 4:
        return None
    left, top, width, height = sides
    corners = rectangle(left, top, left + width, top + height)
    angle = _angle(annotation)
    return turned(corners, angle, (left + width / 2, top + height / 2)) if angle else corners


def _angle(annotation: Mapping[str, Any]) -> float:
    return finite(_attributes(annotation).get("rotation")) or 0.0


def _is_turned(annotation: Mapping[str, Any]) -> bool:
    return bool(_angle(annotation))


def _text(annotation: Mapping[str, Any], names: Mapping[Any, str], text_key: str) -> tuple[Any, str]:
    """The text, None where there is none, and what its class is."""
    given = _attributes(annotation)
    own = {key: value for key, value in annotation.items() if str(key).lower() not in _OWN_KEYS}
    if text_key:
        text = attribute_text(given, text_key)
        return attribute_text(annotation, text_key) if text is None else text, ""
    text = attribute_text(own)
    text = attribute_text(given) if text is None else text
    return text, attribute_class(given) or names.get(_key(annotation.get("category_id")), "")


def _attributes(annotation: Mapping[str, Any]) -> Mapping[str, Any]:
    found = annotation.get("attributes")
    return found if isinstance(found, dict) else {}


def _is_hard(annotation: Mapping[str, Any]) -> bool:
    crowd = is_difficult(annotation.get("iscrowd"))
    return crowd or has_hard_mark(annotation) or has_hard_mark(_attributes(annotation))
