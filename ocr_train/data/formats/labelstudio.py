"""Converts Label Studio's exports JSON and JSON-MIN.

JSON: a task has annotations, each with a `result`: shapes in percent of the image's sides, turned by `rotation` (degrees
clockwise) about their top left, and texts (`textarea`), joined by their `id`. Of several annotations one is taken: the ground
truth, else the first that was not cancelled.

JSON-MIN has no ids: the n-th text belongs to the n-th shape, where there are as many of both.

Uploaded images are named `/data/upload/1/1a2b3c4d-NAME`; NAME is tried, too. Browsers turn images as EXIF says, as OpenCV does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ocr_train.data.difficult import AUTO
from ocr_train.data.files.image_files import IMAGE_SUFFIXES, base_name
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.pages import (
    FoundBox,
    FoundPage,
    as_size,
    convert_pages,
    load_json,
    report_other,
)
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.regions import ellipse, finite, rectangle, turned
from ocr_train.data.labels import Point

if TYPE_CHECKING:
    from typing_extensions import Unpack

_CLASSES = ("rectanglelabels", "polygonlabels", "ellipselabels", "labels", "brushlabels", "keypointlabels")
_OUTLINE_KEYS = frozenset({"points", "x", "y", "width", "height", "rle"})
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
_SHAPES = ("rectangle", "polygon", "ellipse")
_NO_REGION = {
    "keypoint": "points",
    "brush": "not_a_region",
    "bitmask": "not_a_region",
    "vector": "not_a_region",
}


def is_labelstudio(peek: FilePeek) -> bool:
    """Whether it is a list of tasks."""
    return _is_full(peek.json) or _is_min(peek.json)


def _is_full(content: Any) -> bool:
    first = content[0] if isinstance(content, list) and content else None
    return (
        isinstance(first, dict)
        and isinstance(first.get("data"), dict)
        and ("annotations" in first or "completions" in first)
    )


def _is_min(content: Any) -> bool:
    first = content[0] if isinstance(content, list) and content else None
    if not isinstance(first, dict) or not _image_names(first):
        return False
    # Without the size it is another tool's, whose numbers may be pixels.
    return any(_is_shape(one) and "original_width" in one for one in _items(first))


def convert_labelstudio(
    src: Path, out: Path, *, text_from: str = AUTO, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every export under `src` to `out/Label.txt` and `out/images/`; raises as `ConvertedFolder` does.

    `text_from` is that of `convert_pages`.
    """
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_pages(work, _pages(work), tool="Label Studio", text_from=text_from)


def _pages(work: ConvertedFolder) -> Iterator[FoundPage]:
    for path in work.with_suffix(".json"):
        content = load_json(work, path)
        if content is None:
            continue
        full = _is_full(content)
        if not full and not _is_min(content):
            report_other(work, path, "Label Studio")
            continue
        for task in content:
            page = FoundPage(file=path)
            if not isinstance(task, dict):
                page.lose("bad_box")
            elif full:
                _read_task(page, task)
            else:
                _read_min(page, task)
            yield page


def _image_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What a task says of its image: the first value that names an image file, as it is and without the upload's prefix."""
    for value in data.values():
        if not isinstance(value, str):
            continue
        plain = unquote(
            value.rpartition("?d=")[2].partition("?")[0] if "?d=" in value else value.partition("?")[0]
        )
        name = base_name(plain)
        if name.lower().endswith(IMAGE_SUFFIXES):
            return tuple(dict.fromkeys((plain, name, _UPLOAD.sub("", name))))
    return ()


def _read_task(page: FoundPage, task: Mapping[str, Any]) -> None:
    data = task.get("data")
    page.written = _image_names(data) if isinstance(data, dict) else ()
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        page.lose("bad_box")
        return
    good = [one for one in annotations if isinstance(one, dict) and isinstance(one.get("result"), list)]
    page.lose("bad_box", count=len(annotations) - len(good))
    open_ones = [one for one in good if not one.get("was_cancelled")]
    truth = [one for one in open_ones if one.get("ground_truth") is True]
    taken = next(iter([*truth, *open_ones]), None)
    for one in good:
        if one is not taken:
            page.lose("other_annotation", count=len(_shape_ids(one["result"])))
    if len(open_ones) > 1:
        page.notes.append("several_annotations")
    if taken is not None:
        _read_result(page, taken["result"])


def _shape_ids(result: Sequence[Any]) -> list[Any]:
    """The ids of the shapes of a result; a shape is there several times, with its class and its text."""
    ids = [one.get("id") for one in result if isinstance(one, dict) and _is_shape(one.get("value"))]
    return list(dict.fromkeys(str(one) for one in ids))


def _is_shape(value: Any) -> bool:
    return isinstance(value, dict) and not _OUTLINE_KEYS.isdisjoint(value)


