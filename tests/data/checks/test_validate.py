"""Whole label files: every problem at once, each in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from ocr_train.data.checks import problems
from ocr_train.data.checks import validate as validate_module
from ocr_train.data.checks.problems import KINDS
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.errors import ConfigError, DataError

GOOD_BOX = {"transcription": "a", "points": [[1, 1], [50, 1], [50, 20], [1, 20]]}
REC = Rules(task="rec", workers=2)
DET = Rules(task="det", workers=2)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with two images of 100x32 pixels."""
    for name, colour in (("a.jpg", "black"), ("b.jpg", "white")):
        Image.new("RGB", (100, 32), colour).save(tmp_path / name)
    return tmp_path


def check(images: Path, content: str | bytes, rules: Rules = REC) -> ValidationReport:
    """Validate a label file `train.txt` with `content`."""
    path = images / "train.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return validate([path], images, rules)


def places(report: ValidationReport) -> list[tuple[int, str]]:
    """Line and kind of every problem."""
    return [(problem.line, problem.kind) for problem in report.problems]


def test_good_labels_have_no_problems(images: Path) -> None:
    """Nothing is said where nothing is wrong, blank lines included."""
    report = check(images, "a.jpg\t1502\n\nb.jpg\tน้ำ")
    assert (report.labels, report.problems, report.errors, dict(report.counts)) == (2, (), 0, {})


def test_every_problem_comes_with_its_line(images: Path) -> None:
    """One pass finds them all, in the order of the file."""
    lines = ["a.jpg 1502", "no.jpg\t1", "\t1", "b.jpg\t", "../x/a.jpg\t1", "a.jpg\t 1"]
    report = check(images, "\n".join(lines))
    assert places(report) == [
        (1, "no_tab"),
        (2, "image_missing"),
        (3, "empty_image"),
        (4, "empty_text"),
        (5, "bad_path"),
        (6, "surrounding_spaces"),
    ]
    assert report.labels == 6
    assert report.errors == 5


def test_a_problem_says_where_what_and_how_to_mend_it(images: Path) -> None:
    """File as given, line, kind, value, hint and severity."""
    (problem,) = check(images, "no.jpg\t1").problems
    assert problem.file == str(images / "train.txt")
    assert (problem.line, problem.kind, problem.value) == (1, "image_missing", "no.jpg")
    assert problem.hint
    assert problem.severity == "error"


def test_several_files_are_checked_together(images: Path) -> None:
    """Problems come in the order of the files, and an image in two of them is named."""
    train, val = images / "z_train.txt", images / "a_val.txt"
    train.write_text("a.jpg\t1\nno.jpg\t1\n")
    val.write_text("a.jpg\t1\n")
    report = validate([train, val], images, REC)
    assert [(problem.file, problem.kind) for problem in report.problems] == [
        (str(train), "image_missing"),
        (str(val), "duplicate_image"),
    ]
    assert "z_train.txt:1" in report.problems[1].hint


def test_crlf_and_bom_are_read_correctly_and_counted(images: Path) -> None:
    """They are notes: the clean copy that the trainer reads has neither."""
    report = check(images, b"\xef\xbb\xbfa.jpg\t1\r\nb.jpg\t2\r\n")
    assert dict(report.counts) == {"bom": 1, "crlf": 2}
    assert report.errors == 0


def test_a_file_that_is_not_utf8_is_reported_line_by_line(images: Path) -> None:
    """Good lines in it stay good."""
    text = "a.jpg\tน้ำ\n".encode() + b"a.jpg\t\xe9\nb.jpg\t1\n"
    assert [place for place in places(check(images, text)) if "dupl" not in place[1]] == [(2, "not_utf8")]


def test_a_file_in_another_encoding_is_one_problem(images: Path) -> None:
    """It says which encoding, how many samples it has, and how to save it as UTF-8; no line of it is taken."""
    report = check(images, "a.jpg\tน้ำ\nb.jpg\t1\n".encode("cp874"))
    (problem,) = report.problems
    assert (problem.line, problem.kind, report.labels, report.errors) == (0, "not_utf8", 2, 1)
    assert "'น้ำ' in cp874" in problem.hint
    assert "iconv -f cp874 -t UTF-8" in problem.hint
    assert (problem.file, 1) in report.bad_lines


def test_an_empty_file_is_an_error_of_the_whole_file(images: Path) -> None:
    """PaddleOCR ends with exit code 0 where there are no samples."""
    report = check(images, "\n \n")
    assert places(report) == [(0, "empty_file")]
    assert len(report.bad_lines) == 0


