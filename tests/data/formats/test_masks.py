"""Masks as run lengths: the outline of what is inside, whatever the numbers say."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_train.data.formats.masks import outline_of_coco, outline_of_cvat
from tests.data.formats.folders import HEIGHT, WIDTH, converted, put
from tests.data.formats.test_coco import coco
from tests.data.formats.test_cvat import cvat
from tests.fuzz import cases

SLANTED = [[20, 30], [120, 60], [115, 90], [18, 60]]


def pixels() -> Any:
    """A slanted quadrilateral, filled, as large as the image."""
    import cv2

    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    cv2.fillPoly(mask, [np.array(SLANTED, dtype=np.int32)], 1)
    return mask


def runs(flat: Any) -> list[int]:
    """Run lengths of a row of 0 and 1, the first of 0."""
    found = [(int(value), len(list(group))) for value, group in groupby(flat.tolist())]
    return [0] * (found[0][0] == 1) + [length for _, length in found]


def packed(numbers: list[int]) -> str:
    """COCO's text form of run lengths."""
    text = ""
    for index, number in enumerate(numbers):
        value = number - (numbers[index - 2] if index > 2 else 0)
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr((bits | (0x20 if more else 0)) + 48)
    return text


COLUMNS = runs(pixels().T.reshape(-1))


@pytest.mark.parametrize("counts", [COLUMNS, packed(COLUMNS)], ids=["list", "text"])
def test_a_coco_mask_becomes_its_outline(tmp_path: Path, counts: Any) -> None:
    """Down the columns; as numbers, and as pycocotools packs them."""
    mask = {"size": [HEIGHT, WIDTH], "counts": counts}
    annotation = {"bbox": [0, 0, 9, 9], "segmentation": mask, "text": "x"}
    found = converted(put(tmp_path / "s", {"a.json": coco(annotation)}), "coco")
    ((text, points),) = found.boxes
    assert text == "x"
    assert np.abs(np.array(sorted(points)) - np.array(sorted(SLANTED))).max() <= 1


def test_a_cvat_mask_becomes_its_outline(tmp_path: Path) -> None:
    """Along the rows of the rectangle around it."""
    part = pixels()[30:91, 18:121]
    rle = ", ".join(map(str, runs(part.reshape(-1))))
    mask = f'<mask label="K1" rle="{rle}" left="18" top="30" width="103" height="61"/>'
    found = converted(put(tmp_path / "s", {"a.xml": cvat(mask)}), "cvat")
    ((text, points),) = found.boxes
    assert text == "K1"
    assert np.abs(np.array(sorted(points)) - np.array(sorted(SLANTED))).max() <= 1


def test_a_mask_of_several_parts_is_the_rectangle_around_them() -> None:
    """Two words that were masked as one."""
    mask = np.zeros((20, 60), dtype=np.uint8)
    mask[5:10, 5:15] = mask[5:10, 30:50] = 1
    outline = outline_of_coco({"size": [20, 60], "counts": runs(mask.T.reshape(-1))})
    assert outline == [(5, 5), (49, 5), (49, 9), (5, 9)]


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        {"counts": [1, 2]},
        {"counts": [1, 2], "size": [20, 60]},
        {"counts": [1200], "size": [20, 60]},
        {"counts": [-1, 1201], "size": [20, 60]},
        {"counts": ["a", 1], "size": [20, 60]},
        {"counts": [10**30], "size": [20, 60]},
        {"counts": [0, 10**12], "size": [10**6, 10**6]},
        {"counts": "\U0001f600" * 9, "size": [20, 60]},
        {"counts": "o" * 999, "size": [20, 60]},
        {"counts": "", "size": ["a", 60]},
    ],
)
def test_a_broken_mask_has_no_outline(segmentation: Any) -> None:
    """Runs that are not as long as the mask, that are no numbers, sizes that no image has."""
    assert outline_of_coco(segmentation) is None


@settings(max_examples=cases(60), deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.text(max_size=40), st.integers(-1, 30))
def test_no_runs_make_it_fail(numbers: list[int], text: str, width: int) -> None:
    """They end in an outline or in none."""
    outline_of_coco({"counts": text, "size": [10, width]})
    outline_of_coco({"counts": numbers, "size": [1, sum(numbers)]})
    place = {"left": "1", "top": "x" if not numbers[0] else "2", "width": str(width), "height": "3"}
    outline_of_cvat({**place, "rle": ",".join(map(str, numbers))})