def _read_result(page: FoundPage, result: Sequence[Any]) -> None:
    shapes: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    texts: dict[str, Any] = {}
    for one in result:
        if isinstance(one, dict) and one.get("type") == "relation":
            continue
        if not isinstance(one, dict) or not isinstance(one.get("value"), dict):
            page.lose("bad_box")
            continue
        name, value = str(one.get("id")), one["value"]
        if _is_shape(value):
            parts = shapes.setdefault((name, _place(value)), [])
            if any(
                (part.get("from_name"), part.get("type")) == (one.get("from_name"), one.get("type"))
                for part in parts
            ):
                page.lose("same_box_twice")
            parts.append(one)
        text = value.get("text") if one.get("type") in ("textarea", None) or "text" in value else None
        if text is not None:
            texts[name] = _joined(text)
        elif isinstance(meta := one.get("meta"), dict) and meta.get("text") is not None:
            texts.setdefault(name, _joined(meta["text"]))
    for (name, _), parts in shapes.items():
        _add(page, parts, texts.get(name))


def _place(value: Mapping[str, Any]) -> str:
    """Where a shape is: the same for all of its parts."""
    return str([value.get(name) for name in ("x", "y", "width", "height", "rotation", "points", "rle")])


def _joined(text: Any) -> Any:
    """A text area gives a list; several entries of it are lines of one text."""
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        return " ".join(text)
    return text


def _add(page: FoundPage, parts: Sequence[Mapping[str, Any]], text: Any) -> None:
    """One shape, of which the result holds several `parts`: its outline, its class, its text."""
    first = parts[0]
    size = as_size(first.get("original_width"), first.get("original_height"))
    page.size = page.size or size
    kinds = {str(part.get("type", "")).removesuffix("labels") for part in parts}
    if lost := next((_NO_REGION[kind] for kind in kinds if kind in _NO_REGION), ""):
        page.lose(lost)
        return
    if any(finite(part.get("image_rotation", 0)) for part in parts):
        page.lose("image_rotation")
        return
    outline = _outline(first["value"], size)
    if outline is None:
        page.lose("bad_points")
        return
    classes = [part["value"].get(name) for part in parts for name in _CLASSES]
    named = next((one[0] for one in classes if isinstance(one, list) and one), "")
    label = named if isinstance(named, str) else ""
    points, in_order = outline
    page.shares = True
    page.boxes.append(FoundBox(points=points, text=text, label=label, reading_order=in_order))


def _outline(value: Mapping[str, Any], size: tuple[int, int] | None) -> tuple[list[Point], bool] | None:
    """The corners as shares of the image's sides, and whether the first is where the text begins.

    A shape is turned in pixels: a share of the width is another length than one of the height.
    """
    width, height = size or (1, 1)
    if isinstance(pairs := value.get("points"), list):
        points = [
            (x / 100, y / 100)
            for pair in pairs
            if isinstance(pair, list) and len(pair) == 2
            if (x := finite(pair[0])) is not None and (y := finite(pair[1])) is not None
        ]
        return (points, False) if len(points) == len(pairs) else None
    angle = finite(value.get("rotation", 0) or 0)
    names = ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ("x", "y", "width", "height")
    numbers = [number for name in names if (number := finite(value.get(name))) is not None]
    if len(numbers) != 4 or angle is None or (angle and size is None):
        return None
    x, across, y, down = (numbers[0] * width, numbers[2] * width, numbers[1] * height, numbers[3] * height)
    if "radiusX" in value:
        outline = ellipse(x / 100, y / 100, across / 100, down / 100, angle)
    else:
        corners = rectangle(x / 100, y / 100, (x + across) / 100, (y + down) / 100)
        outline = turned(corners, angle, corners[0])
    return [(left / width, top / height) for left, top in outline], "radiusX" not in value


def _items(task: Mapping[str, Any]) -> list[Any]:
    return [one for value in task.values() if isinstance(value, list) for one in value]


def _read_min(page: FoundPage, task: Mapping[str, Any]) -> None:
    page.written = _image_names(task)
    shapes: dict[str, list[Mapping[str, Any]]] = {}
    for name, values in task.items():
        # In other lists are texts and choices.
        if not isinstance(values, list) or not any(map(_is_shape, values)):
            continue
        for one in values:
            if _is_shape(one):
                # The same shape is there for its outline and for its class.
                kind = (
                    "brush"
                    if "rle" in one or one.get("format")
                    else "polygon"
                    if "points" in one
                    else "rectangle"
                )
                parts = shapes.setdefault(_place(one), [])
                if any(part["from_name"] == name for part in parts):
                    page.lose("same_box_twice")
                parts.append({**_sides(one), "value": one, "type": kind, "from_name": name})
            else:
                page.lose("bad_box")
    texts = _min_texts(task)
    if texts and len(texts) != len(shapes):
        page.notes.append("texts_not_joined")
        texts = []
    for index, parts in enumerate(shapes.values()):
        _add(page, parts, texts[index] if texts else None)


def _sides(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: one[name] for name in ("original_width", "original_height", "image_rotation") if name in one
    }


def _min_texts(task: Mapping[str, Any]) -> list[str]:
    """The texts of a task, under the first name that has any: a list, or one text alone."""
    for name in ("transcription", "text", "ocr_text", "textarea"):
        value = task.get(name)
        if isinstance(value, str) and value:
            return [value]
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            return value
    return []
