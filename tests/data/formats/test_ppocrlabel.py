"""PPOCRLabel conversion: the folder as people really hand it over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.ppocrlabel import convert_ppocrlabel
from ocr_train.errors import DataError
from tests.data.formats.folders import picture
from tests.fuzz import cases

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "dirt" / "plates_list_transcription"

POINTS = [[10, 10], [70, 10], [70, 30], [10, 30]]


def box(text: Any = "text", **more: Any) -> dict[str, Any]:
    """One box as PPOCRLabel writes it."""
    return {"transcription": text, "points": POINTS, "difficult": False, **more}


def write_folder(src: Path, pages: dict[str, Any], **files: str) -> Path:
    """A folder as PPOCRLabel leaves it: Label.txt, the images that exist, and other files by name."""
    src.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}\t{json.dumps(boxes, ensure_ascii=False)}\n" for name, boxes in pages.items()]
    (src / "Label.txt").write_text("".join(lines), encoding="utf-8")
    for name, text in files.items():
        (src / f"{name}.txt").write_text(text, encoding="utf-8")
    return src


def put_images(folder: Path, *names: str) -> None:
    """Files whose content is their own path, so that a mix-up shows."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def read_det(out: Path) -> dict[str, list[str]]:
    """The texts by image."""
    lines = (out / "det" / "Label.txt").read_text(encoding="utf-8").splitlines()
    return {
        line.split("\t")[0]: [one["transcription"] for one in json.loads(line.split("\t")[1])]
        for line in lines
    }


