"""Real label files, with counts that were checked by hand (by grep, awk and looking)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.dictionary import DEFAULT_CHARSET, read_dictionary

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def check(folder: str, files: list[str], rules: Rules) -> ValidationReport:
    """Validate `files` in `folder` of the shared data, which also holds the images."""
    images = DATA / folder
    if not images.is_dir():
        pytest.skip(f"../shared/data/{folder} is absent")
    paths = [images / file for file in files]
    return validate(paths, images, rules, held=[path for path in paths if path.name == "val.txt"])


@pytest.mark.parametrize(("task", "labels"), [("det", 480), ("rec", 1000)])
def test_wires_are_clean(task: str, labels: int) -> None:
    """PPOCRLabel output that was split with care: nothing is wrong with it."""
    rules = Rules(task=task, max_text_length=25, ctc_steps=25)
    report = check(f"wires/{task}", ["train.txt", "val.txt"], rules)
    assert (report.labels, dict(report.counts)) == (labels, {})


def test_wires_decode_in_full() -> None:
    """The same with every image decoded by OpenCV."""
    report = check("wires/det", ["val.txt"], Rules(task="det", decode=True))
    assert (report.labels, dict(report.counts)) == (80, {})


def test_gazette_pages_are_clean() -> None:
    """33 pages with 2,511 boxes."""
    report = check("thai_gazette/det", ["train.txt", "val.txt"], Rules(task="det"))
    assert (report.labels, report.statistics.boxes, dict(report.counts)) == (33, 2511, {})


def test_gazette_lines_have_five_with_spaces_and_three_too_long() -> None:
    """The dictionary has no space; three lines are longer than 25 and so need more than 25 steps. Words that were
    rendered twice gave the same crop: 96 of them in both sets, and 17 lines disagree on what they say (`๑.` and `1.`)."""
    if not DATA.is_dir():
        pytest.skip("../shared/data is absent")
    dictionary = read_dictionary(DATA / "thai_gazette" / "dict.txt")
    rules = Rules(task="rec", charset=dictionary.charset, max_text_length=25, ctc_steps=25)
    report = check("thai_gazette/rec", ["train.txt", "val.txt"], rules)
    assert dictionary.problems == ()
    assert report.labels == 2000
    assert dict(report.counts) == {
        "outside_dictionary": 5,
        "too_long": 3,
        "ctc_infeasible": 3,
        "duplicate_image": 208,
        "duplicate_conflict": 17,
        "leak": 96,
    }
    assert (
        "96 of 300 validation images are also training images (1 of them with another label)"
        in report.summary()
    )
    assert [problem.line for problem in report.problems if problem.kind == "outside_dictionary"] == [
        13,
        21,
        74,
        118,
        199,
    ]


def test_list_transcriptions_of_the_plates_are_found() -> None:
    """5 boxes of 40 images; the images themselves are not there."""
    report = check("dirt/plates_list_transcription", ["dataset/Label.txt"], Rules(task="det"))
    assert (report.labels, report.statistics.boxes) == (40, 58)
    assert dict(report.counts) == {"image_missing": 40, "transcription_not_text": 5}


def test_plate_crops_have_two_empty_texts() -> None:
    """And 8 texts with spaces, which the default characters lack; lower-casing covers the capitals."""
    rules = Rules(task="rec", charset=DEFAULT_CHARSET, lower=True)
    report = check("dirt/plates_list_transcription", ["dataset/dataset/rec_gt.txt"], rules)
    assert dict(report.counts) == {"image_missing": 56, "outside_dictionary": 8, "empty_text": 2}
    assert set(report.statistics.outside) == {" "}


def test_overlapping_label_files_are_seen() -> None:
    """rec_gt_train0 to 4 repeat rec_gt_train line by line: 9,250 images, named twice each."""
    files = [f"rec_gt_train{number}.txt" for number in ("", 0, 1, 2, 3, 4)]
    report = check("dirt/ic15_rec/train_data/ic15_data", files, Rules(task="rec"))
    assert (report.labels, report.counts["image_missing"]) == (18500, 18500)
    assert report.counts["duplicate_image"] == 9250
    assert report.errors == len(report.bad_lines) == 18500
