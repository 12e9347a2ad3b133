"""`train` ends before anything is fetched where it would train on the CPU of a machine with a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.doctor import before_training
from ocr_train.doctor.gpus import GpusThere
from tests.builders import MLFLOW_WARNING
from tests.commands import ocr_train_here, only_run, store, train_arguments

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


def test_a_training_on_the_cpu_beside_a_gpu_ends_at_once(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 5 before the data, which are not there, are looked for; the stand-in says that there is a GPU."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(before_training, "find_gpus", lambda: GpusThere(names=("stand-in GPU",)))
    done = ocr_train_here(*train_arguments(store_folder / "no data"), cwd=store_folder)
    assert done.returncode == 5, done.stdout + done.stderr
    assert "1 GPU (stand-in GPU) is here, but paddlepaddle" in done.stderr
    assert "`make gpu`" in done.stderr
    assert "gpus=cpu" in done.stderr
    tags = only_run(store(store_folder)).data.tags
    assert tags["failure_reason"] == "setup_error"
