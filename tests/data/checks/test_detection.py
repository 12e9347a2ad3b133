"""Detection labels: their JSON, their boxes, and the place of those in the image."""

from __future__ import annotations

import json
import math
import time

import pytest

from ocr_train.data.checks.detection import check_place, outline_kind, parse_boxes
from ocr_train.data.labels import Box, signed_area

SQUARE = [[10, 10], [60, 10], [60, 30], [10, 30]]


def box(points: object = None, **more: object) -> dict[str, object]:
    """A box of a label, a good one where nothing else is said."""
    return {"transcription": "a", "points": SQUARE if points is None else points, **more}


def kinds(label: object) -> list[str]:
    """The kinds found in `label`, which is turned into JSON unless it is a text."""
    text = label if isinstance(label, str) else json.dumps(label, ensure_ascii=False)
    return [finding.kind for finding in parse_boxes(text)[1]]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ([box()], []),
        ([box(difficult=False)], []),
        ([box(difficult=True)], ["difficult"]),
        ([box(difficult=True, transcription="###")], ["all_ignored"]),
        ([box([[60, 30], [10, 30], [10, 10], [60, 10]])], ["upside_down"]),
        ([box([[60, 10], [60, 30], [10, 30], [10, 10]])], []),
        ([box([[1.5, 1], [9, 1], [9, 9], [5, 9.25], [1, 9]])], []),
        ("[{]", ["bad_json"]),
        ("", ["bad_json"]),
        ("[" * 100_000, ["bad_json"]),
        ('[{"transcription": "a\u0001"}]', ["bad_json"]),
        ({"transcription": "a", "points": SQUARE}, ["not_a_list"]),
        ("3", ["not_a_list"]),
        ([], ["no_boxes"]),
        (["a"], ["not_a_box"]),
        ([{"points": SQUARE}], ["transcription_missing"]),
        ([box(transcription=None)], ["transcription_not_text"]),
        ([box(transcription=["K1976", 0.9])], ["transcription_not_text"]),
        ([{"transcription": "a"}], ["points_missing"]),
        ([box([])], ["too_few_points"]),
        ([box(SQUARE[:3])], ["too_few_points"]),
        ([box("SQUARE")], ["points_not_numbers"]),
        ([box([*SQUARE[:3], [1]])], ["points_not_numbers"]),
        ([box([*SQUARE[:3], [1, "2"]])], ["points_not_numbers"]),
        ([box([*SQUARE[:3], [1, True]])], ["points_not_numbers"]),
        ([box([*SQUARE[:3], [1, None]])], ["points_not_numbers"]),
        ([box([*SQUARE[:3], [1, float("nan")]])], ["points_not_numbers"]),
        ([box([*SQUARE[:3], [1, float("-inf")]])], ["points_not_numbers"]),
        ([box([*SQUARE[:3], [1, 10**400]])], ["points_not_numbers"]),
        ('[{"transcription": "a", "points": [[1e999, 1], [2, 2], [3, 1], [1, 1]]}]', ["points_not_numbers"]),
        ([box([[10, 10]] * 4)], ["zero_area"]),
        ([box([[10, 10], [20, 10], [40, 10], [60, 10]])], ["zero_area"]),
        ([box([[10, 10], [60, 30], [60, 10], [10, 30]])], ["self_intersecting"]),
        ([box([[10, 10], [60, 30], [60, 12], [10, 40]])], ["self_intersecting"]),
        ([box(SQUARE[::-1])], ["counter_clockwise"]),
        ([box(transcription="###"), box(transcription="*")], ["all_ignored"]),
        ([box(transcription="###"), box()], []),
        ([box(transcription=" ")], ["empty_text"]),
        ([box(transcription=" a")], ["surrounding_spaces"]),
        ([box(transcription="TEMPORARY")], ["placeholder_text"]),
        ([box(transcription="a\u200b")], ["control_characters"]),
        (json.dumps([box()]) + "\t1", ["extra_tab"]),
        (
            [box([]), box(), box("x"), {}],
            ["too_few_points", "points_not_numbers", "transcription_missing", "points_missing"],
        ),
    ],
)
def test_each_flaw_of_a_detection_label_has_its_kind(label: object, expected: list[str]) -> None:
    """One label, every problem in it, in the order of the boxes."""
    assert kinds(label) == expected


def test_a_list_transcription_names_the_text_to_write() -> None:
    """The mend can be copied from the hint."""
    (finding,) = parse_boxes(json.dumps([box(transcription=["K1976", 0.9])]))[1]
    assert finding.value == '["K1976", 0.9]'
    assert "write 'K1976'" in finding.hint


