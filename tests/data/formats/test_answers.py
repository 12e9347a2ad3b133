"""Answers of services: SageMaker Ground Truth, Amazon Textract, Google Vision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.formats.folders import BOX, SECOND, converted, put

SHARES = [{"X": 0.025, "Y": 0.1}, {"X": 0.5, "Y": 0.1}, {"X": 0.5, "Y": 0.3}, {"X": 0.025, "Y": 0.3}]
CORNERS = [{"x": x, "y": y} for x, y in BOX]


def row(
    *boxes: dict[str, Any], ref: str = "s3://bucket/images/0.jpg", classes: Any = None, **more: Any
) -> str:
    """One line of a manifest."""
    job = {"image_size": [{"width": 400, "height": 200, "depth": 3}], "annotations": list(boxes)}
    metadata = {
        "class-map": {"0": "text", "1": "น้ำ"} if classes is None else classes,
        "type": "groundtruth/object-detection",
    }
    return json.dumps({"source-ref": ref, "job": job, "job-metadata": metadata, **more}, ensure_ascii=False)


def box(kind: int = 0, **more: Any) -> dict[str, Any]:
    """One box of Ground Truth."""
    return {"class_id": kind, "left": 10, "top": 20, "width": 190, "height": 40, **more}


def test_a_manifest_of_ground_truth(tmp_path: Path) -> None:
    """The S3 address means the file of its name; a class is the text unless it is a general word."""
    text = f"{row(box())}\n{row(box(1), box(1), box(1, top=70), ref='s3://b/1.jpg')}\n"
    found = converted(
        put(tmp_path / "s", {"output.manifest": text}, images=("images/0.jpg", "images/1.jpg")), "groundtruth"
    )
    assert found.boxes == [("", BOX), ("น้ำ", BOX), ("น้ำ", SECOND)]
    assert (found.done.skipped, found.kinds) == ({"same_box_twice": 1}, ["class_as_text", "no_text"])


def test_lines_of_a_manifest_that_cannot_be_used(tmp_path: Path) -> None:
    """With their numbers: cut off, NaN, no image, a job that failed."""
    odd: list[Any] = ["x"]
    failed = json.dumps({"source-ref": "s3://b/0.jpg", "job-metadata": {"failure-reason": "x"}})
    lines = [
        row(box()),
        row(box(left=float("nan")), *odd, box(top=70)),
        row(box())[:50],
        row(box(), ref="s3://b/gone.jpg"),
        failed,
    ]
    found = converted(
        put(tmp_path / "s", {"output.manifest": "\n".join(lines[:1] * 20 + lines[1:])}), "groundtruth"
    )
    assert [points for _, points in found.boxes] == [BOX, SECOND]
    assert found.done.skipped == {
        **{"bad_box": 1, "bad_line": 1, "bad_points": 1, "same_box_twice": 19, "page_without_boxes": 1},
        **{"box_without_image": 1, "page_without_image": 1},
    }
    assert {(one.kind, one.line) for one in found.done.problems} >= {
        ("bad_points", 21),
        ("bad_line", 22),
        ("image_missing", 23),
    }


def block(kind: str, text: str, polygon: Any = SHARES, **more: Any) -> dict[str, Any]:
    """A block of Textract."""
    return {"BlockType": kind, "Text": text, "Geometry": {"Polygon": polygon}, **more}


@pytest.mark.parametrize("name", ["0.json", "0.jpg.json"])
@pytest.mark.parametrize(("level", "texts"), [("word", ["น้ำ", "b"]), ("line", ["น้ำ b"])])
def test_blocks_of_textract(tmp_path: Path, name: str, level: str, texts: list[str]) -> None:
    """Words or lines, in shares of the page; the image has the name of the answer."""
    content = {
        "Blocks": [{"BlockType": "PAGE"}, block("LINE", "น้ำ b"), block("WORD", "น้ำ"), block("WORD", "b")]
    }
    found = converted(put(tmp_path / "s", {name: content}), "textract", level=level)
    assert found.boxes == [(text, BOX) for text in texts]
    assert found.done.lost == 0


def test_textracts_other_outlines_and_pages(tmp_path: Path) -> None:
    """A box without its polygon, upside down, of a second page, without numbers; in parts."""
    sides = {"BoundingBox": {"Left": 0.025, "Top": 0.35, "Width": 0.475, "Height": 0.2}}
    blocks = [
        {"BlockType": "WORD", "Text": "sides", "Geometry": sides},
        block("WORD", "down", [SHARES[2], SHARES[3], SHARES[0], SHARES[1]]),
        block("WORD", "next", Page=2),
        block("WORD", "bad", [{"X": "x"}]),
        {"BlockType": ["WORD"]},
    ]
    found = converted(
        put(tmp_path / "s", {"0.json": [{"Blocks": blocks[:2]}, {"Blocks": blocks[2:]}]}), "textract"
    )
    assert found.boxes == [("sides", SECOND), ("down", [BOX[2], BOX[3], BOX[0], BOX[1]])]
    assert found.done.skipped == {"bad_box": 1, "bad_points": 1, "other_page": 1}


def vision(*texts: Any, **more: Any) -> dict[str, Any]:
    """An answer with texts."""
    return {"textAnnotations": list(texts), **more}


def word(text: Any, corners: Any = CORNERS, key: str = "vertices") -> dict[str, Any]:
    """A text of Vision."""
    return {"description": text, "boundingPoly": {key: corners}}


WHOLE = {"pages": [{"width": 400, "height": 200, "blocks": [{"paragraphs": [{"words": []}]}]}]}


@pytest.mark.parametrize(
    "answer",
    [
        {"responses": [vision(word("น้ำ"))]},
        vision(word("น้ำ\n", [{"x": 9}] * 4), word("น้ำ"), fullTextAnnotation=WHOLE),
        vision(word("น้ำ"), context={"uri": "gs://bucket/0.jpg"}),
        {"text_annotations": [{"description": "น้ำ", "bounding_poly": {"vertices": CORNERS}}]},
        vision(word("น้ำ", [{"x": one["X"], "y": one["Y"]} for one in SHARES], "normalizedVertices")),
    ],
)
def test_answers_of_google_vision(tmp_path: Path, answer: Any) -> None:
    """Whole answers and single ones, both spellings, pixels and shares; the first of several texts is the whole page's."""
    found = converted(put(tmp_path / "s", {"0.json": answer}), "googlevision")
    assert (found.boxes, found.done.lost) == ([("น้ำ", BOX)], 0)