def read_rec(out: Path) -> list[list[str]]:
    """Crops and texts."""
    lines = (out / "rec" / "rec_gt.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def kinds(done: Conversion) -> list[str]:
    """The kinds of the problems, in their order."""
    return [problem.kind for problem in done.problems]


def test_a_folder_becomes_a_detection_and_a_recognition_set(tmp_path: Path) -> None:
    """Labels, images, crops: all there, nothing else."""
    src = write_folder(
        tmp_path / "scans",
        {"scans/a.jpg": [box("ก ข"), box("###")], "scans/b.jpg": [box("two")]},
        fileState="/home/x/scans/a.jpg\t1\n/home/x/scans/b.jpg\t1\n",
        rec_gt="crop_img/a_crop_0.jpg\tก ข\ncrop_img/b_crop_0.jpg\ttwo\n",
    )
    put_images(src, "a.jpg", "b.jpg", "crop_img/a_crop_0.jpg", "crop_img/b_crop_0.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out")
    assert read_det(tmp_path / "out") == {"images/a.jpg": ["ก ข", "###"], "images/b.jpg": ["two"]}
    assert read_rec(tmp_path / "out") == [["crop_img/a_crop_0.jpg", "ก ข"], ["crop_img/b_crop_0.jpg", "two"]]
    assert (tmp_path / "out" / "det" / "images" / "b.jpg").read_text() == "b.jpg"
    assert (tmp_path / "out" / "rec" / "crop_img" / "b_crop_0.jpg").read_text() == "crop_img/b_crop_0.jpg"
    assert (done.images, done.boxes, done.crops, done.confirmed, done.unconfirmed) == (2, 3, 2, 2, 0)
    assert (done.problems, done.skipped) == ((), {})


def test_dirt_in_boxes_is_fixed_or_counted(tmp_path: Path) -> None:
    """A list gives its first element, spaces go; what has no points is lost; of difficult boxes is said how many."""
    boxes = [
        box(["K1976", 0.9]),
        box("hard", difficult=True),
        box(" a\nb "),
        box(points=[[0, 0]]),
        "x",
        box(None),
    ]
    src = write_folder(tmp_path / "s", {"s/a.jpg": boxes})
    put_images(src, "a.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out")
    assert read_det(tmp_path / "out") == {"images/a.jpg": ["K1976", "hard", "a b"]}
    assert done.skipped == {"bad_box": 1, "bad_points": 1, "bad_text": 1}
    assert sorted(kinds(done)) == ["bad_box", "bad_points", "bad_text", "difficult"]


@pytest.mark.parametrize(
    ("way", "text", "other"), [("auto", "hard", "###"), ("keep", "hard", ""), ("ignore", "###", "###")]
)
def test_difficult_boxes_are_kept_or_ignored_as_asked(
    tmp_path: Path, way: str, text: str, other: str
) -> None:
    """One note has their number and the way; what has no text anyway is ignored unless all are to be kept."""
    lower = [[x, y + 40] for x, y in POINTS]
    boxes = [
        box("hard", difficult=True),
        box("", difficult=True, points=lower),
        box("###", difficult=True, points=[[x + 90, y] for x, y in POINTS]),
        box("easy"),
    ]
    src = write_folder(tmp_path / "s", {"s/a.jpg": boxes})
    put_images(src, "a.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out", difficult=way)
    assert read_det(tmp_path / "out") == {"images/a.jpg": [text, other, "###", "easy"]}
    (note,) = done.problems
    assert (note.kind, note.severity, note.line) == ("difficult", "note", 1)
    assert note.value == "2 boxes in 1 images; here is the first"
    assert ("--difficult keep" in note.hint) == (way == "ignore")


def test_boxes_that_the_check_would_refuse_are_mended_or_counted(tmp_path: Path) -> None:
    """A crossed one is put straight, one beyond the edge cut off, one outside left out: with their images."""
    outlines = [
        [[10, 10], [70, 30], [70, 10], [10, 30]],
        [[-20, 40], [60, 40], [60, 60], [-20, 60]],
        [[900, 0], [990, 0], [990, 9], [900, 9]],
        [[1, 1], [9, 1], [9, 9], [1.5, 9]],
    ]
    boxes = [box(str(number), points=points) for number, points in enumerate(outlines)]
    src = write_folder(tmp_path / "s", {"s/a.jpg": boxes})
    (src / "a.jpg").write_bytes(picture(".jpg", 1))
    done = convert_ppocrlabel(src, tmp_path / "out")
    label = (tmp_path / "out" / "det" / "Label.txt").read_text(encoding="utf-8").split("\t")[1]
    assert [(one["transcription"], one["points"]) for one in json.loads(label)] == [
        ("0", [[10, 10], [70, 10], [70, 30], [10, 30]]),
        ("1", [[0, 40], [60, 40], [60, 60], [0, 60]]),
        ("3", outlines[3]),
    ]
    assert done.skipped == {"outside_image": 1}
    assert kinds(done) == ["outside_image", "clipped", "mended"]


@pytest.mark.parametrize(
    "written",
    [
        "D:\\TPOCR\\data\\s\\a b.jpg",
        "/somewhere/else/a b.jpg",
        "a b.jpg",
        "s/a b.jpg",
        "s\\a b.jpg",
        "../s/a b.jpg",
    ],
)
def test_images_are_found_by_any_path(tmp_path: Path, written: str) -> None:
    """Absolute Windows paths are matched by their name under the source."""
    src = write_folder(tmp_path / "s", {written: [box()]})
    put_images(src, "pages/a b.jpg" if written.startswith(("D:", "/")) else "a b.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out")
    assert done.problems == ()
    (name,) = read_det(tmp_path / "out")
    assert (tmp_path / "out" / "det" / name).is_file()


def test_a_relative_source_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`convert ppocrlabel . ../out` inside the folder finds `<folder>/<image>`."""
    src = write_folder(tmp_path / "s", {"s/a.jpg": [box()]})
    put_images(src, "a.jpg")
    monkeypatch.chdir(src)
    assert convert_ppocrlabel(Path(), Path("../out")).problems == ()
    assert list(read_det(tmp_path / "out")) == ["images/a.jpg"]


def test_a_missing_image_keeps_its_line_and_is_a_problem(tmp_path: Path) -> None:
    """Labels are work: they are not thrown away because the images are elsewhere."""
    src = write_folder(tmp_path / "s", {"s/a.jpg": [box()], "s/b.jpg": [box()]})
    put_images(src, "a.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out")
    assert list(read_det(tmp_path / "out")) == ["images/a.jpg", "images/b.jpg"]
    assert [(problem.kind, problem.line, problem.value) for problem in done.problems] == [
        ("image_missing", 2, "s/b.jpg")
    ]


@pytest.mark.parametrize(
    "state", ["D:\\x\\s\\a.jpg\t1\r\n", "s/a.jpg\t1\n", "a.jpg\t1", "/h/s/a.jpg\t1\n/h/s/b.jpg\t0\n"]
)
def test_unconfirmed_images_are_reported_and_kept_unless_asked(tmp_path: Path, state: str) -> None:
    """fileState.txt says what a person has confirmed."""
    src = write_folder(tmp_path / "s", {"s/a.jpg": [box()], "s/b.jpg": [box()]})
    (src / "fileState.txt").write_bytes(state.encode())
    put_images(src, "a.jpg", "b.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out")
    assert (done.images, done.confirmed, done.unconfirmed, kinds(done)) == (2, 1, 1, ["unconfirmed"])
    assert done.problems[0].value == "1 of 2 images"
    only = convert_ppocrlabel(src, tmp_path / "confirmed", only_confirmed=True)
    assert list(read_det(tmp_path / "confirmed")) == ["images/a.jpg"]
    assert only.skipped == {"unconfirmed": 1}


def test_without_states_nothing_is_called_unconfirmed(tmp_path: Path) -> None:
    """A folder without fileState.txt says nothing about it, not even to `only_confirmed`."""
    src = write_folder(tmp_path / "s", {"s/a.jpg": [box()]})
    put_images(src, "a.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out", only_confirmed=True)
    assert (done.images, done.confirmed, done.unconfirmed, done.problems) == (1, 0, 0, ())


def test_an_image_on_two_lines_gets_one_line_with_all_boxes(tmp_path: Path) -> None:
    """Equal boxes are there once, in whatever spelling the image is named."""
    src = tmp_path / "s"
    put_images(src, "a.jpg")
    lines = [
        f"{name}\t{json.dumps([box(text) for text in texts])}\n"
        for name, texts in (("s/a.jpg", "xy"), ("a.jpg", "yz"))
    ]
    (src / "Label.txt").write_text("".join(lines))
    done = convert_ppocrlabel(src, tmp_path / "out")
    assert read_det(tmp_path / "out") == {"images/a.jpg": ["x", "y", "z"]}
    assert kinds(done) == ["duplicate_image"]


def test_several_folders_come_together_without_collision(tmp_path: Path) -> None:
    """Equal names in two annotators' folders stay apart, pages and crops."""
    for name in ("one", "two"):
        src = write_folder(
            tmp_path / "all" / name, {f"{name}/1.jpg": [box(name)]}, rec_gt=f"crop_img/1_crop_0.jpg\t{name}\n"
        )
        put_images(src, "1.jpg", "crop_img/1_crop_0.jpg")
        (src / "1.jpg").write_text(name)
    convert_ppocrlabel(tmp_path / "all", tmp_path / "out")
    assert read_det(tmp_path / "out") == {"images/one/1.jpg": ["one"], "images/two/1.jpg": ["two"]}
    assert (tmp_path / "out/det/images/two/1.jpg").read_text() == "two"
    assert read_rec(tmp_path / "out") == [
        ["crop_img/one/1_crop_0.jpg", "one"],
        ["crop_img/two/1_crop_0.jpg", "two"],
    ]


def test_pages_without_boxes_and_crops_without_text_are_counted(tmp_path: Path) -> None:
    """PaddleOCR would put random other samples in their place."""
    src = write_folder(
        tmp_path / "s", {"s/a.jpg": []}, rec_gt="crop_img/a_crop_0.jpg\t\ncrop_img/a_crop_1.jpg\tx\n"
    )
    put_images(src, "a.jpg", "crop_img/a_crop_0.jpg", "crop_img/a_crop_1.jpg")
    done = convert_ppocrlabel(src, tmp_path / "out")
    assert done.skipped == {"crop_without_text": 1, "page_without_boxes": 1}
    assert read_rec(tmp_path / "out") == [["crop_img/a_crop_1.jpg", "x"]]


@pytest.mark.parametrize(
    "written", ["../../evil.jpg", "/etc/passwd", "..\\..\\evil.jpg", "..", "/", "a\0.jpg", "x" * 4000]
)
def test_hostile_paths_neither_read_nor_write_outside(tmp_path: Path, written: str) -> None:
    """A label cannot fetch a file from elsewhere, nor put one there."""
    base = tmp_path / "deep"
    src = write_folder(base / "s", {written: [box()]}, rec_gt=f"{written}\ttext\n")
    put_images(tmp_path, "evil.jpg")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    done = convert_ppocrlabel(src, base / "out")
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert new == {base / "out" / "det" / "Label.txt", base / "out" / "rec" / "rec_gt.txt"}
    assert kinds(done) == ["image_missing", "crop_missing"]
    (name,) = read_det(base / "out")
    assert ".." not in name.split("/")
    assert name.startswith("images/")


@settings(max_examples=cases(100), deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=80), st.binary(max_size=80))
def test_no_bytes_make_it_fail(
    tmp_path_factory: pytest.TempPathFactory, labels: bytes, states: bytes, crops: bytes
) -> None:
    """Whatever the three files hold, they end in labels, counts or problems."""
    base = tmp_path_factory.mktemp("fuzz")
    (base / "src").mkdir()
    for name, content in (("Label.txt", labels), ("fileState.txt", states), ("rec_gt.txt", crops)):
        (base / "src" / name).write_bytes(content)
    done = convert_ppocrlabel(base / "src", base / "out")
    assert len(read_det(base / "out")) == done.images
    assert {path.name for path in base.iterdir()} == {"src", "out"}


