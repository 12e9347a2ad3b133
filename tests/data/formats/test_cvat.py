"""CVAT's XML for images."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.formats.table import detect_format
from ocr_train.data.formats.unknown import looks_like
from tests.data.formats.folders import BOX, converted, put

SIDES = 'xtl="10" ytl="20" xbr="200" ybr="60"'
TEXT = '<attribute name="transcription">hello</attribute>'


def cvat(*shapes: str, name: str = "0.jpg", width: int = 400) -> str:
    """The XML of one image."""
    inside = "\n".join(shapes)
    return f'<?xml version="1.0"?>\n<annotations><version>1.1</version><image id="0" name="{name}" width="{width}" height="200">\n{inside}</image></annotations>'


@pytest.mark.parametrize(
    ("shape", "points"),
    [
        (f'<box label="text" {SIDES}>{TEXT}</box>', BOX),
        (
            f'<box label="text" {SIDES} rotation="10.0">{TEXT}</box>',
            [[14.92, 3.81], [202.03, 36.8], [195.08, 76.19], [7.97, 43.2]],
        ),
        (f'<box label="text" {SIDES} rotation="180">{TEXT}</box>', [BOX[2], BOX[3], BOX[0], BOX[1]]),
        (f'<polygon label="text" points="200,60;10,60;10,20;200,20">{TEXT}</polygon>', BOX),
        (
            f'<polygon label="text" points="10,20;100,20;200,20;200,60;10,60">{TEXT}</polygon>',
            [[10, 20], [100, 20], [200, 20], [200, 60], [10, 60]],
        ),
    ],
)
def test_shapes_and_their_rotation(tmp_path: Path, shape: str, points: list[list[float]]) -> None:
    """Clockwise about the centre; the first corner stays where the text begins, also upside down."""
    folder = put(tmp_path / "s", {"annotations.xml": cvat(shape)}, images=("images/0.jpg",))
    assert converted(folder, "cvat").boxes == [("hello", points)]


@pytest.mark.parametrize(
    ("label", "attributes", "options", "text"),
    [
        ("น้ำ", "", {}, "น้ำ"),
        ("Text", "", {}, ""),
        ("ignore", "", {}, "###"),
        ("word", '<attribute name="anything">a, &quot;b&quot;</attribute>', {}, 'a, "b"'),
        ("word", '<attribute name="font">arial</attribute><attribute name="OCR">x</attribute>', {}, "x"),
        (
            "word",
            '<attribute name="font">arial</attribute><attribute name="ocr">x</attribute>',
            {"text_key": "font"},
            "arial",
        ),
    ],
)
def test_where_the_text_is(
    tmp_path: Path, label: str, attributes: str, options: dict[str, str], text: str
) -> None:
    """An attribute, the label, or what was named."""
    folder = put(tmp_path / "s", {"a.xml": cvat(f'<box label="{label}" {SIDES}>{attributes}</box>')})
    assert converted(folder, "cvat", **options).boxes == [(text, BOX)]


def test_an_ellipse_becomes_a_polygon(tmp_path: Path) -> None:
    """16 points, turned with it."""
    folder = put(
        tmp_path / "s",
        {"a.xml": cvat('<ellipse label="a1" cx="100" cy="100" rx="60" ry="20" rotation="90"/>')},
    )
    ((text, points),) = converted(folder, "cvat").boxes
    assert (text, len(points), points[0]) == ("a1", 16, [100, 160])


def test_what_is_no_box_is_counted_with_its_line(tmp_path: Path) -> None:
    """Points are none; a mask, a polyline, a box without numbers, an image that is not there."""
    shapes = [
        f'<box label="a1" {SIDES}/>',
        '<points label="p" points="1,2"/>',
        '<mask label="m" rle="1" left="1" top="1" width="2" height="2"/>',
        '<polyline label="l" points="1,2;3,4"/>',
        '<box label="b" xtl="x" ytl="1" xbr="2" ybr="3"/>',
        '<polygon label="b" points="1,2;3"/>',
    ]
    files = {"a.xml": cvat(*shapes), "b.xml": cvat(f'<box label="a" {SIDES}/>', name="C:\\x\\gone.jpg")}
    found = converted(put(tmp_path / "s", files), "cvat")
    assert found.boxes == [("a1", BOX)]
    assert found.done.skipped == {
        **{"points": 1, "not_a_region": 2, "bad_points": 2, "box_without_image": 1, "page_without_image": 1}
    }
    assert {(one.kind, one.line) for one in found.done.problems} >= {("not_a_region", 5), ("bad_points", 7)}
    assert found.done.lost == 5


def test_cvat_for_video_is_named(tmp_path: Path) -> None:
    """With what to export instead."""
    folder = put(
        tmp_path / "s",
        {"a.xml": '<annotations><track id="0" label="x"><box frame="0"/></track></annotations>'},
    )
    assert detect_format(folder) == "paddleocr"
    assert "CVAT for video: export the task as 'CVAT for images 1.1'" in looks_like(folder)


def test_a_shape_that_is_not_known_is_counted(tmp_path: Path) -> None:
    """Another version of CVAT may have it: nothing is passed over without a word."""
    shapes = cvat(
        f'<box label="a" {SIDES}>{TEXT}</box>', '<star label="b" points="1,2;30,2"/>', '<tag label="c"/>'
    )
    found = converted(put(tmp_path / "s", {"a.xml": shapes}), "cvat")
    assert (len(found.boxes), found.done.skipped) == (1, {"not_a_region": 1})
