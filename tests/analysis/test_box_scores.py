"""Boxes counted as PaddleOCR's evaluation counts them."""

from __future__ import annotations

from random import Random

import pytest

from ocr_train.analysis.box_scores import ALONE, IGNORED, MATCHED, box_totals, score_boxes
from ocr_train.data.labels import Box
from tests.analysis.builders import box_at, paddleocr_metric


def test_found_missed_and_false_boxes_are_told_apart() -> None:
    """One of each."""
    score = score_boxes([box_at(0, 0), box_at(50, 0)], [box_at(1, 0).points, box_at(0, 50).points])
    assert score.truth == (MATCHED, ALONE)
    assert score.predicted == (MATCHED, ALONE)
    assert (score.recall, score.precision, score.hmean) == (0.5, 0.5, 0.5)


def test_an_overlap_of_half_is_not_enough() -> None:
    """The intersection over union must be above 0.5; half a box has exactly that."""
    half = [((0, 0), (10, 0), (10, 5), (0, 5))]
    assert score_boxes([box_at(0, 0)], half).matched == 0
    assert score_boxes([box_at(0, 0)], [((0, 0), (10, 0), (10, 5.1), (0, 5.1))]).matched == 1


def test_what_lies_in_an_ignored_box_counts_for_nothing() -> None:
    """Neither the box marked ### nor a prediction on it."""
    score = score_boxes([box_at(0, 0, "###"), box_at(50, 0)], [box_at(1, 1).points, box_at(50, 0).points])
    assert score.truth == (IGNORED, MATCHED)
    assert score.predicted == (IGNORED, MATCHED)
    assert score.hmean == 1.0


@pytest.mark.parametrize(("predicted", "precision"), [(0, 1.0), (1, 0.0)])
def test_an_image_without_text_is_right_when_nothing_is_found(predicted: int, precision: float) -> None:
    """Recall is 1 either way."""
    score = score_boxes([], [box_at(0, 0).points] * predicted)
    assert (score.recall, score.precision) == (1.0, precision)


@pytest.mark.parametrize(
    "points",
    [
        ((0, 0), (10, 10), (10, 0), (0, 10)),
        ((0, 0), (1, 1)),
        ((0, 0), (0, 0), (0, 0), (0, 0)),
        ((0, 0), (float("nan"), 1), (1, 1), (1, 0)),
    ],
)
def test_a_polygon_without_an_area_is_passed_over(points: tuple[tuple[float, float], ...]) -> None:
    """It crosses itself, or is a line, or a point, or no number: no exception, and no box that counts."""
    assert score_boxes([box_at(0, 0)], [points]).predicted == (IGNORED,)
    assert score_boxes([Box(transcription="a", points=points)], []).truth == (IGNORED,)


def _scene(random: Random) -> tuple[list[Box], list[tuple[tuple[float, float], ...]]]:
    """True boxes, some ignored, some upon each other, and predictions near them or anywhere."""
    truth = [
        box_at(
            random.uniform(0, 60),
            random.uniform(0, 60),
            random.choice(["a", "a", "###"]),
            random.uniform(4, 20),
        )
        for _ in range(random.randrange(8))
    ]
    near = [
        tuple((x + random.uniform(-4, 4), y + random.uniform(-4, 4)) for x, y in box.points)
        for box in truth
        for _ in range(random.randrange(3))
    ]
    return truth, [*near, box_at(random.uniform(0, 60), random.uniform(0, 60)).points]


def test_the_counts_are_those_of_paddleocrs_own_evaluator() -> None:
    """On 150 scenes, image by image and over all."""
    evaluator = paddleocr_metric("eval_det_iou").DetectionIoUEvaluator()
    ours, theirs = [], []
    random = Random(5)
    for _ in range(150):
        truth, predicted = _scene(random)
        theirs.append(
            evaluator.evaluate_image(
                [{"points": box.points, "text": "", "ignore": box.ignored} for box in truth],
                [{"points": points, "text": ""} for points in predicted],
            )
        )
        ours.append(score_boxes(truth, predicted))
        assert theirs[-1] == {
            "gtCare": ours[-1].matched + ours[-1].missed,
            "detCare": ours[-1].matched + ours[-1].false,
            "detMatched": ours[-1].matched,
        }
    totals = box_totals(ours)
    assert 0.1 < totals["hmean"] < 0.9
    assert totals == pytest.approx(evaluator.combine_results(theirs))
