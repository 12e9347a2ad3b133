"""Large artifacts to S3 and back, past MLflow's own transfer, on a real server and on one that fails."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ocr_train.disk import sha256_of
from ocr_train.errors import TrackingError, TransientStorageError
from ocr_train.storage import retry
from ocr_train.tracking.artifacts import RunArtifacts, upload_verified
from ocr_train.tracking.s3_artifacts import DIRECT_FROM_BYTES, DirectS3, direct_s3
from tests.s3 import Prefix
from tests.storage.fake_s3 import BUCKET, FakeS3

LARGE = 21_000_000
"""More than two pieces, and no whole number of them."""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file in more than two parts."""
    path = tmp_path / "model.pdopt"
    path.write_bytes(os.urandom(LARGE))
    return path


@pytest.fixture
def run(prefix: Prefix, store_folder: Path) -> RunArtifacts:
    """The artifacts of a new run whose experiment keeps them in S3."""
    import mlflow

    client: Any = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store_folder / 'mlflow.db'}")
    experiment = client.create_experiment("on-s3", artifact_location=prefix.uri)
    return RunArtifacts(client, client.create_run(experiment).info.run_id)


def test_a_large_file_is_stored_where_mlflow_would_store_it(
    run: RunArtifacts, prefix: Prefix, large: Path, tmp_path: Path
) -> None:
    """The key is that of MLflow's own upload, the bytes are the file's, and MLflow lists and downloads it."""
    upload_verified(run, large, "checkpoints/step_00000010")
    where = "checkpoints/step_00000010/model.pdopt"
    assert prefix.all()[f"{run.run_id}/artifacts/{where}"] == large.read_bytes()
    assert run.list("checkpoints/step_00000010") == {where: LARGE}
    assert run.download(where, tmp_path / "back").read_bytes() == large.read_bytes()
    target = tmp_path / "again"
    assert run.read_back(where, target) == sha256_of(large) == sha256_of(target)


def test_what_is_not_there_is_an_error(run: RunArtifacts, tmp_path: Path) -> None:
    """No file appears in its place."""
    with pytest.raises(TrackingError, match="cannot be read"):
        run.read_back("checkpoints/none.pdopt", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["MLFLOW_S3_UPLOAD_EXTRA_ARGS", "MLFLOW_S3_IGNORE_TLS"])
def test_what_only_mlflow_can_is_left_to_it(
    run: RunArtifacts, large: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With such a setting nothing goes past MLflow's own transfer; it is stored and verified all the same."""
    value = '{"Metadata": {"a": "b"}}' if name.endswith("ARGS") else "true"
    monkeypatch.setenv(name, value)
    assert direct_s3(run._artifacts()) is None
    upload_verified(run, large, "checkpoints")


def test_other_stores_are_left_to_mlflow(tmp_path: Path) -> None:
    """A folder is no S3."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    assert direct_s3(get_artifact_repository(str(tmp_path))) is None


def test_bytes_that_come_back_changed_have_another_sum(fake: FakeS3) -> None:
    """What the store gives is summed, and not what was sent."""
    fake.objects["runs/a/model.pdopt"] = content = os.urandom(DIRECT_FROM_BYTES)
    store = DirectS3(f"s3://{BUCKET}/runs/a")
    assert store.read_back("model.pdopt") == hashlib.sha256(content).hexdigest()
    fake.faults["runs/a/model.pdopt"] = ["corrupt"]
    assert store.read_back("model.pdopt") != hashlib.sha256(content).hexdigest()


def test_a_store_that_is_away_may_be_asked_again(
    fake: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is one that passes: the caller keeps the file and tries again."""
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.002)
    path = tmp_path / "model.pdparams"
    path.write_bytes(b"weights")
    fake.faults["runs/a/model.pdparams"] = ["500"] * 20
    with pytest.raises(TransientStorageError):
        DirectS3(f"s3://{BUCKET}/runs/a").store(path, "")
