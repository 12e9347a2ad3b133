"""convert, crop and split on the command line, on real data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli_run import command, det_data, det_label, rec_data

Capsys = pytest.CaptureFixture[str]


def test_labelme_becomes_clean_detection_labels(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Real JSON files: the counts, the place, and labels that validate."""
    ran = command(capsys, "convert", "labelme", shared / "data/labelme/balls", tmp_path / "out")
    assert ran.code == 0
    assert "5 images with 120 boxes" in ran.out
    labels = tmp_path / "out" / "Label.txt"
    assert f"next: python -m ocr_train validate --task det {labels}" in ran.out
    assert command(capsys, "validate", "--task", "det", labels).code == 0


def test_what_was_skipped_is_said_with_its_reason(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Four JSON files without an image: counted, each with what to do; in the JSON answer, too."""
    source = shared / "data/labelme/labelme-rs"
    ran = command(capsys, "convert", "labelme", source, tmp_path / "out", "--json", tmp_path / "a.json")
    assert "skipped: 4 page_without_image, 3 point" in ran.out
    assert "backslash.json: image_missing" in ran.out
    answer = json.loads((tmp_path / "a.json").read_text())
    assert answer["skipped"] == {"page_without_image": 4, "point": 3}
    assert answer["labels"] == str(tmp_path / "out" / "Label.txt")
    assert {problem["kind"] for problem in answer["problems"]} == {"line_widened", "image_missing"}


def test_the_text_may_be_the_description(capsys: Capsys, tmp_path: Path) -> None:
    """--text-from description takes that field's text."""
    det_data(tmp_path / "src", 1)
    shape = {"label": "text", "description": "Hello", "shape_type": "rectangle", "points": [[1, 1], [30, 20]]}
    content = {"version": "5.0", "imagePath": "img/0.jpg", "imageData": None, "shapes": [shape]}
    (tmp_path / "src" / "0.json").write_text(json.dumps(content))
    ran = command(
        capsys, "convert", "labelme", tmp_path / "src", tmp_path / "out", "--text-from", "description"
    )
    assert ran.code == 0
    assert '"transcription": "Hello"' in (tmp_path / "out" / "Label.txt").read_text()


def test_ppocrlabel_gives_both_sets(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """A real folder of plates: detection and recognition labels, and how many images are confirmed."""
    source = shared / "data/dirt/plates_list_transcription"
    ran = command(capsys, "convert", "ppocrlabel", source, tmp_path / "out", "--json", "-")
    assert ran.code == 0
    assert (ran.json["images"], ran.json["boxes"], ran.json["crops"], ran.json["confirmed"]) == (
        40,
        58,
        54,
        40,
    )
    assert "40 images are confirmed in PPOCRLabel, 0 are not" in ran.err
    assert "... and 44 more" in ran.err


@pytest.mark.parametrize(
    ("tool", "option"), [("labelme", ("--only-confirmed",)), ("ppocrlabel", ("--text-from", "label"))]
)
def test_an_option_of_the_other_tool_is_refused(
    capsys: Capsys, tmp_path: Path, tool: str, option: tuple[str, ...]
) -> None:
    """It would do nothing, and somebody thinks that it does."""
    ran = command(capsys, "convert", tool, tmp_path, tmp_path / "out", *option)
    assert ran.code == 2
    assert "is for" in ran.err


def test_a_folder_that_gives_no_sample_exits_3(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Every page without its image: the reasons are listed, and it is a failure."""
    (tmp_path / "src").mkdir()
    shutil.copy(shared / "data/labelme/labelme-rs/sort.json", tmp_path / "src")
    ran = command(capsys, "convert", "labelme", tmp_path / "src", tmp_path / "out")
    assert ran.code == 3
    assert "image_missing" in ran.out
    assert "has no usable sample" in ran.err


def test_other_content_is_only_replaced_with_overwrite(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """The message names the option that allows it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "Label.txt").write_text("mine")
    arguments = ("convert", "labelme", shared / "data/labelme/balls", tmp_path / "out")
    ran = command(capsys, *arguments)
    assert ran.code == 3
    assert "--overwrite" in ran.err
    assert (tmp_path / "out" / "Label.txt").read_text() == "mine"
    assert command(capsys, *arguments, "--overwrite").code == 0


@pytest.mark.parametrize("name", ["nowhere", "file.txt"])
def test_a_source_that_is_no_folder_is_said(capsys: Capsys, tmp_path: Path, name: str) -> None:
    """A missing folder, and a file in its place."""
    (tmp_path / "file.txt").write_text("x")
    ran = command(capsys, "convert", "labelme", tmp_path / name, tmp_path / "out")
    assert ran.code == 3
    assert "is not a folder" in ran.err


def test_a_file_in_place_of_the_result_is_said(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Status 4 and the path, no traceback."""
    (tmp_path / "out").write_text("a file")
    ran = command(capsys, "convert", "labelme", shared / "data/labelme/balls", tmp_path / "out")
    assert ran.code == 4
    assert str(tmp_path / "out") in ran.err


def test_boxes_become_recognition_samples(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Real wires: as many crops as texts, and the labels validate against their own characters."""
    ran = command(
        capsys, "crop", shared / "data/wires/det/val.txt", tmp_path, "--workers", "2", "--json", "-"
    )
    assert ran.code == 0
    assert ran.json["pages"] == 80
    lines = (tmp_path / "rec_gt.txt").read_text(encoding="utf-8").splitlines()
    assert ran.json["crops"] == len(lines) == len(list((tmp_path / "crop_img").iterdir()))
    (tmp_path / "chars").write_text(
        "".join(f"{c}\n" for c in sorted({c for t in lines for c in t.split("\t")[1]}))
    )
    dictionary = ("--dict", tmp_path / "chars", "--use-space-char")
    assert command(capsys, "validate", "--task", "rec", tmp_path / "rec_gt.txt", *dictionary).code == 0


def test_cropping_says_what_comes_next(capsys: Capsys, tmp_path: Path) -> None:
    """A command that can be pasted and works."""
    labels = det_data(tmp_path / "src", 12)
    ran = command(capsys, "crop", labels, tmp_path / "rec")
    after = ran.out.splitlines()[-1].removeprefix("next: python -m ocr_train ")
    assert command(capsys, *after.split()).code == 0
    assert (tmp_path / "rec" / "val.txt").stat().st_size


def test_no_crop_at_all_exits_3(capsys: Capsys, tmp_path: Path) -> None:
    """Recognition labels are no detection labels: nothing could be cut, and why."""
    ran = command(capsys, "crop", rec_data(tmp_path, ["abc"]), tmp_path / "out")
    assert ran.code == 3
    assert "bad_json" in ran.out
    assert "has no usable crop" in ran.err


def test_cropping_never_replaces_its_own_input(capsys: Capsys, tmp_path: Path) -> None:
    """`crop x/rec_gt.txt x --overwrite` would."""
    labels = det_data(tmp_path, 1, name="rec_gt.txt")
    before = labels.read_bytes()
    assert command(capsys, "crop", labels, tmp_path, "--overwrite").code == 2
    assert labels.read_bytes() == before


def test_a_split_is_the_same_every_time(capsys: Capsys, tmp_path: Path) -> None:
    """Same seed, same files; together they are all samples."""
    labels = rec_data(tmp_path, ["ab"] * 40)
    for name in ("one", "two"):
        ran = command(
            capsys, "split", labels, tmp_path / name, "--val", "0.2", "--test", "0.1", "--json", "-"
        )
        assert ran.code == 0
    assert sum(ran.json["samples"].values()) == 40
    for name in ("train.txt", "val.txt", "test.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_split_in_place_can_be_trained_on(capsys: Capsys, tmp_path: Path) -> None:
    """Into the folder of the images: next is training; elsewhere the images would lie outside."""
    labels = rec_data(tmp_path / "data", ["ab"] * 20)
    inside = command(capsys, "split", labels, tmp_path / "data", "--val", "0.2")
    assert f"next: python -m ocr_train train --model rec --data {tmp_path / 'data'}" in inside.out
    outside = command(capsys, "split", labels, tmp_path / "else", "--val", "0.2")
    assert "outside" in outside.out
    assert "train --data" not in outside.out


def test_groups_stay_together(capsys: Capsys, tmp_path: Path) -> None:
    """--group-by keeps all images of a tens digit in one set."""
    labels = rec_data(tmp_path, ["ab"] * 60)
    command(capsys, "split", labels, tmp_path, "--val", "0.3", "--group-by", r"img/(\d)\d?\.jpg")
    digits = {
        name: {line.split("/")[1][0] for line in (tmp_path / name).read_text().splitlines()}
        for name in ("train.txt", "val.txt")
    }
    assert digits["train.txt"].isdisjoint(digits["val.txt"])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--val", "1.5"), "share"),
        (("--val", "0.6", "--test", "0.5"), "nothing for training"),
        (("--val", "0.2", "--group-by", "("), "regular expression"),
        (("--val", "nan"), "share"),
    ],
)
def test_impossible_wishes_exit_2(
    capsys: Capsys, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    """Shares and patterns that cannot be, before anything is written."""
    ran = command(capsys, "split", rec_data(tmp_path, ["ab"] * 4), tmp_path / "out", *options)
    assert ran.code == 2
    assert word in ran.err
    assert not (tmp_path / "out").exists()


def test_splitting_never_replaces_its_own_input(capsys: Capsys, tmp_path: Path) -> None:
    """`split x/train.txt x --overwrite` would lose the samples of val."""
    labels = rec_data(tmp_path, ["ab"] * 10, name="train.txt")
    before = labels.read_bytes()
    assert command(capsys, "split", labels, tmp_path, "--val", "0.2", "--overwrite").code == 2
    assert labels.read_bytes() == before


def test_an_earlier_split_is_kept(capsys: Capsys, tmp_path: Path) -> None:
    """--earlier with another seed moves nothing."""
    labels = rec_data(tmp_path, ["ab"] * 30)
    command(capsys, "split", labels, tmp_path / "one", "--val", "0.3")
    options = ("--val", "0.3", "--seed", "7", "--earlier", tmp_path / "one")
    assert command(capsys, "split", labels, tmp_path / "two", *options).code == 0
    assert (tmp_path / "one" / "val.txt").read_bytes() == (tmp_path / "two" / "val.txt").read_bytes()


def test_splitting_nothing_is_said(capsys: Capsys, tmp_path: Path) -> None:
    """An empty file, a folder and a missing file: status 3."""
    (tmp_path / "empty.txt").write_text("")
    for name in ("empty.txt", ".", "none.txt"):
        assert command(capsys, "split", tmp_path / name, tmp_path / "out", "--val", "0.2").code == 3


@pytest.mark.parametrize(
    ("label", "model"), [("abc", "rec"), ("0", "cls"), ("180", "cls"), (det_label(), "det")]
)
def test_a_split_names_the_model_that_such_labels_are_for(
    capsys: Capsys, tmp_path: Path, label: str, model: str
) -> None:
    """The next command is one that works."""
    (tmp_path / "labels.txt").write_text("".join(f"{number}.jpg\t{label}\n" for number in range(4)))
    ran = command(capsys, "split", tmp_path / "labels.txt", tmp_path, "--val", "0.25")
    assert f"train --model {model} --data" in ran.out
