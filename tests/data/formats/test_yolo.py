"""YOLO's text files, upright, with corners and as polygons."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.formats.table import detect_format
from tests.data.formats.folders import BOX, SECOND, converted, put

UPRIGHT, CORNERS = "0 0.2625 0.2 0.475 0.2", "0 0.025 0.1 0.5 0.1 0.5 0.3 0.025 0.3"


@pytest.mark.parametrize("line", [UPRIGHT, f"{UPRIGHT} 0.93", CORNERS, "0 .2625 2e-1 0.475 0.2"])
def test_boxes_become_pixels_and_the_text_is_unknown(tmp_path: Path, line: str) -> None:
    """Detection can be trained; a note says that the text is not there."""
    folder = put(
        tmp_path / "s",
        {"labels/0.txt": f"{line}\n", "labels/1.txt": ""},
        images=("images/0.jpg", "images/1.jpg"),
    )
    found = converted(folder, "yolo")
    assert found.pages == {"images/images/0.jpg": [("", BOX)]}
    assert (found.kinds, found.done.skipped, found.done.lost) == (["no_text"], {"page_without_boxes": 1}, 0)


def test_a_polygon_keeps_its_points(tmp_path: Path) -> None:
    """YOLO segmentation."""
    folder = put(tmp_path / "s", {"0.txt": "0 0.025 0.1 0.25 0.1 0.5 0.1 0.5 0.3 0.25 0.3 0.025 0.3"})
    assert converted(folder, "yolo").boxes == [
        ("", [[10, 20], [100, 20], [200, 20], [200, 60], [100, 60], [10, 60]])
    ]


@pytest.mark.parametrize(
    "names",
    [
        {"data.yaml": "names: [text, น้ำ, '7']\nnc: 3\n"},
        {"data.yaml": "names:\n  0: text\n  1: น้ำ\n  2: '7'\n"},
        {"labels/classes.txt": "text\nน้ำ\n7\n"},
        {"obj.names": "text\r\nน้ำ\r\n7"},
    ],
)
def test_the_class_is_the_text_unless_it_is_a_general_word(tmp_path: Path, names: dict[str, str]) -> None:
    """From data.yaml or a list of classes."""
    lines = [UPRIGHT, f"1{UPRIGHT[1:]}", f"2{UPRIGHT[1:]}", f"9{UPRIGHT[1:]}"]
    found = converted(put(tmp_path / "s", {"labels/0.txt": "\n".join(lines), **names}), "yolo")
    assert [text for text, _ in found.boxes] == ["", "น้ำ", "7", ""]
    assert found.kinds == ["class_as_text", "no_text"]


@pytest.mark.parametrize("place", ["labels/0.gt.txt", "images/0.gt.txt"])
def test_a_file_beside_has_the_texts(tmp_path: Path, place: str) -> None:
    """A line for each box, as it is."""
    labels = {"labels/0.txt": f"{UPRIGHT}\n0 0.2625 0.45 0.475 0.2\n", place: 'a, "b"\nน้ำ\n'}
    found = converted(put(tmp_path / "s", labels, images=("images/0.jpg",)), "yolo")
    assert found.boxes == [('a, "b"', BOX), ("น้ำ", SECOND)]


def test_texts_that_do_not_fit_are_not_joined(tmp_path: Path) -> None:
    """Three texts for one box."""
    found = converted(put(tmp_path / "s", {"0.txt": UPRIGHT, "0.gt.txt": "a\nb\nc\n"}), "yolo")
    assert (found.boxes, found.kinds) == ([("", BOX)], ["no_text", "texts_not_joined"])


def test_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    """labels/train/0.txt is about images/train/0.jpg."""
    labels = {f"labels/{name}/0.txt": UPRIGHT for name in ("train", "val")}
    images = ("images/train/0.jpg", "images/val/0.jpg")
    found = converted(put(tmp_path / "s", labels, images=images), "yolo")
    assert list(found.pages) == ["images/images/train/0.jpg", "images/images/val/0.jpg"]


def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path) -> None:
    """Pixels, words, too few numbers, NaN; a list of images is passed over."""
    bad = ["0 105 40 190 40", "a b c", "0 0.1 0.1", "0 nan 0.1 0.1 0.1", "0 0.5 0.5 0 0"]
    labels = {
        "0.txt": "\n".join([UPRIGHT, *bad]),
        "list.txt": "images/0.jpg\nimages/1.jpg\n",
        "1.txt": UPRIGHT,
    }
    folder = put(tmp_path / "s", labels)
    found = converted(folder, "yolo") if detect_format(folder) == "yolo" else None
    assert found is not None
    assert found.done.skipped == {
        "bad_line": 4,
        "box_without_image": 1,
        "no_area": 1,
        "page_without_image": 1,
    }
    assert {(one.kind, one.line) for one in found.done.problems} >= {
        ("bad_line", 2),
        ("no_area", 6),
        ("other_file", 0),
    }


def test_notes_of_many_files_are_one(tmp_path: Path) -> None:
    """Where the first is, and how many there are: they do not hide what is lost."""
    labels = {f"{number}.txt": f"{UPRIGHT}\n{UPRIGHT}\n" for number in range(3)}
    found = converted(
        put(tmp_path / "s", labels, images=tuple(f"{number}.jpg" for number in range(3))), "yolo"
    )
    ((problem),) = found.done.problems
    assert (problem.value, problem.line, Path(problem.file).name) == (
        "6 boxes in 3 images; here is the first",
        1,
        "0.txt",
    )
