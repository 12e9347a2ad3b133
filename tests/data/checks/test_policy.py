"""Stop or train on the rest, and the clean copy that the trainer reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ocr_train.data.checks.policy import count_quarantined, decide_on_findings, write_clean, write_quarantine
from ocr_train.data.checks.problems import BadLines
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.errors import DataError

SQUARE = [[1, 1], [50, 1], [50, 20], [1, 20]]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A label file beside two images, yet without content."""
    for name, colour in (("a.jpg", "black"), ("b.jpg", "white")):
        Image.new("RGB", (100, 32), colour).save(tmp_path / name)
    return tmp_path / "train.txt"


def check(labels: Path, content: str, task: str = "rec") -> ValidationReport:
    """Fill `labels` with `content` and validate it."""
    labels.write_bytes(content.encode())
    return validate([labels], labels.parent, Rules(task=task, workers=1))


def decide(labels: Path, report: ValidationReport, on_bad_sample: str) -> int:
    """How many lines of `labels`, which nobody has converted, are left out."""
    source = LabelSource(folder=labels.parent, origin=labels.parent, format="paddleocr")
    return decide_on_findings(report, report, source, on_bad_sample, print)


def clean(labels: Path, report: ValidationReport) -> str:
    """The clean copy's content."""
    out = labels.parent / "out" / "clean.txt"
    kept = write_clean(labels, out, report.bad_lines, report.task)
    content = out.read_bytes().decode()
    assert content.count("\n") == kept
    return content


def test_the_clean_copy_of_recognition_labels_has_only_good_lines(labels: Path) -> None:
    """BOM, CRLF, blank lines and spaces go, bad lines too; the rest stays as it was."""
    report = check(labels, "\ufeffa.jpg\t 1502\r\n\r\nno.jpg\t1\r\nb.jpg 1\r\nb.jpg\tน้ำ ที่")
    assert clean(labels, report) == "a.jpg\t1502\nb.jpg\tน้ำ ที่\n"


def test_the_clean_copy_of_detection_labels_runs_clockwise(labels: Path) -> None:
    """Images without boxes, which PaddleOCR would replace by random others, are left out."""
    box = {"transcription": " ป้าย", "points": [SQUARE[0], *SQUARE[:0:-1]], "difficult": False}
    report = check(labels, f"a.jpg\t{json.dumps([box])}\nb.jpg\t[]\n", "det")
    assert report.errors == 0
    assert clean(labels, report) == f'a.jpg\t[{{"transcription": "ป้าย", "points": {SQUARE}}}]\n'


def test_a_clean_copy_is_clean(labels: Path) -> None:
    """Validating it finds nothing to fix any more."""
    content = clean(labels, check(labels, "\ufeffa.jpg\t 1\r\na.jpg 2\nb.jpg\t2\n"))
    assert dict(check(labels, content).counts) == {}


def test_half_bad_labels_are_left_out_even_where_nobody_validated(labels: Path) -> None:
    """Training on the boxes that happen to be readable would teach the others as background."""
    boxes = [{"transcription": "a", "points": SQUARE}, {"transcription": "b", "points": SQUARE[:3]}]
    labels.write_text(f"a.jpg\t{json.dumps(boxes)}\n")
    assert write_clean(labels, labels.parent / "clean.txt", BadLines(), "det") == 0


def test_what_utf8_cannot_write_does_not_stop_the_copy(labels: Path) -> None:
    """JSON can spell lone surrogates."""
    report = check(
        labels, f"a.jpg\t{json.dumps([{'transcription': chr(0xD800), 'points': SQUARE}])}\n", "det"
    )
    assert '"transcription": "?"' in clean(labels, report)


def test_a_copy_that_fails_leaves_nothing_behind(labels: Path) -> None:
    """Neither half a file nor a temporary one; an earlier copy stays."""
    out = labels.parent / "clean.txt"
    out.write_text("earlier")
    with pytest.raises(FileNotFoundError):
        write_clean(labels.parent / "no.txt", out, BadLines(), "rec")
    assert out.read_text() == "earlier"
    assert [path.name for path in labels.parent.iterdir() if path.name.startswith(".")] == []


def test_good_labels_pass_both_policies(labels: Path) -> None:
    """Notes never stop anything."""
    report = check(labels, "a.jpg\t 1\r\n")
    assert report.counts["crlf"] == 1
    assert decide(labels, report, "stop") == decide(labels, report, "quarantine") == 0


def test_bad_samples_stop(labels: Path) -> None:
    """The error names them all, and the other policy."""
    report = check(labels, "a.jpg\t1\nno.jpg\t1\nb.jpg 1\n")
    with pytest.raises(DataError) as caught:
        decide(labels, report, "stop")
    assert f"{labels}:2: image_missing" in caught.value.problem
    assert f"{labels}:3: no_tab" in caught.value.problem
    assert "on_bad_sample=quarantine" in caught.value.hint


def test_quarantine_counts_the_bad_lines_and_lists_them(labels: Path) -> None:
    """The list has the place, the first error's kind and the line as it was."""
    report = check(labels, "a.jpg\t1\r\nno.jpg\t\r\nb.jpg 1\r\n")
    out = labels.parent / "quarantine.tsv"
    assert decide(labels, report, "quarantine") == 2
    assert write_quarantine([labels], out, report.bad_lines) == 2
    assert out.read_text() == f"{labels}:2\timage_missing\tno.jpg\t\n{labels}:3\tno_tab\tb.jpg 1\n"
    origins = {(str(labels), 3): "page, box 3"}
    source = LabelSource(folder=labels.parent, origin=labels.parent, format="labelme", origins=origins)
    write_quarantine([labels], out, report.bad_lines, source)
    assert out.read_text() == f"{labels}:2\timage_missing\tno.jpg\t\npage, box 3\tno_tab\tb.jpg 1\n"


def test_quarantine_needs_something_left_to_train_on(labels: Path) -> None:
    """Of every file: an empty validation set would fail later and less clearly."""
    bad = check(labels, "no.jpg\t1\n")
    with pytest.raises(DataError, match="no good sample is left"):
        count_quarantined(bad)


def test_quarantine_does_not_help_against_an_empty_file(labels: Path) -> None:
    """There is no line to leave out."""
    with pytest.raises(DataError, match="empty_file"):
        count_quarantined(check(labels, ""))


def test_images_in_a_clean_copy_are_as_written(labels: Path) -> None:
    """Paths stay relative to the same folder, JSON lists stay lists."""
    content = clean(labels, check(labels, '["a.jpg", "b.jpg"]\t1\n'))
    labels.write_text(content)
    assert [entry.image for entry in read_labels(labels) if isinstance(entry, LabelLine)] == [
        '["a.jpg", "b.jpg"]'
    ]
