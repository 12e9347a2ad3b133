"""COCO JSON: COCO-Text, Roboflow, CVAT's COCO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.formats.table import detect_format
from tests.data.formats.folders import BOX, SECOND, converted, forced, put, turned_picture

OUTLINE = [10, 20, 200, 20, 200, 60, 10, 60]


def coco(*annotations: Any, **image: Any) -> dict[str, Any]:
    """A file with one image."""
    return {
        "images": [{"id": 1, "file_name": "0.jpg", "width": 400, "height": 200, **image}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, **one} for number, one in enumerate(annotations)
        ],
        "categories": [{"id": 1, "name": "text"}, {"id": 2, "name": "น้ำ 7"}, {"id": 3, "name": "illegible"}],
    }


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ({"utf8_string": 'ใบเสร็จ, "a"'}, 'ใบเสร็จ, "a"'),
        ({"attributes": {"transcription": "b", "occluded": False}}, "b"),
        ({"attributes": {"occluded": False, "text": "c"}}, "c"),
        ({"caption": "d"}, "d"),
        ({"text": "e", "attributes": {"text": "f"}}, "e"),
        ({"category_id": 2}, "น้ำ 7"),
        ({"category_id": "2"}, "น้ำ 7"),
        ({"category_id": 3}, "###"),
        ({}, ""),
        ({"utf8_string": "x", "legibility": "illegible"}, "###"),
        ({"caption": "crowd", "iscrowd": 1}, "###"),
    ],
)
def test_the_text_is_found_where_tools_write_it(tmp_path: Path, annotation: Any, text: str) -> None:
    """A field, an attribute, the category; a general word such as "text" is none."""
    folder = put(tmp_path / "s", {"_annotations.coco.json": coco({"bbox": [10, 20, 190, 40], **annotation})})
    assert converted(folder, "coco").boxes == [(text, BOX)]


@pytest.mark.parametrize(
    ("annotation", "points"),
    [
        ({"bbox": [10, 20, 190, 40]}, BOX),
        ({"bbox": [0, 0, 9, 9], "segmentation": [[200, 60, 10, 60, 10, 20, 200, 20]]}, BOX),
        ({"bbox": [0, 0, 9, 9], "polygon": OUTLINE}, BOX),
        ({"bbox": [10, 20, 190, 40], "segmentation": {"counts": [1, 2], "size": [200, 400]}}, BOX),
        ({"bbox": [10, 20, 190, 40], "segmentation": [OUTLINE[:6], OUTLINE]}, BOX),
        (
            {"bbox": [10, 20, 190, 40], "attributes": {"rotation": 10.0}},
            [[14.92, 3.81], [202.03, 36.8], [195.08, 76.19], [7.97, 43.2]],
        ),
    ],
)
def test_every_outline(tmp_path: Path, annotation: Any, points: Any) -> None:
    """A box, a polygon that begins anywhere, a mask of run lengths, CVAT's rotation."""
    folder = put(tmp_path / "s", {"a.json": coco({"text": "x", **annotation})})
    assert converted(folder, "coco").boxes == [("x", points)]


def test_coco_text_of_2017(tmp_path: Path) -> None:
    """Objects by id instead of lists."""
    content = {
        "imgs": {"9": {"id": 9, "file_name": "0.jpg", "width": 400, "height": 200, "set": "train"}},
        "anns": {
            "1": {
                "id": 1,
                "image_id": 9,
                "bbox": [10, 20, 190, 40],
                "mask": OUTLINE,
                "utf8_string": "a",
                "legibility": "legible",
            },
            "2": {"id": 2, "image_id": 9, "bbox": [10, 70, 190, 40], "legibility": "illegible"},
        },
    }
    assert converted(put(tmp_path / "s", {"cocotext.v2.json": content}), "coco").boxes == [
        ("a", BOX),
        ("###", SECOND),
    ]