def test_duplicates_are_notes_and_contradictions_errors(images: Path) -> None:
    """The same image and label twice only count double; two truths for one image teach one of them wrongly."""
    assert places(check(images, "a.jpg\t1\nb.jpg\t2\na.jpg\t1\n")) == [(3, "duplicate_image")]
    report = check(images, "a.jpg\t1\nb.jpg\t2\na.jpg\t3\n")
    assert places(report) == [(1, "duplicate_conflict"), (3, "duplicate_conflict")]
    assert list(report.bad_lines.of(str(images / "train.txt"))) == [
        (1, "duplicate_conflict"),
        (3, "duplicate_conflict"),
    ]
    assert report.problems[1].value == "a.jpg"
    assert "train.txt:3" in report.problems[0].hint
    assert "train.txt:1" in report.problems[1].hint


def test_boxes_are_compared_with_the_image_they_are_on(images: Path) -> None:
    """Each line's boxes are checked against the size of its own image."""
    far = {**GOOD_BOX, "points": [[1, 1], [500, 1], [500, 20], [1, 20]]}
    report = check(images, f"a.jpg\t{json.dumps([GOOD_BOX])}\nb.jpg\t{json.dumps([GOOD_BOX, far])}\n", DET)
    assert places(report) == [(2, "outside_image")]


def test_boxes_are_compared_with_the_upright_image(images: Path) -> None:
    """An EXIF-rotated image has its sides swapped, as OpenCV reads it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (32, 100)).save(images / "r.jpg", exif=exif)
    assert places(check(images, f"r.jpg\t{json.dumps([GOOD_BOX])}\n", DET)) == [(1, "exif_rotated")]


def test_each_image_of_a_json_list_is_checked(images: Path) -> None:
    """PaddleOCR draws one of them at random."""
    assert places(check(images, '["a.jpg", "b.jpg"]\t1\n["a.jpg", "no.jpg"]\t1\n')) == [(2, "image_missing")]


def test_a_list_of_images_is_a_sample_of_its_own(images: Path) -> None:
    """Only the same images again count as a duplicate; another label is a contradiction for each of them."""
    assert places(check(images, '["a.jpg", "b.jpg"]\t1\na.jpg\t1\n')) == []
    assert places(check(images, '["a.jpg", "b.jpg"]\t1\n["b.jpg", "a.jpg"]\t1\n')) == [(2, "duplicate_image")]
    report = check(images, '["a.jpg", "b.jpg"]\t1\nb.jpg\t2\n')
    assert places(report) == [(1, "duplicate_conflict"), (2, "duplicate_conflict")]


def test_classes_are_checked_against_the_list(images: Path) -> None:
    """Angle classification knows 0 and 180."""
    rules = Rules(task="cls", label_list=("0", "180"), workers=1)
    assert places(check(images, "a.jpg\t0\nb.jpg\t90\n", rules)) == [(2, "unknown_class")]


def test_missing_characters_are_listed_with_counts_and_lines(images: Path) -> None:
    """So that one sees at once what to add to the dictionary."""
    rules = Rules(task="rec", charset=frozenset("12"), workers=1)
    report = check(images, "a.jpg\t1é2é\nb.jpg\té3\n", rules)
    file = str(images / "train.txt")
    found = {char: (one.count, one.lines) for char, one in report.statistics.outside.items()}
    assert found == {"é": (3, [(file, 1), (file, 2)]), "3": (1, [(file, 2)])}


def test_use_space_char_adds_the_space(images: Path) -> None:
    """The dictionary file need not hold it."""
    spaced = Rules(task="rec", charset=frozenset("12"), use_space_char=True, workers=1)
    assert places(check(images, "a.jpg\t1 2\n", spaced)) == []


def test_known_problems_are_counted_with_the_others(images: Path) -> None:
    """The dictionary's problems appear in the same report, and mark no sample as bad."""
    known = check(images, "").problems
    path = images / "good.txt"
    path.write_text("a.jpg\t1\n")
    report = validate([path], images, REC, known=known)
    assert (dict(report.counts), report.errors, len(report.bad_lines)) == ({"empty_file": 1}, 1, 0)


