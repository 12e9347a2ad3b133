"""From a folder of each tool to one step of PaddleOCR's own training on it, with the data path of `train`."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_train.config.experiment import Launch
from ocr_train.data.formats.table import FORMATS, detect_format
from ocr_train.events import EvalCompleted, TrainProgress
from ocr_train.trainer.pipeline_check import PipelineCheck, check_pipeline
from tests.data.formats.test_every_format import COUNT, folder_of
from tests.data.one_step import PYTHON, Prepared, Trained, paddleocr, prepared, train_all
from tests.data.other_tasks import kie_folder, kie_model, table_folder, table_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="macOS does not let a process fork that has loaded its libraries"
    ),
]

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
    """Every tool's folder, and PPOCRLabel's tables for an SLANet, prepared and trained on: one child of the trainer's
    interpreter for all."""
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
    model = table_model(place / "table" / "model")
    data = table_folder(place / "table" / "s", COUNT)
    made["table"] = prepared(Launch(model=str(model), data=str(data), gpus="cpu"), place / "table")
    done = train_all([one.config for one in made.values()])
    return {name: (one, done[one.config]) for name, one in made.items()}


@pytest.mark.parametrize("name", [*FORMATS, "table"])
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


@pytest.mark.parametrize(("model", "folder"), [(kie_model, kie_folder), (table_model, table_folder)])
def test_paddleocr_reads_every_sample_of_other_tasks(
    model: Callable[[Path], Path], folder: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    """Its own encoder and transforms take them: what is tried before a training. To train, PaddleOCR 2.10 imports
    paddlenlp for every KIE model, which is not installed here; and SDMGR, the smallest one, takes 20 s a sample on a CPU,
    whatever the settings."""
    launch = Launch(model=str(model(tmp_path / "model")), data=str(folder(tmp_path / "s", COUNT)))
    made = prepared(launch, tmp_path)
    checked = check_pipeline(PYTHON, paddleocr().root, made.config, env=os.environ, timeout_s=120)
    assert checked == PipelineCheck(
        tried={"Train": made.dataset.train_samples, "Eval": made.dataset.val_samples}, failed=[], notes=[]
    )
