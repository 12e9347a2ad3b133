"""Batches that do not fit into shared memory are found before a worker ends with a bus error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.config.image_size import image_pixels
from ocr_train.doctor.rows import OK, PROBLEM, WARNING
from ocr_train.doctor.shared_memory import shared_memory_free, shared_memory_row

REC = [
    {"DecodeImage": {"img_mode": "BGR"}},
    {"RecAug": None},
    {"RecResizeImg": {"image_shape": [3, 48, 320]}},
]
BATCH_BYTES = 128 * 48 * 320 * 3 * 4


def config(transforms: list[Any], *, model_type: str = "rec", **loader: Any) -> dict[str, Any]:
    """A configuration with 4 workers that load batches of 128."""
    options = {"num_workers": 4, "batch_size_per_card": 128, **loader}
    return {
        "Architecture": {"model_type": model_type},
        "Train": {"dataset": {"transforms": transforms}, "loader": options},
    }


@pytest.mark.parametrize(
    ("batches", "status"), [(3, PROBLEM), (5, WARNING), (9, OK)], ids=["below one", "below two", "enough"]
)
def test_each_worker_keeps_two_batches(batches: int, status: str) -> None:
    """Not one for each worker: it is sure to end; not two: it may."""
    row = shared_memory_row(config(REC), 1, batches * BATCH_BYTES)
    assert row.status == status
    assert row.code == (5 if status == PROBLEM else 0)
    assert ("--shm-size" in row.todo) == (status != OK)


def test_every_process_has_workers_of_its_own() -> None:
    """Two GPUs need twice as much."""
    assert shared_memory_row(config(REC), 2, 9 * BATCH_BYTES).status == WARNING


@pytest.mark.parametrize("loader", [{"use_shared_memory": False}, {"num_workers": 0}])
def test_who_does_not_use_it_needs_none(loader: dict[str, Any]) -> None:
    """However small it is."""
    assert shared_memory_row(config(REC, **loader), 1, 0).status == OK


def test_a_system_without_it_is_fine(tmp_path: Path) -> None:
    """macOS has none."""
    assert shared_memory_row(config(REC), 1, shared_memory_free(tmp_path / "none")).status == OK
    assert shared_memory_free(tmp_path)


def test_unknown_images_need_more_than_dockers_default() -> None:
    """64 MB, which is what stands in the way as a rule."""
    assert shared_memory_row(config([]), 1, 64 * 1024**2).status == WARNING
    assert shared_memory_row(config([]), 1, 1024**3).status == OK


def test_the_size_of_an_image_is_that_of_the_last_transform_that_names_one() -> None:
    """As recognition and detection write it."""
    det = [
        {"EastRandomCropData": {"size": [640, 640], "max_tries": 50}},
        {"MakeShrinkMap": {"shrink_ratio": 0.4}},
    ]
    assert image_pixels(config(REC)) == 48 * 320
    assert image_pixels(config(det)) == 640 * 640
    assert image_pixels({"Train": {"dataset": {"transforms": [{"A": {"size": ["x", 1]}}]}}}) == 0
