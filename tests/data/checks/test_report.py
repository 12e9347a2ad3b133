"""The HTML summary of a validation."""

from __future__ import annotations

import base64
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

from ocr_train.data.checks.report import draw_sample, render_html, write_html
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.labels import Box


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with one white image of 800x200 pixels."""
    Image.new("RGB", (800, 200), "white").save(tmp_path / "a.jpg")
    return tmp_path


def check(images: Path, content: str, rules: Rules) -> ValidationReport:
    """Validate a label file with `content`."""
    path = images / "train.txt"
    path.write_text(content, encoding="utf-8")
    return validate([path], images, rules)


def parse(html: str) -> ET.Element:
    """The document as XML, which it is careful to be."""
    return ET.fromstring(html.removeprefix("<!DOCTYPE html>"))  # noqa: S314 - our own output


DIRTY = (
    "a.jpg\t<b>&\"น้ำ\u200b\u0001\n"
    "no.jpg\té ] ]]>\n"
    "a.jpg 1\n"
    "\\\\x\\a.jpg\t" + "x" * 200 + "\n"
)  # fmt: skip


def test_the_summary_is_one_well_formed_document(images: Path) -> None:
    """Whatever the labels hold; markup in them is shown, not obeyed."""
    html = render_html(check(images, DIRTY, Rules(task="rec", charset=frozenset("น้ำ"))), images)
    text = "".join(parse(html).itertext())
    assert '<b>&"น้ำ\\u200b\\u0001' in text
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_the_summary_has_counts_characters_and_histograms(images: Path) -> None:
    """Marks are shown on a dotted circle, with their names."""
    html = render_html(check(images, "a.jpg\tน้ำ\n", Rules(task="rec", charset=frozenset("นำ"))), images)
    text = "".join(parse(html).itertext())
    assert "1 errors in 1 lines" in text
    assert "outside_dictionary" in text
    assert "◌้" in text
    assert "U+0E49 THAI CHARACTER MAI THO" in text
    assert "Text length" in text


def test_clean_data_says_so(images: Path) -> None:
    """A summary is also made where there is nothing to mend."""
    text = "".join(parse(render_html(check(images, "a.jpg\t1\n", Rules(task="rec")), images)).itertext())
    assert "No errors" in text


def test_a_lone_surrogate_does_not_stop_the_summary(images: Path) -> None:
    """JSON can spell it, UTF-8 cannot write it."""
    box = {"transcription": "\ud800", "points": [[1, 1], [50, 1], [50, 20], [1, 20]]}
    report = check(images, f"a.jpg\t{json.dumps([box])}\n", Rules(task="det"))
    out = images / "report.html"
    write_html(report, images, out)
    parse(out.read_text(encoding="utf-8"))


def test_boxes_are_drawn_on_the_embedded_image(images: Path) -> None:
    """Scaled to 640 pixels, the box with the picture: its upper edge lies at a quarter of its height."""
    points = ((200.0, 50.0), (600.0, 50.0), (600.0, 150.0), (200.0, 150.0))
    uri = draw_sample(images, "a.jpg", [Box(transcription="a", points=points)], problem=True)
    assert uri is not None
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert picture.size == (640, 160)
    red, green, _ = picture.getpixel((320, 40))  # type: ignore[misc]
    assert red > green + 80
    assert min(picture.getpixel((320, 80))) > 240  # type: ignore[arg-type]


def test_far_away_corners_do_not_stop_the_drawing(images: Path) -> None:
    """They are brought near."""
    points = ((-1e14, 0.0), (1e14, 0.0), (1e14, 1e14), (0.0, 1e14))
    assert draw_sample(images, "a.jpg", [Box(transcription="a", points=points)]) is not None


@pytest.mark.parametrize("name", ["no.jpg", "../a.jpg", "train.txt"])
def test_an_image_that_cannot_be_shown_is_left_out(images: Path, name: str) -> None:
    """The example keeps its text."""
    (images / "train.txt").write_text("no image")
    assert draw_sample(images, name, []) is None
