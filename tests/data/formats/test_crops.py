"""Crops: what PaddleOCR would cut out before recognising, under names that never collide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ocr_train.data.formats.crops import crop, upright_corners
from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.data.splits.split import group_key
from ocr_train.errors import DataError
from ocr_train.ocr_engine.lines import cut_line

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"

BOX = [[10, 10], [70, 10], [70, 30], [10, 30]]


def picture(width: int = 100, height: int = 80) -> Any:
    """An image whose blue is its x and whose green is its y, so that each pixel says where it is from."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 0] = np.arange(width)
    image[:, :, 1] = np.arange(height)[:, None]
    return image


def write_page(folder: Path, name: str, boxes: list[dict[str, Any]] | str) -> str:
    """An image, and its line of a label file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imencode(".png", picture())[1].tofile(str(path))
    label = boxes if isinstance(boxes, str) else json.dumps(boxes, ensure_ascii=False)
    return f"{name}\t{label}\n"


def box(text: Any = "text", points: Any = BOX, **more: Any) -> dict[str, Any]:
    """One box of a detection label."""
    return {"transcription": text, "points": points, **more}


def write_labels(folder: Path, *lines: str) -> Path:
    """A detection label file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Label.txt").write_text("".join(lines), encoding="utf-8")
    return folder / "Label.txt"


def read_result(out: Path) -> dict[str, str]:
    """The texts by crop."""
    lines = [line for line in read_labels(out / "rec_gt.txt") if isinstance(line, LabelLine)]
    return {line.image: line.label for line in lines}


def corner_colours(image: Any) -> list[list[int]]:
    """(x, y) of the source pixel at top left, top right and bottom left."""
    return [list(map(int, image[row, column, :2])) for row, column in ((0, 0), (0, -1), (-1, 0))]


@pytest.mark.parametrize(
    ("points", "shape", "corners"),
    [
        (BOX, (20, 60), [[10, 10], [69, 10], [10, 29]]),
        (BOX[2:] + BOX[:2], (20, 60), [[70, 30], [11, 30], [70, 11]]),
        ([BOX[0], BOX[3], BOX[2], BOX[1]], (20, 60), [[10, 10], [69, 10], [10, 29]]),
        ([BOX[0], BOX[2], BOX[1], BOX[3]], (20, 60), [[10, 10], [69, 10], [10, 29]]),
        ([[10, 10], [30, 10], [30, 70], [10, 70]], (20, 60), [[29, 10], [29, 69], [10, 10]]),
        ([[10, 10], [30, 10], [30, 39], [10, 39]], (29, 20), [[10, 10], [29, 10], [10, 38]]),
        ([[10, 10], [30, 10], [30, 40], [10, 40]], (20, 30), [[29, 10], [29, 39], [10, 10]]),
        ([[10, 10], [40, 10], [70, 10], [70, 30], [10, 30]], (20, 60), [[10, 10], [69, 10], [10, 29]]),
        ([[70, 10], [130, 10], [130, 30], [70, 30]], (20, 60), [[70, 10], [99, 10], [70, 29]]),
    ],
    ids=[
        "upright",
        "upside down",
        "mirrored",
        "crossed",
        "tall",
        "below 1.5",
        "at 1.5",
        "polygon",
        "replicated",
    ],
)
def test_a_box_is_cut_upright(points: Any, shape: tuple[int, int], corners: Any) -> None:
    """Size and direction: the first point is the top left; tall crops are turned left; edges are
    replicated."""
    sample = cut_line(picture(), upright_corners([(float(x), float(y)) for x, y in points]))
    assert sample is not None
    assert sample.shape[:2] == shape
    assert np.allclose(corner_colours(sample), corners, atol=1)


def test_a_tilted_box_is_straightened() -> None:
    """A box at 30 degrees comes out in its own width and height."""
    points = cv2.boxPoints(((50, 40), (60, 20), 30))
    start = min(range(4), key=lambda index: float(points[index].sum()))
    sample = cut_line(
        picture(), upright_corners([(float(x), float(y)) for x, y in np.roll(points, -start, axis=0)])
    )
    assert sample is not None
    assert abs(sample.shape[0] - 20) <= 1
    assert abs(sample.shape[1] - 60) <= 1


def test_a_circle_is_cut_upright() -> None:
    """Every angle fits a circle equally well; the upright one is taken."""
    angles = np.arange(16) * np.pi / 8 + 0.1
    sample = cut_line(
        picture(), upright_corners([(50 + 20 * float(np.cos(a)), 40 + 20 * float(np.sin(a))) for a in angles])
    )
    assert sample is not None
    assert np.allclose(corner_colours(sample), [[30, 20], [69, 20], [30, 59]], atol=2)