def test_the_problem_names_the_box_by_its_number_from_1() -> None:
    """In a page of 100 boxes one must find the bad one."""
    (finding,) = parse_boxes(json.dumps([box(), box([[10, 10]] * 4)]))[1]
    assert "box 2" in finding.hint


def test_counter_clockwise_points_are_turned_from_the_same_first_point() -> None:
    """The top left corner stays first."""
    boxes, _ = parse_boxes(json.dumps([box([[10, 10], [10, 30], [60, 30], [60, 10]])]))
    assert boxes == [Box(transcription="a", points=((10, 10), (60, 10), (60, 30), (10, 30)))]


def test_boxes_that_can_be_read_survive_their_neighbours() -> None:
    """Statistics and drawings use what is there."""
    boxes, _ = parse_boxes(json.dumps([box("x"), box(transcription=" ###")]))
    assert [one.ignored for one in boxes] == [True]


def test_area_is_positive_for_clockwise_points_in_an_image() -> None:
    """y points down, so the shoelace formula's sign is the other way round than in school."""
    square = ((0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0))
    assert signed_area(square) == 8
    assert signed_area(square[::-1]) == -8


@pytest.mark.parametrize(
    ("outline", "kind"),
    [
        # PaddleOCR itself repeats the last point to make lengths equal.
        ([(0, 0), (4, 0), (4, 2), (0, 2), (0, 2), (0, 2)], ""),
        # Curved text has such outlines.
        ([(0, 0), (5, 3), (10, 0), (10, 4), (5, 7), (0, 4)], ""),
        ([(0, 0), (9, 9), (9, 0), (0, 9)], "self_intersecting"),
        # PaddleOCR's score drops outlines that touch themselves, too.
        ([(0, 0), (9, 0), (9, 9), (20, 9), (9, 9), (0, 9)], "self_intersecting"),
        ([(0, 0), (0, 9), (0, 5), (0, 2)], "zero_area"),
        ([(0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)], "zero_area"),
        ([(0, 0), (0, 9), (9, 9), (9, 0)], "counter_clockwise"),
    ],
)
def test_outlines_are_judged_as_paddleocr_scores_them(outline: list[tuple[float, float]], kind: str) -> None:
    """What is an error here, its score would leave out."""
    assert outline_kind(outline) == kind


def test_an_outline_of_thousands_of_points_takes_no_time() -> None:
    """Masks of segmentation models have such outlines."""
    angles = [2 * math.pi * index / 5000 for index in range(5000)]
    outline = [(900 + 800 * math.cos(angle), 900 + 800 * math.sin(angle)) for angle in angles]
    start = time.monotonic()
    assert outline_kind(outline) == ""
    assert time.monotonic() - start < 0.5


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 0), (100, 0), (100, 50), (0, 50)], []),
        ([(-2, 0), (50, 0), (50, 20), (-2, 20)], ["edge_clipped"]),
        ([(0, 0), (100, 0), (100, 52), (0, 52)], ["edge_clipped"]),
        ([(-2.5, 0), (50, 0), (50, 20), (-2.5, 20)], ["outside_image"]),
        ([(150, 0), (200, 0), (200, 20), (150, 20)], ["outside_image"]),
    ],
)
def test_boxes_are_compared_with_the_image(points: list[tuple[float, float]], expected: list[str]) -> None:
    """Up to 2 pixels outside are a slip of the hand, more is a wrong box; the border itself is inside."""
    findings = check_place([Box(transcription="a", points=tuple(points))], 100, 50)
    assert [finding.kind for finding in findings] == expected


@pytest.mark.parametrize(
    ("way", "texts"),
    [
        ("auto", ["hard", "###", "*", "easy"]),
        ("keep", ["hard", "", "*", "easy"]),
        ("ignore", ["###", "###", "*", "easy"]),
    ],
)
def test_difficult_boxes_are_counted_and_kept_or_ignored(way: str, texts: list[str]) -> None:
    """Each box is one note; what is ignored without the key is not counted, and stays."""
    label = [
        *(box(transcription="hard", difficult=True), box(transcription="", difficult="1")),
        *(box(transcription="*", difficult=True), box(transcription="easy", difficult=False)),
    ]
    boxes, findings = parse_boxes(json.dumps(label), difficult=way)
    assert [one.transcription for one in boxes] == texts
    notes = [one for one in findings if one.kind == "difficult"]
    assert [one.value for one in notes] == ["hard", ""]
    assert all(("--difficult keep" in one.hint) == (way == "ignore") for one in notes)
