"""VGG Image Annotator: project, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.formats.unknown import looks_like
from tests.data.formats.folders import BOX, SECOND, converted, put

POLYGON = {"name": "polygon", "all_points_x": [10, 200, 200, 10], "all_points_y": [20, 20, 60, 60]}
RECT = {"name": "rect", "x": 10, "y": 70, "width": 190, "height": 40}


def region(shape: Any, **attributes: Any) -> dict[str, Any]:
    """One region."""
    return {"shape_attributes": shape, "region_attributes": attributes}


def images(*regions: Any, name: str = "0.jpg") -> dict[str, Any]:
    """The annotations of one image, as exported."""
    return {f"{name}123": {"filename": name, "size": 123, "regions": list(regions), "file_attributes": {}}}


@pytest.mark.parametrize("whole", [False, True])
def test_regions_and_their_texts(tmp_path: Path, whole: bool) -> None:
    """As annotations and as a project; commas, quotes and Thai."""
    found = images(region(POLYGON, text='น้ำ, "a"'), region(RECT, transcription="b", kind="word"))
    content = {"_via_settings": {}, "_via_img_metadata": found} if whole else found
    folder = put(tmp_path / "s", {"via_project.json": content}, images=("images/0.jpg",))
    assert converted(folder, "via").boxes == [('น้ำ, "a"', BOX), ("b", SECOND)]


def test_regions_of_via_1_are_an_object(tmp_path: Path) -> None:
    """By number."""
    one = images()
    one["0.jpg123"]["regions"] = {"0": region(POLYGON, name="x1"), "1": region(RECT, name="text")}
    assert converted(put(tmp_path / "s", {"a.json": one}), "via").boxes == [("x1", BOX), ("", SECOND)]


def table(*rows: tuple[Any, ...]) -> str:
    """A CSV as VIA writes it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [
            "filename",
            "file_size",
            "file_attributes",
            "region_count",
            "region_id",
            "region_shape_attributes",
            "region_attributes",
        ]
    )
    for row in rows:
        writer.writerow(
            [cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False) for cell in row]
        )
    return out.getvalue()


def test_the_csv(tmp_path: Path) -> None:
    """JSON in cells; an image without regions has a line, too; a line that is cut off is counted."""
    text = table(
        ("0.jpg", "123", {}, "2", "0", POLYGON, {"text": 'ก, "b"'}),
        ("0.jpg", "123", {}, "2", "1", RECT, {"text": "c"}),
        ("1.jpg", "9", {}, "0", "0", {}, {}),
        ("0.jpg", "123", {}, "1", "0", "{broken", {}),
    )
    found = converted(put(tmp_path / "s", {"via.csv": f"{text}0.jpg,1\n"}), "via")
    assert found.boxes == [('ก, "b"', BOX), ("c", SECOND)]
    assert found.done.skipped == {"bad_box": 1, "bad_line": 1, "page_without_boxes": 1}
    assert {(one.kind, one.line) for one in found.done.problems} == {("bad_box", 5), ("bad_line", 6)}


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ({"name": "circle", "cx": 100, "cy": 100, "r": 40}, [140, 100]),
        ({"name": "ellipse", "cx": 100, "cy": 100, "rx": 60, "ry": 20, "theta": math.pi / 2}, [100, 160]),
        ({"name": "ellipse", "cx": 100, "cy": 100, "rx": 60, "ry": 20}, [160, 100]),
    ],
)
def test_round_regions_become_polygons(tmp_path: Path, shape: Any, first: list[float]) -> None:
    """Of 16 points; an ellipse turned clockwise."""
    ((_, points),) = converted(put(tmp_path / "s", {"a.json": images(region(shape))}), "via").boxes
    assert (len(points), points[0]) == (16, first)


def test_a_named_attribute_is_taken_alone(tmp_path: Path) -> None:
    """--text-key."""
    folder = put(tmp_path / "s", {"a.json": images(region(POLYGON, text="no", Thai="ใช่"))})
    assert converted(folder, "via", text_key="thai").boxes == [("ใช่", BOX)]


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    """Points are none; open lines, missing numbers, wrong types; an image that is not there."""
    bad = [
        region(RECT),
        region({"name": "point", "cx": 1, "cy": 1}),
        region({"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]}),
        region({"name": "rect", "x": 1, "y": None, "width": 5, "height": 5}),
        region({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1]}),
        region(None),
        7,
    ]
    files = {"a.json": images(*bad), "b.json": images(region(RECT), name="/x/gone.jpg"), "c.json": {"x": 1}}
    found = converted(put(tmp_path / "s", files), "via")
    assert found.done.skipped == {
        **{"bad_box": 2, "bad_points": 2, "not_a_region": 1, "point": 1},
        **{"box_without_image": 1, "page_without_image": 1},
    }
    assert "other_file" in found.kinds


def test_a_project_of_via_3_is_named(tmp_path: Path) -> None:
    """It is another format."""
    content: dict[str, Any] = {
        "project": {},
        "config": {},
        "attribute": {},
        "file": {},
        "view": {},
        "metadata": {},
    }
    assert "VIA 3" in looks_like(put(tmp_path / "s", {"a.json": content}))


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"text": "Number"}, "Number"),
        ({"type": "word"}, ""),
        ({"type": "word", "name": "hello"}, "hello"),
        ({"label": "text", "font": "arial"}, ""),
        ({"anything": "word"}, ""),
        ({"anything": "a b"}, "a b"),
        ({"one": "a", "two": "b"}, ""),
        ({}, ""),
    ],
)
def test_a_general_word_is_a_text_where_texts_are_written(
    tmp_path: Path, attributes: dict[str, str], text: str
) -> None:
    """Under `text` it is what stands there; under `type`, or alone, it says what the region is."""
    folder = put(tmp_path / "s", {"a.json": images(region(POLYGON, **attributes))})
    assert converted(folder, "via").boxes == [(text, BOX)]
