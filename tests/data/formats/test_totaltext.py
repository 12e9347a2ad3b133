"""The text files of Total-Text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.formats.folders import converted, put

RECORD = "x: [[10 100 200 200 100 10]], y: [[20 20 20 60 60 60]], ornt: [u'c'], transcriptions: [u'hello']"
POINTS = [[10, 20], [100, 20], [200, 20], [200, 60], [100, 60], [10, 60]]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (RECORD, "hello"),
        (RECORD.replace("u'hello'", "'a, \\'b\\''"), "a, 'b'"),
        (RECORD.replace("u'hello'", 'u"it\'s, \\"x\\""'), 'it\'s, "x"'),
        (RECORD.replace("hello", "caf\\xe9 \\u0e19\\u0e49\\u0e33"), "café น้ำ"),
        (RECORD.replace("hello", "น้ำ"), "น้ำ"),
        (RECORD.replace("hello", "#"), "###"),
        (RECORD.replace(" ornt: [u'c'],", ""), "hello"),
        (RECORD.replace("100 200 200", "100\n 200 200"), "hello"),
        (RECORD.replace("[u'hello']", "[]"), ""),
    ],
)
def test_every_form_of_a_record(tmp_path: Path, record: str, text: str) -> None:
    """Python's strings, without evaluating them; over several lines, too."""
    folder = put(tmp_path / "s", {"gt_0.txt": f"{record}\n"})
    assert converted(folder, "totaltext").boxes == [(text, POINTS)]


def test_names_of_files(tmp_path: Path) -> None:
    """poly_gt_img1.txt is about img1.jpg."""
    folder = put(tmp_path / "s", {"gt/poly_gt_img1.txt": RECORD}, images=("img/img1.jpg",))
    assert list(converted(folder, "totaltext").pages) == ["images/img/img1.jpg"]


def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path) -> None:
    """Records that are cut off, with unequal numbers, without an image; nothing is evaluated."""
    lines = [
        RECORD,
        RECORD[:60],
        RECORD.replace("10 100 200", "10 200"),
        RECORD.replace("u'hello'", "__import__('os')"),
        RECORD.replace("10 100", "1e99 100"),
    ]
    folder = put(
        tmp_path / "s", {"0.txt": "\n".join(lines), "1.txt": f"{RECORD}\n{RECORD}", "notes.txt": "x"}
    )
    found = converted(folder, "totaltext")
    assert len(found.boxes) == 1
    assert found.done.skipped == {
        "bad_line": 3,
        "bad_points": 1,
        "box_without_image": 2,
        "page_without_image": 1,
    }
    assert {(one.kind, one.line) for one in found.done.problems} == {
        *{("bad_line", 2), ("bad_points", 3), ("image_missing", 0), ("other_file", 0)}
    }