def test_a_coordinate_of_0_is_not_written(tmp_path: Path) -> None:
    """As JSON of protocol buffers leaves it out."""
    corners = [{}, {"x": 200}, {"x": 200, "y": 60}, {"y": 60}]
    assert converted(put(tmp_path / "s", {"0.json": vision(word("a", corners))}), "googlevision").boxes == [
        ("a", [[0, 0], [200, 0], [200, 60], [0, 60]])
    ]


def test_words_of_a_full_text(tmp_path: Path) -> None:
    """Where there are no textAnnotations: put together of their symbols; of a document the first page."""
    words = [
        {"boundingBox": {"vertices": CORNERS}, "symbols": [{"text": "น้"}, {"text": "ำ"}]},
        {"symbols": []},
        5,
    ]
    page = {"width": 400, "height": 200, "blocks": [{"paragraphs": [{"words": words}]}]}
    found = converted(
        put(tmp_path / "s", {"0.json": {"fullTextAnnotation": {"pages": [page, page]}}}), "googlevision"
    )
    assert found.boxes == [("น้ำ", BOX)]
    assert found.done.skipped == {"bad_box": 2, "other_page": 3}


def test_what_cannot_be_used_of_an_answer(tmp_path: Path) -> None:
    """No outline, words for numbers, an answer without its image."""
    bad = vision(word("whole"), {"description": "x"}, word("y", [{"x": "a"}]), word(7), word("good"))
    found = converted(put(tmp_path / "s", {"0.json": bad, "gone.json": vision(word("a"))}), "googlevision")
    assert found.boxes == [("good", BOX)]
    assert found.done.skipped == {
        **{"bad_box": 1, "bad_points": 1, "bad_text": 1, "whole_text": 1},
        **{"box_without_image": 1, "page_without_image": 1},
    }


@pytest.mark.parametrize("image", ["receipt.jpg", "receipt/receipt.jpg", "receipt/scan.png"])
def test_an_answer_as_textracts_console_saves_it(tmp_path: Path, image: str) -> None:
    """Each is called analyzeDocResponse.json, in a folder of the image's name."""
    answer = {"Blocks": [block("WORD", "a")]}
    folder = put(
        tmp_path / "s",
        {"receipt/analyzeDocResponse.json": answer, "other/analyzeDocResponse.json": answer},
        images=(image, "other.jpg"),
    )
    found = converted(folder, "textract")
    assert sorted(found.pages) == sorted([f"images/{image}", "images/other.jpg"])
    assert found.done.problems == ()
