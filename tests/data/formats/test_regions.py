"""Regions of text: what a conversion writes is what the check of labels takes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon  # type: ignore[import-untyped]

from ocr_train.data.checks.detection import check_place, outline_kind
from ocr_train.data.formats.regions import (
    NoRegion,
    as_region,
    fit_region,
    mend_region,
    read_order,
    without_crossings,
)
from ocr_train.data.labels import Box, Point
from tests.data.formats.folders import BOX, converted, put
from tests.fuzz import cases

WIDTH, HEIGHT = 400, 200
near = st.one_of(
    st.integers(-3, 12).map(float),
    st.floats(-60, 460, allow_nan=False),
    st.sampled_from([0.0, 0.004, 198.996, 199.0, 200.0, 399.0, 399.004, 400.0]),
)
outlines = st.lists(st.tuples(near, near), min_size=4, max_size=12)


def flaws(points: tuple[Point, ...]) -> list[str]:
    """The kinds of errors that the check of labels has for a box."""
    found = [one.kind for one in check_place([Box(transcription="a", points=points)], WIDTH, HEIGHT)]
    kind = outline_kind(points)
    return [one for one in (kind, *found) if one not in ("", "counter_clockwise", "edge_clipped")]


@settings(max_examples=cases(150), deadline=None)
@given(outlines, st.booleans())
def test_whatever_is_drawn_the_check_takes_what_is_made_of_it(points: list[Point], in_order: bool) -> None:
    """Crossing, beyond the edge, with points given twice: a region, or none; a region lies within the image."""
    try:
        region = fit_region(read_order(points) if in_order else as_region(points), WIDTH, HEIGHT)
    except NoRegion as exc:
        assert exc.reason in ("outside_image", "no_area")
        return
    assert flaws(region.points) == []
    assert all(0 <= x <= WIDTH - 1 and 0 <= y <= HEIGHT - 1 for x, y in region.points)


@settings(max_examples=cases(100), deadline=None)
@given(outlines, st.booleans())
def test_paddleocrs_own_boxes_are_mended_so_that_the_check_takes_them(
    points: list[Point], known: bool
) -> None:
    """With the size of their image and without; what is good already is not touched."""
    try:
        region = mend_region(points, (WIDTH, HEIGHT) if known else None)
    except NoRegion as exc:
        assert exc.reason in ("outside_image", "no_area")
        return
    assert [kind for kind in flaws(region.points) if known or kind != "outside_image"] == []
    if not flaws(tuple(points)):
        assert region.points == tuple(points)


def test_an_arc_at_the_edge_keeps_its_shape() -> None:
    """A curved text that leaves its image is cut there, and not replaced by a rectangle."""
    angles = [math.pi * step / 6 for step in range(7)]
    outer = [(200 - 210 * math.cos(a), 195 - 150 * math.sin(a)) for a in angles]
    inner = [(200 + 150 * math.cos(a), 195 - 110 * math.sin(a)) for a in angles]
    region = fit_region(outer + inner, WIDTH, HEIGHT)
    inside = Polygon(outer + inner).intersection(Polygon([(0, 0), (399, 0), (399, 199), (0, 199)]))
    made = Polygon(region.points)
    assert made.intersection(inside).area / made.union(inside).area > 0.999
    assert region.notes == ("clipped",)


@pytest.mark.parametrize(
    ("points", "area"),
    [
        # A loop that is drawn over itself: one part, with what the loop encloses.
        ([(10, 10), (110, 10), (110, 60), (60, 60), (60, 30), (90, 30), (90, 80), (10, 80)], 6_600),
        # A spike that goes out and back.
        ([(10, 10), (60, 10), (60, 2), (60, 10), (110, 10), (110, 60), (10, 60)], 5_000),
        # Parts that touch in points alone: the rectangle around them.
        ([(10, 10), (110, 10), (110, 60), (60, 5), (10, 60)], 5_500),
    ],
)
def test_an_outline_that_crosses_itself_is_mended(points: list[Point], area: float) -> None:
    """The outline of what it encloses where that is one part; it begins where the drawn one began."""
    region = fit_region(points, WIDTH, HEIGHT)
    assert (outline_kind(region.points), region.notes) == ("", ("mended",))
    assert Polygon(region.points).area == pytest.approx(area, rel=0.02)
    assert math.dist(region.points[0], points[0]) < 6


def test_a_slip_of_the_hand_does_not_cost_the_shape() -> None:
    """A small loop at a corner goes; the polygon stays a polygon."""
    points = [
        (10.0, 10.0),
        (200.0, 10.0),
        (250.0, 60.0),
        (200.0, 110.0),
        (10.0, 110.0),
        (8.0, 60.0),
        (12.0, 8.0),
        (6.0, 9.0),
    ]
    mended = without_crossings(points)
    assert outline_kind(mended) == ""
    assert Polygon(mended).area == pytest.approx(Polygon(points).buffer(0).area, rel=0.02)


def test_a_scribble_of_thousands_of_points_takes_no_time() -> None:
    """Its crossings would be millions: the rectangle around it is taken."""
    points = [(float(index * 7919 % 390), float(index * 104729 % 190)) for index in range(5000)]
    assert len(fit_region(points, WIDTH, HEIGHT).points) == 4


def test_a_mask_of_thousands_of_points_that_touches_itself_keeps_its_shape() -> None:
    """Segmentation models give such outlines."""
    angles = [2 * math.pi * index / 5000 for index in range(5000)]
    points = [(200 + 150 * math.cos(a), 100 + 80 * math.sin(a)) for a in angles]
    points[2501:2501] = [(45.0, 100.0), points[2500]]
    region = fit_region(points, WIDTH, HEIGHT)
    assert Polygon(region.points).area == pytest.approx(math.pi * 150 * 80, rel=0.01)
    assert region.notes == ("mended",)


def test_crossed_corners_are_noted_too(tmp_path: Path) -> None:
    """Four corners are put in order without a polygon that is mended: what was drawn crossed itself all the same."""
    crossed = [[10, 20], [200, 60], [200, 20], [10, 60]]
    shapes = [{"label": "K1", "points": crossed}, {"label": "K2", "points": BOX}]
    for name, files in (
        ("labelme", {"0.json": {"imagePath": "0.jpg", "shapes": shapes}}),
        ("icdar", {"gt_0.txt": "10,20,200,60,200,20,10,60,K1\n10,20,200,20,200,60,10,60,K2\n"}),
    ):
        found = converted(put(tmp_path / name, files), name)
        assert sorted(found.boxes) == [("K1", BOX), ("K2", BOX)]
        assert [(one.kind, one.value[:2]) for one in found.done.problems] == [("mended", "1 ")]
