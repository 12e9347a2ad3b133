"""What a job leaves: the model whole or not at all, and the run as far as MLflow does not have it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ocr_train.cluster.sagemaker.results import copy_model, keep_pending, run_folder_of
from ocr_train.tracking.outbox import File, Outbox
from ocr_train.tracking.run_folder import PENDING, RunFacts, write_facts


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that MLflow has all of, with an exported model."""
    folder = tmp_path / "outputs" / ("a" * 32)
    (folder / "export").mkdir(parents=True)
    (folder / "export" / "inference.pdiparams").write_bytes(b"weights")
    (folder / "export" / "model.json").write_text("{}")
    write_facts(folder, RunFacts(run_id=folder.name, status="FINISHED", status_set=True))
    return folder


def test_the_model_takes_the_place_of_an_older_one(run: Path, tmp_path: Path) -> None:
    """A job that is started again finds what it left before."""
    model = tmp_path / "model"
    (model / "model.json").mkdir(parents=True)
    assert copy_model(run, model) == ["inference.pdiparams", "model.json"]
    assert (model / "model.json").read_text() == "{}"
    assert sorted(path.name for path in model.iterdir()) == ["inference.pdiparams", "model.json"]


def test_half_a_model_is_none(run: Path, tmp_path: Path) -> None:
    """A file that cannot be copied leaves the folder as it was: SageMaker packs whatever is there."""
    (run / "export" / "dict.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "model").mkdir()
    with pytest.raises(OSError, match="No such file"):
        copy_model(run, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


def test_a_run_without_a_model_changes_nothing(run: Path, tmp_path: Path) -> None:
    """`export=false` asks for none."""
    shutil.rmtree(run / "export")
    assert copy_model(run, tmp_path / "model") == ()
    assert not (tmp_path / "model").exists()


def test_what_mlflow_has_is_not_sent_again(run: Path, tmp_path: Path) -> None:
    """The output is packed and sent while the job is billed."""
    assert keep_pending(run, tmp_path / "data") is None


def test_what_mlflow_does_not_have_goes_to_the_output(run: Path, tmp_path: Path) -> None:
    """`sync` brings it from there."""
    Outbox(run / PENDING).add(File(path="train.log", folder="logs"))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"a picture of many")
    (run / "data" / "mixed").mkdir(parents=True)
    (run / "data" / "mixed" / "source_1").symlink_to(tmp_path / "images")
    kept = keep_pending(run, tmp_path / "data")
    assert list((tmp_path / "data").rglob("*.jpg")) == []
    assert kept == tmp_path / "data" / "ocr-train" / run.name
    assert (kept / "run.json").is_file()
    assert not (kept / "export").exists()
    # It is there already where the run had no server from the beginning.
    assert keep_pending(kept, tmp_path / "data") is None


def test_the_run_of_this_start_is_the_one(run: Path) -> None:
    """A folder may hold one of before."""
    written = (run / "run.json").stat().st_mtime
    assert run_folder_of(run.parent, since=written) == run
    os.utime(run / "run.json", (1, 1))
    assert run_folder_of(run.parent, since=written) is None
