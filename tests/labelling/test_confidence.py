"""How sure a model is of an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.labelling.confidence import confidence_of
from tests.analysis.builders import box_at
from tests.labelling.builders import read_lines, text_line

IMAGE = Path("a.png")


def test_a_page_is_as_sure_as_its_least_sure_line() -> None:
    """All of it must be right; the mean is told, too."""
    found = confidence_of(read_lines(IMAGE, text_line("ก๑", 0.95), text_line("ข๒", 0.41)), "lines")
    assert (found.least, round(found.mean, 2), found.parts) == (0.41, 0.68, 2)
    assert found.why == "the line 'ข๒' is the least sure of 2"


def test_a_box_without_a_text_makes_a_page_unsure() -> None:
    """Somebody has to look."""
    found = confidence_of(read_lines(IMAGE, text_line("a", 0.99), text_line("", 0.0)), "lines")
    assert (found.least, found.why) == (0.0, "in 1 of 2 boxes nothing was read")


@pytest.mark.parametrize("task", ["det", "lines"])
def test_a_page_without_boxes_is_the_least_sure(task: str) -> None:
    """Nothing found may be everything missed."""
    found = confidence_of(Reading(image=IMAGE), task)
    assert (found.least, found.parts, found.why) == (0.0, 0, "no text was found")


def test_boxes_alone_have_the_detector_s_scores() -> None:
    """The box is told by its number."""
    boxes = tuple(box_at(x, 0).points for x in (0, 50))
    found = confidence_of(Reading(image=IMAGE, boxes=boxes, scores=(0.9, 0.6)), "det")
    assert (found.least, found.why) == (0.6, "box 2 (from the top left) is the least sure of 2")


def test_what_is_alone_on_a_page_is_called_so() -> None:
    """Nothing is compared with it."""
    assert confidence_of(read_lines(IMAGE, text_line("ก", 0.5)), "lines").why == "its only line 'ก'"
    one = Reading(image=IMAGE, boxes=(box_at(0, 0).points,), scores=(0.9,))
    assert confidence_of(one, "det").why == "its only box"


def test_a_line_has_the_recogniser_s_score() -> None:
    """What was read is told; nothing read is 0, whatever the score is."""
    found = confidence_of(Reading(image=IMAGE, text="ก", score=0.7), "rec")
    assert (found.least, found.why) == (0.7, "read as 'ก'")
    assert confidence_of(Reading(image=IMAGE, text="", score=0.7), "rec").least == 0.0