def test_roboflow_has_a_file_for_each_set(tmp_path: Path) -> None:
    """A folder for each set with images of the same names."""
    one = coco({"bbox": [10, 20, 190, 40], "text": "x"}, file_name="0_jpg.rf.8f.jpg")
    folder = put(
        tmp_path / "s",
        {f"{name}/_annotations.coco.json": one for name in ("train", "valid")},
        images=("train/0_jpg.rf.8f.jpg", "valid/0_jpg.rf.8f.jpg"),
    )
    assert list(converted(folder, "coco").pages) == [
        "images/train/0_jpg.rf.8f.jpg",
        "images/valid/0_jpg.rf.8f.jpg",
    ]


def test_the_name_before_roboflows_is_tried_too(tmp_path: Path) -> None:
    """`extra.name`, where somebody has put the labels beside the first images."""
    one = coco({"bbox": [10, 20, 190, 40], "text": "x"}, file_name="0_jpg.rf.8f.jpg", extra={"name": "0.jpg"})
    folder = put(tmp_path / "s", {"_annotations.coco.json": one})
    assert converted(folder, "coco").boxes == [("x", BOX)]


def test_a_named_field_is_taken_alone(tmp_path: Path) -> None:
    """--text-key, in any case."""
    one = {"bbox": [10, 20, 190, 40], "text": "no", "attributes": {"Real Text": "yes"}}
    folder = put(tmp_path / "s", {"a.json": coco(one, {"bbox": [10, 70, 190, 40], "text": "no"})})
    assert [text for text, _ in converted(folder, "coco", text_key="real text").boxes] == ["yes", ""]


def test_keypoints_are_named_as_what_they_are(tmp_path: Path) -> None:
    """And not converted."""
    folder = put(
        tmp_path / "s", {"person_keypoints.json": coco({"keypoints": [1, 2, 2], "bbox": [1, 2, 3, 4]})}
    )
    assert detect_format(folder) == "paddleocr"
    from ocr_train.data.formats.unknown import looks_like

    assert looks_like(folder) == " person_keypoints.json looks like COCO keypoints: has no text."


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    """Annotations of no image, without coordinates, with NaN; an image that is not there, one of another size."""
    bad = [
        {"bbox": [10, 20, 190, 40], "text": "a"},
        {"bbox": [10, float("nan"), 1, 1]},
        {"bbox": None},
        {"bbox": [1, 2, 3, 4], "image_id": 7},
        {"bbox": [1, 2, 30, 40], "text": 5},
    ]
    small = coco({"bbox": [1, 2, 30, 40]}, file_name="1.jpg", width=40, height=20)
    gone = coco({"bbox": [1, 2, 30, 40]}, {"bbox": [1, 2, 30, 40]}, file_name="../../etc/passwd")
    folder = put(
        tmp_path / "s",
        {"a.json": coco(*bad), "b.json": small, "c.json": gone, "d.json": "[1"},
        images=("0.jpg", "1.jpg"),
    )
    found = converted(folder, "coco")
    assert [text for text, _ in found.boxes] == ["a", ""]
    assert found.done.skipped == {
        **{"bad_points": 2, "no_image_named": 1, "box_without_image": 3, "page_without_image": 2},
        "file_unreadable": 1,
    }
    assert found.kinds == [
        "bad_json",
        "bad_points",
        "image_missing",
        "no_image_named",
        "no_text",
        "size_mismatch",
    ]


@pytest.mark.parametrize(("size", "suffix"), [((400, 200), ".jpg"), ((200, 400), ".png")])
def test_the_declared_size_tells_how_the_image_was_turned(
    tmp_path: Path, size: tuple[int, int], suffix: str
) -> None:
    """Shown upright as 400 x 200: kept; labelled as stored, 200 x 400: written as it was labelled."""
    one = coco({"bbox": [10, 20, 90, 40], "text": "x"}, width=size[0], height=size[1])
    folder = put(tmp_path / "s", {"a.json": one, "0.jpg": turned_picture(200, 400)}, images=())
    (name,) = converted(folder, "coco").pages
    assert name == f"images/0{suffix}"


def test_a_broken_file_alone_is_a_problem(tmp_path: Path) -> None:
    """Nested without end."""
    found = forced(put(tmp_path / "s", {"a.json": "[" * 100_000}), "coco")
    assert (found.kinds, found.done.images) == (["bad_json"], 0)