def test_crops_are_named_by_page_and_place(tmp_path: Path) -> None:
    """Labels, files and numbers as PPOCRLabel gives them; each crop can be read."""
    labels = write_labels(
        tmp_path, write_page(tmp_path, "img/page one.png", [box("ก"), box("###"), box("b")])
    )
    done = crop(labels, tmp_path / "out", workers=2)
    assert read_result(tmp_path / "out") == {
        "crop_img/page one_crop_0.jpg": "ก",
        "crop_img/page one_crop_2.jpg": "b",
    }
    assert cv2.imread(str(tmp_path / "out/crop_img/page one_crop_2.jpg")).shape == (20, 60, 3)
    assert (done.crops, done.pages, done.turned, done.skipped, done.problems) == (2, 1, 0, {"ignored": 1}, ())


def test_equal_base_names_do_not_collide(tmp_path: Path) -> None:
    """Folders go in front of the name; a page's crops are one group for a split, and only that page's."""
    names = ["a/1.png", "b/1.png", "b/1.jpg", "B/2.png", "b/2.png", "c/3.png"]
    lines = [
        write_page(tmp_path, name, [box(name), box(f"{name} again", [[1, 1], [9, 1], [9, 9], [1, 9]])])
        for name in names
    ]
    crop(write_labels(tmp_path, *lines), tmp_path / "out", workers=2)
    result = read_result(tmp_path / "out")
    assert len({name.casefold() for name in result}) == 12
    assert "crop_img/3_crop_0.jpg" in result
    assert "crop_img/a_1.png_crop_1.jpg" in result
    pages = {
        group_key(name): {text.split(" ")[0] for n, text in result.items() if group_key(n) == group_key(name)}
        for name in result
    }
    assert sorted(len(texts) for texts in pages.values()) == [1] * 6


def test_an_image_on_two_lines_gives_each_box_once(tmp_path: Path) -> None:
    """A page that is listed twice adds only its new boxes, under further numbers."""
    line = write_page(tmp_path, "1.png", [box("a")])
    other = write_page(tmp_path, "1.png", [box("a"), box("b")])
    done = crop(write_labels(tmp_path, line, other), tmp_path / "out", workers=1)
    assert read_result(tmp_path / "out") == {"crop_img/1_crop_0.jpg": "a", "crop_img/1_crop_2.jpg": "b"}
    assert done.skipped == {"duplicate": 1}


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ([box("*")], "ignored"),
        ([box("*", difficult=True)], "ignored"),
        ([box(" ")], "no_text"),
        ([box("a", [[5, 5], [5.4, 5], [5.4, 9], [5, 9]])], "too_small"),
        ([box("a", [[500, 5], [600, 5], [600, 9], [500, 9]])], "outside_image"),
        ([box("a", [[-99999, 5], [99999, 5], [99999, 9], [-99999, 9]])], "outside_image"),
        ([box("a", [[0, 0], [1, 1]])], "bad_points"),
        ([box("a", [[0, 0], [1, 1], [2, float("nan")], [4, 4]])], "bad_points"),
        ([box(7)], "bad_text"),
        (["a"], "bad_box"),
        ("{", "bad_json"),
        ("[" * 9999, "bad_json"),
    ],
)
def test_a_box_without_a_crop_is_counted(tmp_path: Path, label: Any, reason: str) -> None:
    """It is skipped under its reason; other pages are cut."""
    lines = [write_page(tmp_path, "1.png", label), write_page(tmp_path, "2.png", [box("good")])]
    done = crop(write_labels(tmp_path, *lines), tmp_path / "out", workers=2)
    assert read_result(tmp_path / "out") == {"crop_img/2_crop_0.jpg": "good"}
    assert done.skipped == {reason: 1}
    assert len(done.problems) == reason.startswith("bad_")


def test_a_text_that_is_a_list_gives_its_first_element(tmp_path: Path) -> None:
    """PPOCRLabel has written `["K1976", 0.9]`; a space in front goes."""
    lines = write_page(tmp_path, "1.png", [box([" K1976", 0.9])])
    crop(write_labels(tmp_path, lines), tmp_path / "out", workers=1)
    assert read_result(tmp_path / "out") == {"crop_img/1_crop_0.jpg": "K1976"}


def test_missing_and_damaged_images_are_problems(tmp_path: Path) -> None:
    """Each is named with its line; the others are cut."""
    good = write_page(tmp_path, "1.png", [box("a")])
    (tmp_path / "2.png").write_bytes(b"no image")
    done = crop(
        write_labels(tmp_path, good, "2.png\t[]\n", "3.png\t[]\n", "no tab\n"), tmp_path / "out", workers=2
    )
    found = {(problem.kind, problem.line) for problem in done.problems}
    assert found == {("no_tab", 4), ("unreadable_image", 2), ("image_missing", 3)}
    assert (done.crops, done.skipped) == (1, {"page_without_image": 2})


def test_images_may_lie_elsewhere(tmp_path: Path) -> None:
    """`images` names the folder; without it PPOCRLabel's `<folder>/<image>` is found from inside the
    folder."""
    line = write_page(tmp_path / "scans", "1.png", [box("a")])
    labels = write_labels(tmp_path / "labels", line)
    assert crop(labels, tmp_path / "one", images=tmp_path / "scans", workers=1).crops == 1
    inside = write_labels(tmp_path / "scans", f"scans/{line}")
    assert crop(inside, tmp_path / "two", workers=1).crops == 1


