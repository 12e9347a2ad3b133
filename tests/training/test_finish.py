"""What comes after a training, where it cannot come: the run stays FINISHED and says so.

The trainer is a stand-in (tests/scripted_paddleocr) whose checkpoints no network fits; that a real one ends in a model
is shown in test_train_on_s3.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ocr_train.training.finish import place_for_export
from tests.commands import SCRIPTED, ocr_train_here, only_run, store, train_arguments


@pytest.fixture
def half_paddleocr(tmp_path: Path) -> Path:
    """A PaddleOCR that trains, but cannot build its networks."""
    root = Path(shutil.copytree(SCRIPTED, tmp_path / "paddleocr"))
    (root / "ppocr").mkdir()
    return root


@pytest.mark.slow
def test_a_model_that_cannot_be_made_leaves_the_run_finished(
    store_folder: Path, data: Path, half_paddleocr: Path
) -> None:
    """Exit code 0; the tags say what failed, the summary which command does it later."""
    done = ocr_train_here(*train_arguments(data, "--paddleocr", str(half_paddleocr)), cwd=store_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    run = only_run(store(store_folder))
    assert run.info.status == "FINISHED"
    assert run.data.tags["exported"].startswith("failed: ")
    assert run.data.tags["evaluation"].startswith("failed: ")
    assert "failure_reason" not in run.data.tags
    assert f"python -m ocr_train export {run.info.run_id}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_nothing_is_made_where_nothing_is_wanted(
    store_folder: Path, data: Path, half_paddleocr: Path
) -> None:
    """export=false, no images to read: the run ends with its last checkpoint."""
    off = ("--export", "false", "--evaluation-images", "0", "--sample-images", "0")
    done = ocr_train_here(*train_arguments(data, "--paddleocr", str(half_paddleocr), *off), cwd=store_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    run = only_run(store(store_folder))
    assert "exported" not in run.data.tags
    assert "evaluation" not in run.data.tags
    assert "not done" not in done.stdout


def test_the_model_of_a_run_that_went_on_takes_the_place_of_its_earlier_one(tmp_path: Path) -> None:
    """With resume_mode=same a run ends more than once, and an export writes over nothing."""
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "model.json").write_text("{}")
    assert place_for_export(tmp_path) == tmp_path / "export"
    assert not (tmp_path / "export").exists()
    assert place_for_export(tmp_path) == tmp_path / "export"


def test_a_name_that_the_registry_refuses_ends_before_anything_is_done(tmp_path: Path, data: Path) -> None:
    """After 25 hours would be too late."""
    done = ocr_train_here(*train_arguments(data, "--register", "ocr/det@latest"), cwd=tmp_path)
    assert done.returncode == 2
    assert "register" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_registry_needs_a_model_and_a_server(tmp_path: Path, data: Path) -> None:
    """export=false and offline=true exclude register, both said at once."""
    off = ("--register", "ocr-det", "--export", "false", "--offline", "true")
    done = ocr_train_here(*train_arguments(data, *off), cwd=tmp_path)
    assert done.returncode == 2
    assert "export=false" in done.stderr
    assert "offline=true" in done.stderr
