"""Label Studio's exports JSON and JSON-MIN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.formats.folders import BOX, SECOND, converted, put

SIDES = {"original_width": 400, "original_height": 200, "image_rotation": 0}
PLACE = {"x": 2.5, "y": 10, "width": 47.5, "height": 20, "rotation": 0}
OTHER = {**PLACE, "y": 35}


def shape(value: dict[str, Any], name: str = "a", kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    """A part of a result."""
    return {
        **SIDES,
        "id": name,
        "from_name": "bbox",
        "to_name": "image",
        "type": kind,
        "value": value,
        **more,
    }


def text(value: Any, name: str = "a", place: dict[str, Any] = PLACE) -> dict[str, Any]:
    """A text as the template for OCR gives it: with its shape."""
    return shape({**place, "text": value}, name, "textarea")


def tasks(*result: Any, image: str = "/data/upload/1/0.jpg", **more: Any) -> list[Any]:
    """An export of one task with one annotation."""
    return [{"id": 1, "data": {"ocr": image}, "annotations": [{"id": 1, "result": list(result)}], **more}]


def test_rotation_is_about_the_top_left_in_pixels(tmp_path: Path) -> None:
    """The case of a real folder, to two decimals."""
    place = {"x": 10, "y": 10, "width": 40, "height": 20, "rotation": 5}
    folder = put(
        tmp_path / "s",
        {"export.json": tasks(shape(place), text(["hello"], place=place))},
        images=("images/0.jpg",),
    )
    assert converted(folder, "labelstudio").boxes == [
        ("hello", [[40, 20], [199.39, 33.94], [195.9, 73.79], [36.51, 59.85]])
    ]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([shape(PLACE), text(['ก, "a"'])], 'ก, "a"'),
        ([shape(PLACE), text("one")], "one"),
        ([shape(PLACE), text(["two", "lines"])], "two lines"),
        ([shape(PLACE), shape({**PLACE, "labels": ["Text"]}, kind="labels")], ""),
        ([shape({**PLACE, "rectanglelabels": ["ป้าย"]}, kind="rectanglelabels")], "ป้าย"),
        ([shape(PLACE, meta={"text": ["note"]})], "note"),
        (
            [
                shape(PLACE),
                {"type": "relation", "from_id": "a", "to_id": "b"},
                shape({"choices": ["x"]}, kind="choices"),
            ],
            "",
        ),
        (
            [
                shape(
                    {"points": [[2.5, 10], [50, 10], [50, 30], [2.5, 30]], "polygonlabels": ["x1"]},
                    kind="polygonlabels",
                )
            ],
            "x1",
        ),
    ],
)
def test_texts_are_joined_by_their_id(tmp_path: Path, parts: list[Any], expected: str) -> None:
    """One box, however many parts it has in the result."""
    assert converted(put(tmp_path / "s", {"export.json": tasks(*parts)}), "labelstudio").boxes == [
        (expected, BOX)
    ]


def test_an_upside_down_box_begins_where_its_text_does(tmp_path: Path) -> None:
    """Turned by 180 degrees about its top left."""
    place = {**PLACE, "x": 50, "y": 30, "rotation": 180}
    ((_, points),) = converted(put(tmp_path / "s", {"a.json": tasks(shape(place))}), "labelstudio").boxes
    assert points == [BOX[2], BOX[3], BOX[0], BOX[1]]


@pytest.mark.parametrize(
    "written",
    [
        "/data/upload/7/1a2b3c4d-a%20b.jpg",
        "/data/local-files/?d=scans/a b.jpg",
        "s3://bucket/scans/a b.jpg",
        "https://host/scans/a%20b.jpg?X-Amz-Signature=1",
    ],
)
def test_images_are_found_by_what_label_studio_calls_them(tmp_path: Path, written: str) -> None:
    """Uploads have a prefix, addresses are quoted."""
    folder = put(tmp_path / "s", {"a.json": tasks(shape(PLACE), image=written)}, images=("scans/a b.jpg",))
    assert list(converted(folder, "labelstudio").pages) == ["images/scans/a b.jpg"]


def test_json_min_is_joined_by_order(tmp_path: Path) -> None:
    """The shape is there twice, for its outline and its class; one text alone is not a list."""
    task = {
        "ocr": "/data/upload/1/0.jpg",
        "id": 1,
        "bbox": [{**PLACE, **SIDES}, {**OTHER, **SIDES}],
        "label": [{**PLACE, **SIDES, "labels": ["Text"]}, {**OTHER, **SIDES, "labels": ["Text"]}],
        "transcription": ["a, b", "น้ำ"],
        "annotator": 1,
    }
    single = {"ocr": "1.jpg", "bbox": [{**PLACE, **SIDES}], "transcription": "one"}
    wrong = {"ocr": "2.jpg", "bbox": [{**PLACE, **SIDES}], "transcription": ["one", "two"]}
    found = converted(
        put(tmp_path / "s", {"min.json": [task, single, wrong]}, images=("0.jpg", "1.jpg", "2.jpg")),
        "labelstudio",
    )
    assert found.boxes == [("a, b", BOX), ("น้ำ", SECOND), ("one", BOX), ("", BOX)]
    assert found.kinds == ["no_text", "texts_not_joined"]


def test_of_several_annotations_one_is_taken(tmp_path: Path) -> None:
    """The ground truth, else the first that was not cancelled; the boxes of the others are counted."""

    def made(word: str, **more: Any) -> dict[str, Any]:
        return {"result": [shape(PLACE), text([word])], **more}

    annotations = [
        [made("x", was_cancelled=True), made("first"), made("truth", ground_truth=True)],
        [made("a"), made("b")],
    ]
    content = [
        {"data": {"image": f"{number}.jpg"}, "annotations": one} for number, one in enumerate(annotations)
    ]
    found = converted(put(tmp_path / "s", {"a.json": content}, images=("0.jpg", "1.jpg")), "labelstudio")
    assert [text for text, _ in found.boxes] == ["truth", "a"]
    assert (found.done.skipped, found.done.lost) == ({"other_annotation": 3}, 0)


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    """Brushes, key points, turned images, NaN, a task without an image."""
    parts = [
        shape(PLACE, "a"),
        shape({"format": "rle", "rle": [1]}, "b", "brush"),
        shape({"x": 1, "y": 1, "width": 1}, "c", "keypointlabels"),
        shape(PLACE, "d", image_rotation=90),
        shape({**PLACE, "x": float("nan")}, "e"),
        "nothing",
    ]
    content = [
        *tasks(*parts),
        *tasks(shape(PLACE), image="gone.jpg"),
        *tasks(shape(PLACE), image="no name"),
        5,
    ]
    found = converted(put(tmp_path / "s", {"a.json": content}), "labelstudio")
    assert len(found.boxes) == 1
    assert found.done.skipped == {
        **{"bad_box": 2, "bad_points": 1, "image_rotation": 1, "not_a_region": 1, "points": 1},
        **{"box_without_image": 2, "page_without_image": 2},
    }
