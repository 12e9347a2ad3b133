"""`python -m benchmarks.boxes`: the outlines of 100,000 lines' boxes judged by shapely, and in plain Python.

Both give the kind of what is wrong with an outline (`outline_kind`), and are compared on every outline first. They
take turns, and a ratio is taken round by round.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.program import Scene, run
from benchmarks.table import Row, at_most
from ocr_train.data.checks.detection import MIN_AREA_PX, outline_kind
from ocr_train.data.labels import Point, signed_area

Outline = Sequence[Point]
BOXES_A_LINE = 8
DIFFERENT = 50_000
"""So many outlines are made and judged again and again, so that their memory is not what is measured."""


def measure(scene: Scene) -> Iterator[Row]:
    """Outlines of 4, 6 and 14 points; a line has eight of them."""
    lines = 2_000 if scene.quick else 100_000
    for points, count in ((4, lines), (6, lines // 10), (14, lines // 10)):
        yield _row(points, count, scene.rounds)


def _row(points: int, lines: int, rounds: int) -> Row:
    generator = random.Random(0)  # noqa: S311 - the same outlines every time
    outlines = [_outline(generator, points) for _ in range(DIFFERENT)]
    for outline in outlines:
        if outline_kind(outline) != kind_in_python(outline):
            raise AssertionError(f"the two do not agree: {outline}")
    count = lines * BOXES_A_LINE
    times = [
        (_time(outline_kind, outlines, count), _time(kind_in_python, outlines, count)) for _ in range(rounds)
    ]
    return Row(
        name=f"{lines:,} lines, {BOXES_A_LINE} outlines of {points} points each: shapely / Python",
        samples=[one / other for one, other in times],
        unit="x",
        # Hardly anybody draws six: where plain Python is faster it is said, and is not a miss.
        bar=None if points == 6 else at_most(1.2),
        note=", ".join(f"{sorted(each)[rounds // 2] / count * 1e6:.1f}" for each in zip(*times, strict=True))
        + " µs an outline",
    )


def _outline(generator: random.Random, points: int) -> Outline:
    """An outline around a line of text, drawn by hand; one in fifty is in no order, or the other way round."""
    x, y, width, height = (generator.uniform(*span) for span in ((0, 1000), (0, 1000), (20, 200), (8, 40)))
    angles = [2 * math.pi * (index + 0.5) / points - 3 for index in range(points)]
    outline = [
        (x + width * math.cos(angle) + generator.uniform(-1, 1), y + height * math.sin(angle))
        for angle in angles
    ]
    if generator.random() < 0.02:
        (generator.shuffle if generator.random() < 0.5 else list.reverse)(outline)
    return outline


def _time(judge: Callable[[Outline], str], outlines: Sequence[Outline], count: int) -> float:
    start = time.perf_counter()
    for number in range(count):
        judge(outlines[number % len(outlines)])
    return time.perf_counter() - start


def kind_in_python(points: Outline) -> str:
    """What `outline_kind` gives, without a library: every side with every other one, and the shoelace formula."""
    if _crosses_itself(points):
        return "self_intersecting"
    area = signed_area(points)
    return "zero_area" if abs(area) < MIN_AREA_PX else "" if area > 0 else "counter_clockwise"


def _crosses_itself(points: Outline) -> bool:
    sides = list(zip(points, [*points[1:], points[0]], strict=True))
    return any(
        _side(*one, other[0]) * _side(*one, other[1]) < 0
        and _side(*other, one[0]) * _side(*other, one[1]) < 0
        for number, one in enumerate(sides)
        for other in sides[number + 2 :]
    )


def _side(start: Point, end: Point, point: Point) -> int:
    turn = (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
    return (turn > 0) - (turn < 0)


if __name__ == "__main__":
    sys.exit(run("boxes", __doc__, measure))