def test_the_json_has_its_fixed_shape(images: Path) -> None:
    """Machines rely on it; severity and statistics stay out."""
    report = check(images, "a.jpg 1\nb.jpg\t2\n").to_json()
    assert json.loads(json.dumps(report)) == {
        "labels": 2,
        "problems": [
            {
                "file": str(images / "train.txt"),
                "line": 1,
                "kind": "no_tab",
                "value": "a.jpg 1",
                "hint": "put a tab between the image's path and the label (not spaces)",
            }
        ],
        "counts": {"no_tab": 1},
    }


def test_the_summary_names_errors_first(images: Path) -> None:
    """Notes must not hide what stops training."""
    summary = check(images, "a.jpg\t 1\nno.jpg\t1\n").summary(limit=1).splitlines()
    assert summary[0] == "2 labels, 1 errors in 1 lines, 1 notes"
    assert summary[-2].startswith(f"{images / 'train.txt'}:2: image_missing 'no.jpg': ")
    assert summary[-1] == "... and 1 more surrounding_spaces"


def test_problems_beyond_the_limit_are_counted_and_marked(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, yet counts and the quarantine are complete."""
    monkeypatch.setattr(problems, "KEPT_PER_KIND", 3)
    report = check(images, "a.jpg 1\n" * 10)
    assert len(report.problems) == 3
    assert report.counts["no_tab"] == report.errors == len(report.bad_lines) == 10


def test_an_image_is_checked_again_when_it_was_forgotten(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of image sizes is bounded, too; the verdict stays the same."""
    monkeypatch.setattr(validate_module, "REMEMBERED_IMAGES", 1)
    monkeypatch.setattr(validate_module, "LINES_PER_CHUNK", 2)
    report = check(images, "a.jpg\t1\nno.jpg\t1\nb.jpg\t1\na.jpg\t1\nno.jpg\t1\n")
    assert places(report) == [
        (2, "image_missing"),
        (4, "duplicate_image"),
        (5, "image_missing"),
        (5, "duplicate_image"),
    ]


def test_everything_that_cannot_be_opened_is_named_together(tmp_path: Path) -> None:
    """A user mends all paths at once."""
    with pytest.raises(DataError) as caught:
        validate([tmp_path / "one.txt", tmp_path / "two.txt"], tmp_path / "images", REC)
    assert all(name in caught.value.problem for name in ("one.txt", "two.txt", "images"))


def test_an_unknown_task_is_refused() -> None:
    """The message lists the tasks."""
    with pytest.raises(ConfigError, match="unknown task 'e2e'"):
        Rules(task="e2e")


def test_statistics_count_texts_boxes_and_sides(images: Path) -> None:
    """The HTML summary draws them."""
    ignored = {**GOOD_BOX, "transcription": "###"}
    statistics = check(images, f"a.jpg\t{json.dumps([GOOD_BOX, ignored])}\n", DET).statistics
    assert (statistics.boxes, statistics.ignored_boxes, statistics.sides) == (2, 1, {24: 2})
    assert (statistics.characters, statistics.lengths) == ({"a": 1}, {1: 1})


def test_every_kind_is_an_error_or_a_note() -> None:
    """The table is complete, and explains itself."""
    for kind in KINDS.values():
        assert {kind.rec, kind.det} <= {"error", "note"}
        assert kind.why


def test_counts_agree_with_the_problems(images: Path) -> None:
    """Below the limit, counts is nothing but a count of the list."""
    report = check(images, "a.jpg\t 1\na.jpg\t2\nno.jpg 1\nno.jpg\t\n")
    assert Counter(problem.kind for problem in report.problems) == report.counts


GROWTH = """
import resource, sys
from pathlib import Path
from ocr_train.data.checks.validate import Rules, validate

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

for name in sys.argv[2:]:
    validate([Path(sys.argv[1]) / name], Path(sys.argv[1]), Rules(task="rec", workers=2))
    print(peak())
"""


@pytest.mark.slow
def test_memory_hardly_grows_with_the_number_of_lines(images: Path) -> None:
    """28 bytes a line to find duplicates and one for bad lines, beside what is bounded: 120,000 bad lines.

    Both files reach the limit of kept problems; the larger has 100,000 lines more, which as problems would
    need more than 37 MB.
    """
    for name, lines in (("small.txt", 20_000), ("large.txt", 120_000)):
        with (images / name).open("w") as file:
            file.writelines(f"a.jpg {number}\nb.jpg\t{number}\r\n" for number in range(lines // 2))
    command = [sys.executable, "-c", GROWTH, str(images), "small.txt", "large.txt"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    small_mb, large_mb = map(float, output.split())
    assert large_mb - small_mb < 15
