"""Whole fine-tunes by PaddleOCR itself: the base is measured first, what is frozen stays, and the best may be the base."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.tracking.artifacts import RunArtifacts
from tests.commands import client, copy_store, ocr_train_here, only_run, points, store

pytestmark = pytest.mark.slow
QUIET = ("--evaluation-images", "0", "--sample-images", "0", "--export", "false", "--gpus", "cpu")
SMALL = (
    "Global.print_batch_step=1 Train.loader.num_workers=0 Eval.loader.num_workers=0 "
    "Eval.loader.batch_size_per_card=8"
)


def launch(folder: Path, *more: str) -> CompletedProcess[str]:
    """A small fine-tune of rec on a few words: one step."""
    return ocr_train_here(
        *("train", "--model", "rec", "--data", folder / "words", "--epochs", "1", "--batch-size", "8"),
        *(*QUIET, "--overrides", SMALL, *more),
        cwd=folder,
    )


@pytest.fixture(scope="module")
def ruined(tmp_path_factory: pytest.TempPathFactory, _store_template: Path) -> tuple[Path, Any, str]:
    """A fine-tune of the head at a rate that ruins the model: its folder, its run, and what it said."""
    folder = tmp_path_factory.mktemp("fine_tune")
    copy_store(_store_template, folder)
    make_demo(folder / "words", DemoSpec(task="rec", train=8, val=8))
    make_demo(folder / "before", DemoSpec(task="rec", train=1, val=4, seed=1))
    kept = ("--keep", folder / "before", "--evaluation-images", "4")
    done = launch(folder, "--freeze", "backbone", "--learning-rate", "1.0", *map(str, kept))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, only_run(store(folder)), done.stdout


def artifact_file(home: Path, target: Path, run: Any, path: str) -> Path:
    """An artifact of a run in the store of `home`, fetched to `target`."""
    return RunArtifacts(client(store(home)), run.info.run_id).download(path, target)


def artifact(home: Path, target: Path, run: Any, path: str) -> Any:
    """What an artifact says in JSON."""
    return json.loads(artifact_file(home, target, run, path).read_text(encoding="utf-8"))


def weights(path: Path) -> dict[str, Any]:
    """The layers of a .pdparams file that we have made ourselves."""
    values = pickle.loads(path.read_bytes())  # noqa: S301
    return {
        name: np.asarray(value) for name, value in values.items() if name != "StructuredToParameterName@@"
    }


def test_what_is_frozen_stays_to_the_last_bit_and_the_rest_moves(
    ruined: tuple[Path, Any, str], tmp_path: Path
) -> None:
    """Statistics of its normalisations, too; and the run says what it started from."""
    home, run, said = ruined
    folder = home / "outputs" / run.info.run_id
    before = weights(folder / "base" / "best_accuracy.pdparams")
    after = weights(folder / "trainer" / "latest.pdparams")
    changed = {name for name, value in before.items() if not np.array_equal(value, after[name])}
    assert not {name for name in changed if name.startswith("backbone.")}
    assert {"head.fc.weight", "neck.encoder.conv1.norm._mean"} <= changed
    assert "freeze: " in said
    assert "stay as they are" in run.data.tags["freeze"]
    assert run.data.tags["pretrained"] == run.data.params["cfg/pretrained"] == "PP-OCRv4_mobile_rec"
    report = artifact(home, tmp_path, run, "config/weights.json")["start"][0]
    assert report["source"] == "PP-OCRv4_mobile_rec"
    assert len(report["sha256"]) == 64
    assert report["conversion"]["eval_difference"] < 1e-4
    step, base = points(store(home), run.info.run_id, "eval/acc")[0]
    assert (step, f"{base:.6g}") == (0, run.data.params["base/acc"])


def test_a_training_that_is_no_better_says_so_and_hands_over_the_base(
    ruined: tuple[Path, Any, str], tmp_path: Path
) -> None:
    """The best checkpoint is the weights that it started from, and another training starts from them."""
    home, run, said = ruined
    assert "not better   no checkpoint is better than the weights that training started from" in said
    assert run.data.tags["not_better_than_base"]
    assert f"{run.data.metrics['best/acc']:.6g}" == run.data.params["base/acc"]
    assert run.data.metrics["best/acc"] > 0
    best = artifact(home, tmp_path, run, "checkpoints/best.json")
    assert best["step"] == 0
    stored = artifact_file(home, tmp_path, run, f"{best['path']}/model.pdparams")
    base = home / "outputs" / run.info.run_id / "base" / "best_accuracy.pdparams"
    assert stored.read_bytes() == base.read_bytes()
    resumed = launch(home, "--resume", f"{run.info.run_id}:best", "--learning-rate", "0.0001")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "starting from the weights of" in resumed.stdout


def test_what_could_be_read_before_is_read_with_the_weights_before_training(
    ruined: tuple[Path, Any, str], tmp_path: Path
) -> None:
    """By our own engine; the best checkpoint is these weights, so that nothing is lost."""
    home, run, said = ruined
    before = artifact(home, tmp_path, run, "evaluation/keep_before.json")
    assert {row["name"] for row in before["samples"]} == {f"val/{number:05}.jpg" for number in range(4)}
    assert any(row["read"] for row in before["samples"])
    assert f"{before['figures']['acc']:.6g}" == run.data.params["keep/base_acc"]
    assert points(store(home), run.info.run_id, "keep/acc") == [(0, before["figures"]["acc"])]
    assert run.data.tags["keep_fell"] == "no"
    assert "as before training: the best checkpoint is what training started from" in said
