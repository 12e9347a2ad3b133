"""What was read is kept until the answer is whole."""

from __future__ import annotations

from pathlib import Path

from ocr_train.analysis.predictions import Reading
from ocr_train.labelling.kept_readings import NAME, KeptReadings
from tests.labelling.builders import draw_page, read_lines, text_line


def test_a_second_call_knows_what_the_first_has_read(tmp_path: Path) -> None:
    """Pages with lines, as they were."""
    reading = read_lines(draw_page(tmp_path / "ก.png"), text_line("ข", 0.5, error=""))
    KeptReadings(tmp_path / "kept", "det:1 rec:2").add(reading)
    assert KeptReadings(tmp_path / "kept", "det:1 rec:2").get(reading.image) == reading


def test_another_model_reads_anew(tmp_path: Path) -> None:
    """And what it reads replaces the rest."""
    image = draw_page(tmp_path / "a.png")
    KeptReadings(tmp_path, "rec:1").add(Reading(image=image, text="a", score=0.5))
    other = KeptReadings(tmp_path, "rec:2")
    assert other.get(image) is None
    other.add(Reading(image=image, text="b", score=0.5))
    assert KeptReadings(tmp_path, "rec:1").get(image) is None


def test_an_image_that_has_changed_is_read_again(tmp_path: Path) -> None:
    """As its size or time tells; one that is gone is not known either."""
    image = draw_page(tmp_path / "a.png")
    KeptReadings(tmp_path, "rec:1").add(Reading(image=image, text="a", score=0.5))
    draw_page(image, (300, 200))
    kept = KeptReadings(tmp_path, "rec:1")
    assert kept.get(image) is None
    assert kept.get(tmp_path / "gone.png") is None


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    """The disk may be there the next time."""
    image = draw_page(tmp_path / "a.png")
    KeptReadings(tmp_path, "rec:1").add(Reading(image=image, error="damaged"))
    assert KeptReadings(tmp_path, "rec:1").get(image) is None


def test_half_a_line_is_passed_over(tmp_path: Path) -> None:
    """The process was killed while it wrote."""
    first, second = draw_page(tmp_path / "a.png"), draw_page(tmp_path / "b.png")
    kept = KeptReadings(tmp_path, "rec:1")
    kept.add(Reading(image=first, text="a", score=0.5))
    kept.add(Reading(image=second, text="b", score=0.5))
    file = tmp_path / NAME
    file.write_bytes(file.read_bytes()[:-20])
    again = KeptReadings(tmp_path, "rec:1")
    assert again.get(first) is not None
    assert again.get(second) is None
