"""The label files of the ICDAR competitions: one an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.formats.table import detect_format
from tests.data.formats.folders import BOX, SECOND, converted, forced, put

CORNERS, OTHERS = "10,20,200,20,200,60,10,60", "10,70,200,70,200,110,10,110"


def test_icdar_2015_with_bom_commas_and_windows_line_ends(tmp_path: Path) -> None:
    """What the case of a real folder holds: the comma stays in the text, BOM and CR go, ### stays."""
    text = f"\ufeff{CORNERS},hello, world\r\n{OTHERS},###\r\n"
    folder = put(
        tmp_path / "icdar",
        {f"train_gts/gt_img_{number}.txt": text for number in range(3)},
        images=tuple(f"train_images/img_{number}.jpg" for number in range(3)),
    )
    found = converted(folder, "icdar")
    assert list(found.pages) == [f"images/train_images/img_{number}.jpg" for number in range(3)]
    assert found.boxes == [("hello, world", BOX), ("###", SECOND)] * 3
    assert (found.done.problems, found.done.lost) == ((), 0)


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        ([f"{CORNERS},ใบเสร็จ น้ำ"], ["ใบเสร็จ น้ำ"]),
        ([f'{CORNERS},say "no", he said'], ['say "no", he said']),
        ([f"{CORNERS},12,5"], ["12,5"]),
        ([f"{CORNERS},Latin,a,b", f"{OTHERS},Arabic,###"], ["a,b", "###"]),
        ([f"{CORNERS},Latin,a", f"{OTHERS},b"], ["Latin,a", "b"]),
        ([f"{CORNERS},Latin", f"{OTHERS},x"], ["Latin", "x"]),
        ([f'{CORNERS},"a ""b"", c"', f"{OTHERS},###"], ['a "b", c', "###"]),
        ([f'{CORNERS},"a"', f"{OTHERS},b"], ['"a"', "b"]),
        (['10, 20, 200, 60, "a, \\"b\\""', "10, 70, 200, 110, plain"], ['a, "b"', "plain"]),
        (['10 20 200 60 "Tiredness kills"', '10 70 200 110 "A"'], ["Tiredness kills", "A"]),
        ([f"{CORNERS},", OTHERS], ["", ""]),
        (["10.0,20,200.0,20,200,60,10,60,a"], ["a"]),
        (["10,20,200,20,200,60,10,60,####curved, text"], ["curved, text"]),
    ],
)
def test_every_form_of_a_line(tmp_path: Path, lines: list[str], texts: list[str]) -> None:
    """2013, 2015, 2017 and 2019, with quotes, languages and commas; the corners are always the same."""
    found = converted(put(tmp_path / "s", {"gt_0.txt": "\n".join(lines)}), "icdar")
    assert found.boxes == list(zip(texts, [BOX, SECOND], strict=False))


def test_a_csv_may_have_a_header(tmp_path: Path) -> None:
    """As written by a spreadsheet."""
    text = f'x1,y1,x2,y2,x3,y3,x4,y4,text\n{CORNERS},"a, b"\n'
    assert converted(put(tmp_path / "s", {"0.csv": text}), "icdar").boxes == [("a, b", BOX)]


def test_the_first_corner_stays_where_the_text_begins(tmp_path: Path) -> None:
    """Upside down, read from the bottom right; a counter-clockwise box only changes its direction."""
    text = "200,60,10,60,10,20,200,20,down\n10,20,10,60,200,60,200,20,wrong way\n"
    down, turned = converted(put(tmp_path / "s", {"0.txt": text}), "icdar").boxes
    assert down[1] == [[200, 60], [10, 60], [10, 20], [200, 20]]
    assert turned[1] == BOX


def test_equal_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    """img_1 for training and img_1 for the test: as the archives of ICDAR 2015 are named."""
    labels = {
        "ch4_training_localization_gt/gt_img_1.txt": f"{CORNERS},train",
        "Task1_Test_GT/gt_img_1.txt": f"{CORNERS},test",
    }
    images = ("ch4_training_images/img_1.jpg", "ch4_test_images/img_1.jpg")
    found = converted(put(tmp_path / "s", labels, images=images), "icdar")
    assert {image: boxes[0][0] for image, boxes in found.pages.items()} == {
        "images/ch4_training_images/img_1.jpg": "train",
        "images/ch4_test_images/img_1.jpg": "test",
    }


def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path) -> None:
    """A line of another form, a box outside, a number without end, a file without its image."""
    lines = [
        f"{CORNERS},good",
        "what is this",
        "900,20,990,20,990,60,900,60,out",
        "9" * 400 + CORNERS[2:] + ",x",
    ]
    folder = put(tmp_path / "s", {"0.txt": "\n".join(lines), "nowhere.txt": f"{CORNERS},a\n{OTHERS},b"})
    found = converted(folder, "icdar")
    assert found.boxes == [("good", BOX)]
    assert found.done.skipped == {
        **{"bad_line": 1, "bad_points": 1, "outside_image": 1},
        **{"box_without_image": 2, "page_without_image": 1},
    }
    assert {(one.kind, Path(one.file).name, one.line) for one in found.done.problems} == {
        *{("bad_line", "0.txt", 2), ("outside_image", "0.txt", 3), ("bad_points", "0.txt", 4)},
        ("image_missing", "nowhere.txt", 0),
    }


def test_broken_files_are_problems(tmp_path: Path) -> None:
    """Not UTF-8; a list of characters and notes are passed over; UTF-16 is read."""
    folder = put(
        tmp_path / "s",
        {
            "0.txt": f"{CORNERS},น้ำ".encode("utf-16"),
            "1.txt": f"{CORNERS},caf\xe9".encode("latin-1"),
            "dict.txt": "a\nb\n",
            "notes.txt": "labelled by two people\n",
        },
        images=("0.jpg", "1.jpg"),
    )
    found = forced(folder, "icdar")
    assert found.boxes == [("น้ำ", BOX)]
    assert found.kinds == ["not_utf8", "other_file"]


def test_paddleocrs_own_files_are_not_taken_for_it(tmp_path: Path) -> None:
    """Whatever the texts look like."""
    put(tmp_path / "a", {"Label.txt": f"0.jpg\t{CORNERS},x\n"})
    put(tmp_path / "b", {"rec/gt.txt": f"0.jpg\t{CORNERS},x\n", "rec/0.csv": f"{CORNERS},x\n"})
    assert [detect_format(tmp_path / name) for name in "ab"] == ["paddleocr", "paddleocr"]


def test_it_is_trained_on_as_it_is(tmp_path: Path) -> None:
    """Detection, and crops for recognition, whose places are told in the user's folder."""
    folder = put(tmp_path / "s", {"gt_0.txt": f"{CORNERS},a\n{OTHERS},###\n"})
    det = as_paddleocr(folder, "det", tmp_path / "det")
    assert (det.format, det.summary) == ("icdar", "1 images with 2 boxes")
    rec = as_paddleocr(folder, "rec", tmp_path / "rec")
    assert rec.summary == "1 images with 2 boxes, cut out as 1 crops"
    assert list(rec.origins.values()) == [f"{folder / '0'}, box 0"]