def test_hostile_names_stay_in_the_result(tmp_path: Path) -> None:
    """A label may name an image anywhere; crops only land in crop_img."""
    write_page(tmp_path, "x.png", [])
    (tmp_path / "deep").mkdir()
    lines = [f"../x.png\t{json.dumps([box('a')])}\n", f"../deep/../x.png\t{json.dumps([box('b')])}\n"]
    crop(write_labels(tmp_path / "deep", *lines), tmp_path / "deep" / "out", workers=1)
    written = {path.parent.relative_to(tmp_path / "deep") for path in tmp_path.rglob("*.jpg")}
    assert written == {Path("out/crop_img")}
    assert len(read_result(tmp_path / "deep" / "out")) == 2


def test_the_number_of_workers_does_not_change_the_result(tmp_path: Path) -> None:
    """Order and bytes are the same with one thread and with four."""
    lines = [write_page(tmp_path, f"{number}.png", [box(str(number))]) for number in range(30)]
    labels = write_labels(tmp_path, *lines)
    for name, workers in (("one", 1), ("four", 4)):
        crop(labels, tmp_path / name, workers=workers)
    assert list(read_result(tmp_path / "one")) == [f"crop_img/{number}_crop_0.jpg" for number in range(30)]
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in ("one", "four")
    )
    assert first == second


def test_nothing_of_another_content_is_overwritten(tmp_path: Path) -> None:
    """Cutting again is fine; other results in the same folder are not touched unasked."""
    labels = write_labels(tmp_path, write_page(tmp_path, "1.png", [box("a")]))
    crop(labels, tmp_path / "out", workers=1)
    crop(labels, tmp_path / "out", workers=1)
    write_labels(tmp_path, write_page(tmp_path, "1.png", [box("b")]))
    with pytest.raises(DataError, match="content is different"):
        crop(labels, tmp_path / "out", workers=1)
    crop(labels, tmp_path / "out", workers=1, overwrite=True)
    assert list(read_result(tmp_path / "out").values()) == ["b"]


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    """No file, no samples."""
    empty = write_labels(tmp_path, "\n")
    with pytest.raises(DataError, match="no usable line"):
        crop(empty, tmp_path / "out", workers=1)
    with pytest.raises(DataError, match="cannot be read"):
        crop(tmp_path / "none.txt", tmp_path / "out", workers=1)


def test_real_crops_are_those_of_ppocrlabel(tmp_path: Path) -> None:
    """Of the wires set, 113 crops lie there as PPOCRLabel cut them: ours have the same size and, but for
    JPEG, the same pixels."""
    wires = SHARED / "wires"
    if not wires.is_dir():
        pytest.skip("../shared/data/wires is absent")
    compared = 0
    for part in ("train", "val"):
        crop(wires / "det" / f"{part}.txt", tmp_path, workers=2, overwrite=True)
        for theirs in (wires / "rec").glob("*/*.jpg"):
            ours = tmp_path / "crop_img" / theirs.name
            if ours.exists():
                left, right = cv2.imread(str(ours)), cv2.imread(str(theirs))
                assert left.shape == right.shape
                assert np.abs(left.astype(int) - right).mean() < 4
                ours.unlink()
                compared += 1
    assert compared == 113


@pytest.mark.parametrize(
    ("way", "texts"), [("auto", ["hard", "good"]), ("keep", ["hard", "good"]), ("ignore", ["good"])]
)
def test_difficult_boxes_are_cut_out_or_not_as_asked(tmp_path: Path, way: str, texts: list[str]) -> None:
    """PPOCRLabel calls every box difficult that was drawn by hand; how many there are is said."""
    line = write_page(tmp_path, "1.png", [box("hard", difficult=True), box("good")])
    done = crop(write_labels(tmp_path, line), tmp_path / "out", workers=1, difficult=way)
    assert list(read_result(tmp_path / "out").values()) == texts
    assert [(one.kind, one.value[:7]) for one in done.problems] == [("difficult", "1 boxes")]


def test_paths_of_another_machine_are_found(tmp_path: Path) -> None:
    """As `validate` and a training find them; `strip` is left out of the beginning."""
    write_page(tmp_path / "img", "1.png", [])
    (tmp_path / "img" / "2.png").write_bytes((tmp_path / "img" / "1.png").read_bytes())
    boxes = json.dumps([box("a")])
    labels = write_labels(tmp_path, f"C:\\somebody\\img\\1.png\t{boxes}\n", f"/x/y/2.png\t{boxes}\n")
    assert crop(labels, tmp_path / "out", workers=1).crops == 1
    assert crop(labels, tmp_path / "more", strip="/x/y", images=tmp_path / "img", workers=1).crops == 2
