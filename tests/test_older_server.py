"""A real MLflow server that is older than our client: what it cannot do costs nothing that it can.

It does not take a point twice where it is NaN, or comes among more than 100 others, and it knows no logged models. The
trainer is a stand-in (tests/scripted_paddleocr); the server and its store are real.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.broken_server import BrokenServer
from ocr_train.errors import TrackingError
from ocr_train.models import mlflow_model
from ocr_train.runs.retention import pinned_by_registry
from ocr_train.tracking.journal import Batch, Metric, Param, Tag
from ocr_train.tracking.mlflow_client import send_batch
from tests.commands import artifacts, client, ocr_train_here, train_arguments
from tests.exported_models import exported_folder
from tests.faults import EXPERIMENT, Servers
from tests.old_mlflow import old_mlflow
from tests.test_outage import assert_all_files_arrived, only_folder, steps_seen, training, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Its server, on an empty store with our experiment in it."""
    try:
        python = old_mlflow()
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"no environment can be made for it: {str(exc.stderr)[-300:]}")
    running = Servers(tmp_path_factory.mktemp("old") / "server", None, python=python)
    try:
        running.start_mlflow()
        client(running.uri).create_experiment(EXPERIMENT)
        yield running
    finally:
        running.stop()


@pytest.fixture
def run(old: Servers) -> tuple[Any, str]:
    """A client and a new run."""
    mlflow = client(old.uri)
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    return mlflow, str(mlflow.create_run(experiment.experiment_id).info.run_id)


def nan(step: int, key: str = "train/loss") -> Metric:
    """A point that is none."""
    return Metric(key=key, value=math.nan, step=step, time_ms=1_700_000_000_000 + step)


def test_a_batch_with_nan_may_come_again(run: tuple[Any, str]) -> None:
    """As a whole, and with more behind it: each point is there once, and params and tags, too."""
    mlflow, run_id = run
    send_batch(mlflow, run_id, Batch(metrics=(nan(1), nan(2))))
    again = Batch(
        metrics=(nan(1), nan(2), nan(3)), params=(Param(key="p", value="1"),), tags=(Tag(key="t", value="1"),)
    )
    for _ in range(2):
        send_batch(mlflow, run_id, again)
    points = [(point.step, str(point.value)) for point in mlflow.get_metric_history(run_id, "train/loss")]
    assert points == [(1, "nan"), (2, "nan"), (3, "nan")]
    data = mlflow.get_run(run_id).data
    assert (data.params["p"], data.tags["t"]) == ("1", "1")


def test_a_batch_of_many_metrics_may_come_again(run: tuple[Any, str]) -> None:
    """150 names, of which half, and an infinity, are there already."""
    mlflow, run_id = run
    metrics = tuple(Metric(key=f"k{number}", value=0.1 * number, step=1, time_ms=5) for number in range(150))
    metrics += (Metric(key="k0", value=math.inf, step=1, time_ms=5), nan(1))
    send_batch(mlflow, run_id, Batch(metrics=(*metrics[:75], *metrics[150:])))
    send_batch(mlflow, run_id, Batch(metrics=metrics))
    assert len(mlflow.get_metric_history(run_id, "k0")) == 2
    assert {len(mlflow.get_metric_history(run_id, f"k{number}")) for number in range(1, 150)} == {1}


def test_a_training_whose_answers_were_lost_arrives(old: Servers, data: Path, tmp_path: Path) -> None:
    """NaN from the first step on, and for a while the server does what it is told and never says so: every point is
    there once, nothing is pending or set aside, every checkpoint is stored, and older ones are pruned."""
    with BrokenServer(old.uri) as server:
        env = {**old.env, "MLFLOW_TRACKING_URI": server.uri, "OCR_TRAIN_PATIENCE_S": "60"}
        env |= {"SCRIPTED_FAULT": "nan", "SCRIPTED_PAUSE_S": "0.25"}
        with training(data, tmp_path, env, "--nan-windows", "0") as process:
            until(steps_seen(tmp_path, 2), process)
            server.break_as("does it, never says so")
            until(steps_seen(tmp_path, 8), process)
            server.mend()
            said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said
    assert "pending" not in said
    mlflow, run_id = client(old.uri), only_folder(tmp_path).name
    assert mlflow.get_run(run_id).info.status == "FINISHED"
    for key in ("train/loss", "train/lr"):
        assert [point.step for point in mlflow.get_metric_history(run_id, key)] == list(range(1, 17))
    assert_all_files_arrived(old.uri, run_id, tmp_path)


def test_a_training_is_resumed_and_pruned(old: Servers, data: Path, tmp_path: Path) -> None:
    """Checkpoints are found, brought back and deleted as on a server of today."""
    more = ("--keep-last", "1")
    done = ocr_train_here(*train_arguments(data, *more), cwd=tmp_path, env=old.env)
    assert done.returncode == 0, done.stdout + done.stderr
    first = only_folder(tmp_path).name
    stored = {path.split("/")[1] for path in artifacts(old.uri, first, "checkpoints") if "step_" in path}
    assert stored == {"step_00000016"}, done.stdout
    resumed = ocr_train_here(
        *train_arguments(data, *more, "--epochs", "8", "--resume", first), cwd=tmp_path, env=old.env
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "older checkpoints could not be removed" not in done.stdout + resumed.stdout
    assert "doctype" not in done.stdout + resumed.stdout


def test_what_it_lacks_is_said_in_a_sentence(run: tuple[Any, str], tmp_path: Path) -> None:
    """No page of HTML: a model cannot be logged, and none pins a checkpoint."""
    mlflow, run_id = run
    assert not pinned_by_registry(mlflow, run_id).steps
    with pytest.raises(mlflow_model.NoLoggedModels, match="came with MLflow 3"):
        mlflow_model.log_model(mlflow, run_id, [exported_folder(tmp_path / "export")])
    with pytest.raises(TrackingError, match=r"does not know the call /api/2\.0/mlflow/logged-models/search"):
        mlflow_model.newest_logged(mlflow, run_id)