def test_a_result_is_not_overwritten_unasked(tmp_path: Path) -> None:
    """The same again is fine; other content is refused."""
    src = write_folder(tmp_path / "s", {"s/a.jpg": [box()]})
    put_images(src, "a.jpg")
    first = convert_ppocrlabel(src, tmp_path / "out")
    assert convert_ppocrlabel(src, tmp_path / "out") == first
    write_folder(src, {"s/a.jpg": [box("new")]})
    with pytest.raises(DataError, match="content is different"):
        convert_ppocrlabel(src, tmp_path / "out")
    convert_ppocrlabel(src, tmp_path / "out", overwrite=True)
    assert read_det(tmp_path / "out") == {"images/a.jpg": ["new"]}


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """No labels, no folder, or the result around the source."""
    with pytest.raises(DataError, match="has neither"):
        convert_ppocrlabel(tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="is not a folder"):
        convert_ppocrlabel(tmp_path / "none", tmp_path / "out")
    with pytest.raises(DataError, match="holds the source"):
        convert_ppocrlabel(tmp_path, tmp_path)


def test_the_real_plates_give_their_texts(tmp_path: Path) -> None:
    """40 pages, 58 boxes of which 5 have lists for a text, 56 crops of which 2 have none; no images there."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data/dirt is absent")
    done = convert_ppocrlabel(SHARED, tmp_path / "out")
    texts = read_det(tmp_path / "out")
    assert (done.images, done.boxes, done.crops, done.confirmed, done.unconfirmed) == (40, 58, 54, 40, 0)
    assert texts["images/crop_1976.jpg"] == ["K1976", "UU"]
    assert texts["images/crop_H196200.jpg"] == ["H1962", "DO"]
    assert texts["images/WhatsApp Image 2024-07-18 at 10.02.51 (1).jpeg"] == ["H8807DY"]
    assert done.skipped == {"crop_without_text": 2}
    assert kinds(done) == ["image_missing"] * 40 + ["crop_missing"] * 54
