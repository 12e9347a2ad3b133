"""Pascal VOC XML."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.formats.folders import BOX, converted, forced, put

BNDBOX = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>200</xmax><ymax>60</ymax></bndbox>"


def voc(*objects: str, name: str = "0.jpg", size: str = "<width>400</width><height>200</height>") -> str:
    """The XML of one image."""
    inside = "".join(f"<object>\n{one}</object>" for one in objects)
    return f'<?xml version="1.0"?>\n<annotation><filename>{name}</filename><size>{size}</size>{inside}</annotation>'


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<name>hello, &quot;you&quot; &amp; น้ำ</name>", 'hello, "you" & น้ำ'),
        ("<name>text</name>", ""),
        ("<name>text</name><transcription>a</transcription>", "a"),
        (
            "<name>t</name><attributes><attribute><name>text</name><value>b</value></attribute></attributes>",
            "b",
        ),
        ("<name>c</name><difficult>1</difficult>", "###"),
        ("<name>c</name><difficult>0</difficult>", "c"),
    ],
)
def test_the_text_of_an_object(tmp_path: Path, content: str, text: str) -> None:
    """A tag, an attribute, the name; difficult ones are ignored in training."""
    assert converted(put(tmp_path / "s", {"0.xml": voc(content + BNDBOX)}), "voc").boxes == [(text, BOX)]


@pytest.mark.parametrize(
    ("outline", "points"),
    [
        (
            "<polygon><x1>10</x1><y1>20</y1><x2>200</x2><y2>20</y2><x3>200</x3><y3>60</y3><x4>10</x4><y4>60</y4></polygon>",
            BOX,
        ),
        (
            "<robndbox><cx>105</cx><cy>40</cy><w>190</w><h>40</h><angle>0.174532925</angle></robndbox>",
            [[14.92, 3.81], [202.03, 36.8], [195.08, 76.19], [7.97, 43.2]],
        ),
    ],
)
def test_other_outlines(tmp_path: Path, outline: str, points: list[list[float]]) -> None:
    """Roboflow's polygon, roLabelImg's turned box."""
    assert converted(
        put(tmp_path / "s", {"0.xml": voc(f"<name>a</name>{outline}{BNDBOX}")}), "voc"
    ).boxes == [("a", points)]


def test_the_image_is_found_by_name_or_beside(tmp_path: Path) -> None:
    """In another case, in another folder; a name from before it was renamed."""
    files = {
        "xml/a.xml": voc(f"<name>a</name>{BNDBOX}", name="A.JPG"),
        "xml/b.xml": voc(f"<name>b</name>{BNDBOX}", name="old.jpg"),
    }
    found = converted(put(tmp_path / "s", files, images=("img/a.jpg", "img/b.jpg")), "voc")
    assert {name: boxes[0][0] for name, boxes in found.pages.items()} == {
        "images/img/a.jpg": "a",
        "images/img/b.jpg": "b",
    }


def test_entities_are_refused(tmp_path: Path) -> None:
    """A document type can read files of this machine, and stand for a billion characters."""
    evil = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + voc(f"<name>&x;</name>{BNDBOX}")[21:]
    found = forced(put(tmp_path / "s", {"0.xml": evil, "1.xml": "<a>" * 500, "2.xml": b"\xff\xfe<"}), "voc")
    assert found.done.images == 0
    assert [one.kind for one in found.done.problems] == ["bad_xml"] * 3
    assert "DOCTYPE" in found.done.problems[0].value


def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path) -> None:
    """Objects without a box, with words for numbers; an image of another size."""
    bad = voc("<name>a</name>", f"<name>b</name>{BNDBOX}", f"<name>c</name>{BNDBOX.replace('10', 'ten')}")
    small = voc(f"<name>a</name>{BNDBOX}", name="1.jpg", size="<width>40</width><height>20</height>")
    found = converted(put(tmp_path / "s", {"0.xml": bad, "1.xml": small}, images=("0.jpg", "1.jpg")), "voc")
    assert found.boxes == [("b", BOX)]
    assert found.done.skipped == {"bad_points": 2, "box_without_image": 1, "page_without_image": 1}
    assert [(one.kind, one.line) for one in found.done.problems if one.kind == "bad_points"] == [
        ("bad_points", 2)
    ]
