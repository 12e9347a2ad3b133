"""Whether two models agree: boxes one to one within a pixel, texts equal, and what is said where they do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from ocr_train.analysis.predictions import Point, Reading
from ocr_train.models.export.check import (
    choose_images,
    compare_answers,
    corner_distance,
    describe_differences,
    match_boxes,
)

Quad = tuple[Point, ...]


def quad(left: float, top: float, width: float = 20, height: float = 10) -> Quad:
    """An upright box."""
    return (
        (left, top),
        (left + width, top),
        (left + width, top + height),
        (left, top + height),
    )


def det(*boxes: Quad, name: str = "page.jpg", error: str = "") -> Reading:
    """A detector's answer."""
    return Reading(image=Path(name), boxes=boxes, error=error)


def rec(text: str, score: float = 0.9, *, name: str = "crop.jpg", error: str = "") -> Reading:
    """A recogniser's answer."""
    return Reading(image=Path(name), text=text, score=score, error=error)


def test_boxes_in_another_order_and_within_a_pixel_agree() -> None:
    """The largest distance of corners is reported."""
    found = compare_answers(
        "det", [det(quad(0, 0), quad(50, 50))], [det(quad(50.6, 50), quad(0, 0.25))], "onnx"
    )
    assert found.agrees
    assert found.answers == 2
    assert found.max_corner_px == pytest.approx(0.6)


@pytest.mark.parametrize(
    "other",
    [
        (quad(1.2, 0),),  # more than a pixel away
        (),  # one is missing
        (quad(0, 0), quad(50, 50)),  # one too many
        (quad(0, 0), quad(0.5, 0)),  # two boxes for one
        (quad(0, 0)[:3],),  # another polygon
    ],
)
def test_other_boxes_do_not_agree(other: Sequence[Quad]) -> None:
    """Nothing is forgiven: every box has its own partner, and none is left over."""
    found = compare_answers("det", [det(quad(0, 0))], [det(*other)], "paddle")
    assert not found.agrees
    assert len(found.differences) == 1


def test_a_box_is_not_robbed_of_its_only_partner() -> None:
    """The nearest pair first would leave the second box alone."""
    one = [quad(0, 0), quad(0.9, 0)]
    other = [quad(0.8, 0), quad(-0.9, 0)]
    assert len(match_boxes(one, other, 1.0)) == 2


def test_a_box_may_begin_at_another_corner() -> None:
    """Where a contour begins says nothing about where it lies."""
    box = quad(3, 4)
    assert corner_distance(box, (*box[2:], *box[:2])) == 0
    assert corner_distance(box, box[:3]) == math.inf


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (rec("QF2"), rec("QF2", 0.9009), True),
        (rec("QF2"), rec("QF24"), False),
        (rec("QF2", 0.9), rec("QF2", 0.902), False),
        (rec("", math.nan), rec("", math.nan), True),
        (rec("QF2"), rec("QF2", math.nan), False),
        (rec("QF2"), rec("", error="cannot be opened"), False),
    ],
)
def test_texts_must_be_equal_and_scores_close(one: Reading, other: Reading, *, agree: bool) -> None:
    """A character more, a score 0.002 off, or an image that one cannot read, is a difference."""
    assert compare_answers("rec", [one], [other], "onnx").agrees == agree


def test_images_that_neither_can_read_show_nothing() -> None:
    """No comparison is no agreement."""
    broken = rec("", error="not an image")
    assert not compare_answers("rec", [broken], [broken], "paddle").agrees
    both = compare_answers("rec", [broken, rec("a")], [broken, rec("a")], "paddle")
    assert (both.agrees, both.images, both.unread) == (True, 1, 1)


def test_a_model_without_answers_is_said_to_have_none() -> None:
    """An untrained model agrees with itself; who reads the sentence knows what that is worth."""
    assert "gives no boxes" in compare_answers("det", [det()], [det()], "paddle").sentence("det")
    assert "gives no" not in compare_answers("rec", [rec("a")], [rec("a")], "paddle").sentence("rec")


def test_the_first_five_differences_are_shown_with_both_answers() -> None:
    """Image, checkpoint's answer, exported model's answer; the rest is counted."""
    names = [f"{number}.jpg" for number in range(7)]
    one = [rec("03", name=name) for name in names]
    other = [rec("3", name=name) for name in names]
    found = compare_answers("rec", one, other, "onnx")
    text = describe_differences(found.differences, found.images, "onnx")
    assert "7 of 7" in text
    assert "4.jpg" in text
    assert "5.jpg" not in text
    assert "and 2 more" in text
    assert "checkpoint: '03' (score 0.9000)" in text
    assert "onnx: '3' (score 0.9000)" in text


def test_boxes_without_a_partner_are_named() -> None:
    """With their corners, so that they can be found in the picture."""
    found = compare_answers("det", [det(quad(0, 0), quad(50, 50))], [det(quad(0, 0))], "onnx")
    assert "2 boxes, 1 without a partner, such as (50.0, 50.0)" in found.differences[0].checkpoint
    assert found.differences[0].exported == "1 boxes"


def test_the_same_images_are_chosen_every_time() -> None:
    """Seeded, in their order, all where there are few."""
    images = [Path(f"{number:03}.jpg") for number in range(100)]
    chosen = choose_images(images, 8, 0)
    assert chosen == choose_images(images, 8, 0) == sorted(chosen)
    assert len(set(chosen)) == 8
    assert chosen != choose_images(images, 8, 1)
    assert choose_images(images[:3], 8, 0) == images[:3]
