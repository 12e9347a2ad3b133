"""From a folder of each tool to one step of PaddleOCR's own training on it, with the data path of `train`."""

from __future__ import annotations

import math

import pytest

from ocr_train.config.experiment import Launch
from ocr_train.data.formats.table import FORMATS, detect_format
from ocr_train.events import EvalCompleted, TrainProgress
from tests.data.formats.test_every_format import COUNT, folder_of
from tests.data.one_step import Prepared, Trained, prepared, train_all

pytestmark = pytest.mark.slow

TEXTS = ("csv", "gt-txt", "lmdb")
"""Formats without boxes: for recognition."""
SMALL = (
    "Train.loader.num_workers=0 Eval.loader.num_workers=0 Train.loader.drop_last=false "
    "Architecture.Backbone.scale=0.35"
)
TINY = {
    "det": f"{SMALL} 'Train.dataset.transforms.EastRandomCropData.size=[128, 128]' "
    "Eval.dataset.transforms.DetResizeForTest.limit_side_len=64",
    "rec": SMALL,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Prepared, Trained]]:
    """Every tool's folder, prepared and trained on: one child of the trainer's interpreter for all."""
    place = tmp_path_factory.mktemp("tools")
    made = {}
    for name in FORMATS:
        folder = folder_of(name, place / name / "s")
        assert detect_format(folder) == name
        task = "rec" if name in TEXTS else "det"
        launch = Launch(
            model=task,
            data=str(folder),
            epochs="1",
            batch_size=str(COUNT),
            pretrained="none",
            gpus="cpu",
            overrides=TINY[task],
        )
        made[name] = prepared(launch, place / name)
    done = train_all([one.config for one in made.values()])
    return {name: (one, done[one.config]) for name, one in made.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_paddleocr_trains_a_step_on_a_folder_of_each_tool(
    name: str, trained: dict[str, tuple[Prepared, Trained]]
) -> None:
    """All samples are in it; the loss is a number, and the boxes are in it; the rest is evaluated."""
    made, done = trained[name]
    assert made.dataset.train_samples + made.dataset.val_samples == COUNT
    assert done.status == 0, done.log[-3000:]
    assert "error happened" not in done.log
    steps = [one for one in done.events if isinstance(one, TrainProgress)]
    assert [one.step for one in steps] == [1]
    losses = {key: value for key, value in steps[0].metrics.items() if "loss" in key}
    assert losses
    assert all(map(math.isfinite, losses.values()))
    # Without a text in the crops, this part of a detector's loss is 0.
    assert losses.get("train/loss_shrink_maps", losses["train/loss"]) > 0
    assert sum(isinstance(one, EvalCompleted) for one in done.events) == 1
