"""Whole fine-tunes by PaddleOCR itself: the base is measured first, what is frozen stays, and the best may be the base."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.tracking.artifacts import RunArtifacts
from tests.commands import client, ocr_train_here, only_run, points, store

pytestmark = pytest.mark.slow
QUIET = ("--evaluation-images", "0", "--sample-images", "0", "--export", "false", "--gpus", "cpu")
SMALL = (
    "Global.print_batch_step=1 Train.loader.num_workers=0 Eval.loader.num_workers=0 "
    "Eval.loader.batch_size_per_card=8"
)


def fine_tune(folder: Path, *more: str) -> tuple[Any, str]:
    """The run of a small fine-tune of rec on a few words, and what it said."""
    make_demo(folder / "words", DemoSpec(task="rec", train=16, val=8))
    done = ocr_train_here(
        *(
            "train",
            "--model",
            "rec",
            "--data",
            folder / "words",
            "--epochs",
            "1",
            "--batch-size",
            "8",
        ),
        *(*QUIET, "--overrides", SMALL, *more),
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return only_run(store(folder)), done.stdout


def artifact_file(folder: Path, run: Any, path: str) -> Path:
    """An artifact of the run, fetched."""
    return RunArtifacts(client(store(folder)), run.info.run_id).download(path, folder)


def artifact(folder: Path, run: Any, path: str) -> Any:
    """What an artifact says in JSON."""
    return json.loads(artifact_file(folder, run, path).read_text(encoding="utf-8"))


def weights(path: Path) -> dict[str, Any]:
    """The layers of a .pdparams file that we have made ourselves."""
    values = pickle.loads(path.read_bytes())  # noqa: S301
    return {
        name: np.asarray(value) for name, value in values.items() if name != "StructuredToParameterName@@"
    }


def test_what_is_frozen_stays_to_the_last_bit_and_the_rest_moves(tmp_path: Path) -> None:
    """Statistics of its normalisations, too; and the run says what it started from."""
    run, said = fine_tune(tmp_path, "--freeze", "backbone", "--learning-rate", "0.001")
    folder = tmp_path / "outputs" / run.info.run_id
    before = weights(folder / "base" / "best_accuracy.pdparams")
    after = weights(folder / "trainer" / "latest.pdparams")
    changed = {name for name, value in before.items() if not np.array_equal(value, after[name])}
    assert not {name for name in changed if name.startswith("backbone.")}
    assert {"head.fc.weight", "neck.encoder.conv1.norm._mean"} <= changed
    assert "freeze: " in said
    assert "stay as they are" in run.data.tags["freeze"]
    assert run.data.tags["pretrained"] == run.data.params["cfg/pretrained"] == "PP-OCRv4_mobile_rec"
    report = artifact(tmp_path, run, "config/weights.json")["start"][0]
    assert report["source"] == "PP-OCRv4_mobile_rec"
    assert len(report["sha256"]) == 64
    assert report["conversion"]["eval_difference"] < 1e-4
    assert points(store(tmp_path), run.info.run_id, "eval/acc")[0] == (0, run.data.metrics["base/acc"])


def test_a_training_that_is_no_better_says_so_and_hands_over_the_base(tmp_path: Path) -> None:
    """A rate that ruins the model: the best checkpoint is the weights that it started from."""
    run, said = fine_tune(tmp_path, "--learning-rate", "1.0")
    assert "not better   no checkpoint is better than the weights that training started from" in said
    assert run.data.tags["not_better_than_base"]
    assert run.data.metrics["best/acc"] == run.data.metrics["base/acc"] > 0
    best = artifact(tmp_path, run, "checkpoints/best.json")
    assert best["step"] == 0
    stored = artifact_file(tmp_path, run, f"{best['path']}/model.pdparams")
    base = tmp_path / "outputs" / run.info.run_id / "base" / "best_accuracy.pdparams"
    assert stored.read_bytes() == base.read_bytes()
    resumed = ocr_train_here(
        *(
            "train",
            "--model",
            "rec",
            "--data",
            tmp_path / "words",
            "--epochs",
            "1",
            "--batch-size",
            "8",
        ),
        *(*QUIET, "--overrides", SMALL, "--resume", f"{run.info.run_id}:best", "--learning-rate", "0.0001"),
        cwd=tmp_path,
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "starting from the weights of" in resumed.stdout
