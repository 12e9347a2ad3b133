"""What a conversion writes, the check of labels takes: for every tool whose files have outlines."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.checks.problems import ERROR
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.formats.table import FORMATS
from tests.data.formats.folders import HEIGHT, WIDTH, put
from tests.data.formats.test_coco import coco
from tests.data.formats.test_cvat import cvat
from tests.data.formats.test_labelstudio import shape, tasks
from tests.data.formats.test_via import images, region
from tests.data.formats.test_voc import voc
from tests.fuzz import cases

Outline = list[list[float]]


def outlines(seed: int, corners: int = 0) -> list[Outline]:
    """Polygons as hands, models and broken exports draw them: crossing, touching, beyond the edge, on one line."""
    rng = random.Random(seed)
    made = []
    for _ in range(12):
        size = rng.choice([3, 30, 300])
        x, y = rng.uniform(-20, WIDTH + 20), rng.uniform(-20, HEIGHT + 20)
        count = corners or rng.choice([3, 4, 4, 5, 9])
        points = [[x + rng.uniform(-size, size), y + rng.uniform(-size, size)] for _ in range(count)]
        if rng.random() < 0.3:
            points = [[round(a), round(b)] for a, b in points]
        if rng.random() < 0.3 and not corners:
            points.insert(rng.randrange(count), list(rng.choice(points)))
        made.append(points)
    return made


def flat(outline: Outline) -> list[float]:
    """x, y, x, y, ..."""
    return [number for point in outline for number in point]


def polygon_of_voc(outline: Outline) -> str:
    """An object's name and polygon."""
    numbered = enumerate(outline, start=1)
    return f"<name>t</name><polygon>{''.join(f'<x{n}>{x}</x{n}><y{n}>{y}</y{n}>' for n, (x, y) in numbered)}</polygon>"


def polygon_of_cvat(outline: Outline) -> str:
    """A polygon's element."""
    return f'<polygon label="t" points="{";".join(f"{x},{y}" for x, y in outline)}"/>'


def shape_of_via(outline: Outline) -> dict[str, Any]:
    """A region."""
    across, down = ([point[axis] for point in outline] for axis in (0, 1))
    return region({"name": "polygon", "all_points_x": across, "all_points_y": down}, text="t")


def label_line(found: Sequence[Outline]) -> str:
    """PPOCRLabel's line."""
    boxes = [{"transcription": "t", "points": points} for points in found]
    return f"s/0.jpg\t{json.dumps(boxes)}\n"


def yolo_line(outline: Outline) -> str:
    """A polygon in shares of the sides."""
    shares = (number / (HEIGHT if index % 2 else WIDTH) for index, number in enumerate(flat(outline)))
    return f"0 {' '.join(f'{min(max(share, -3.0), 3.0):.6f}' for share in shares)}"


def percent(outline: Outline) -> Outline:
    """Label Studio's points."""
    return [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in outline]


def labelme(found: Sequence[Outline]) -> dict[str, Any]:
    """A file of polygons."""
    return {"imagePath": "0.jpg", "shapes": [{"label": "t", "points": one} for one in found]}


FOLDERS: dict[str, tuple[int, Callable[[list[Outline]], dict[str, Any]]]] = {
    "labelme": (0, lambda found: {"0.json": labelme(found)}),
    "ppocrlabel": (0, lambda found: {"Label.txt": label_line(found), "fileState.txt": ""}),
    "labelstudio": (
        0,
        lambda found: {
            "a.json": tasks(
                *(
                    shape({"points": percent(one)}, kind="polygonlabels", name=str(number))
                    for number, one in enumerate(found)
                )
            )
        },
    ),
    "cvat": (0, lambda found: {"a.xml": cvat("".join(map(polygon_of_cvat, found)))}),
    "via": (0, lambda found: {"a.json": images(*map(shape_of_via, found))}),
    "coco": (
        0,
        lambda found: {"a.json": coco(*({"segmentation": [flat(one)], "text": "t"} for one in found))},
    ),
    "voc": (0, lambda found: {"0.xml": voc(*map(polygon_of_voc, found))}),
    "icdar": (
        4,
        lambda found: {
            "gt_0.txt": "".join(f"{','.join(f'{n:.1f}' for n in flat(one))},t\n" for one in found)
        },
    ),
    "yolo": (0, lambda found: {"labels/0.txt": "\n".join(map(yolo_line, found))}),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_written_is_accepted(tmp_path: Path, name: str) -> None:
    """No error of any kind, of the boxes or their place; nothing is lost without a count."""
    corners, files = FOLDERS[name]
    for seed in range(cases(6)):
        drawn = outlines(seed, corners)
        folder = put(tmp_path / str(seed) / "s", files(drawn))
        done = FORMATS[name].convert(folder, tmp_path / str(seed) / "out")
        lost = sum(count for kind, count in done.skipped.items() if kind != "page_without_boxes")
        assert done.boxes + lost == len(drawn)
        assert done.boxes
        report = validate([done.labels], done.labels.parent, Rules(task="det"))
        assert [one for one in report.problems if one.severity == ERROR] == []
