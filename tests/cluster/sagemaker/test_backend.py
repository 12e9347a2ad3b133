"""`mlflow run . -b sagemaker` with MLflow's own runner and a real tracking store; a stand-in answers for AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.sagemaker.jobs import CPU_IMAGE, GPU_IMAGE, MLFLOW, ROLE, StandIn, one_loader, stand_in
from tests.commands import REPO, store

CONFIG = {
    "instance": "ml.g5.xlarge",
    "image": GPU_IMAGE,
    "role": ROLE,
    "spot": True,
    "max-run-hours": 2,
    "tag": {"team": "ocr"},
    "tracking-uri": MLFLOW,
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, store_folder: Path, tmp_path: Path) -> Iterator[StandIn]:
    """The stand-in for AWS, a tracking store, and our plug-in installed as pip would write it."""
    import mlflow

    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("botocore.loaders.create_loader", one_loader)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stand-in")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-of-anybody")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(store_folder))
    mlflow.set_tracking_uri(store(store_folder))
    info = tmp_path / "installed" / "ocr_train-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ocr-train\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[mlflow.project_backend]\nsagemaker = {_entry_point()}\n")
    monkeypatch.syspath_prepend(str(info.parent))
    with stand_in() as (service, address):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield service
    mlflow.set_tracking_uri(None)


def _entry_point() -> str:
    """As pyproject.toml names it."""
    lines = (REPO / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    after = lines[lines.index('[project.entry-points."mlflow.project_backend"]') :]
    return next(line for line in after if line.startswith("sagemaker = ")).partition(" = ")[2].strip('"')


def _run(
    params: dict[str, str], *, wait: bool, config: dict[str, Any] | str = CONFIG, entry: str = "main"
) -> Any:
    import mlflow.projects

    return mlflow.projects.run(
        str(REPO),
        entry_point=entry,
        parameters=params,
        experiment_id="0",
        backend="sagemaker",
        backend_config=dict(config) if isinstance(config, dict) else config,
        synchronous=wait,
        run_name="wires",
    )


PARAMS = {"model": "rec", "data": "s3://wires/rec", "epochs": "20"}


def test_the_job_gets_the_run_that_was_made_here(aws: StandIn, tmp_path: Path) -> None:
    """It is there, with its name and the job's, before anything has started; the file is JSON, as -c takes it."""
    import mlflow

    (tmp_path / "sagemaker.json").write_text(json.dumps(CONFIG))
    submitted = _run(PARAMS, wait=False, config=str(tmp_path / "sagemaker.json"))
    action, request = aws.asked[0]
    run = mlflow.MlflowClient().get_run(submitted.run_id)
    assert action == "CreateTrainingJob"
    assert request["Environment"] == {
        "MLFLOW_TRACKING_URI": MLFLOW,
        "MLFLOW_RUN_ID": submitted.run_id,
        "MLFLOW_EXPERIMENT_ID": "0",
    }
    assert request["HyperParameters"] == {**PARAMS, "gpus": "0"}
    assert request["StoppingCondition"]["MaxRuntimeInSeconds"] == 7200
    assert request["Tags"] == [{"Key": "team", "Value": "ocr"}]
    assert run.info.status == "SCHEDULED"
    assert run.info.run_name == "wires"
    assert run.data.tags["sagemaker.job"] == request["TrainingJobName"]
    assert run.data.tags["mlflow.project.backend"] == "sagemaker"
    assert submitted.get_status() == "RUNNING"


def test_a_job_that_never_began_ends_its_run_with_the_reason(aws: StandIn) -> None:
    """As when the image cannot be pulled: nobody in the job could have said so."""
    import mlflow
    from mlflow.exceptions import ExecutionException

    aws.descriptions = [{}, {"TrainingJobStatus": "Failed", "FailureReason": "ClientError: no such image"}]
    with pytest.raises(ExecutionException):
        _run(PARAMS, wait=True)
    (run,) = mlflow.MlflowClient().search_runs(["0"])
    assert run.info.status == "FAILED"
    assert "no such image" in run.data.tags["failure_explanation"]


def test_cancelling_stops_the_job(aws: StandIn) -> None:
    """And waits until it has."""
    submitted = _run(PARAMS, wait=False)
    aws.descriptions = [{}, {"TrainingJobStatus": "Stopping"}, {"TrainingJobStatus": "Stopped"}]
    submitted.cancel()
    assert "StopTrainingJob" in [action for action, _ in aws.asked]
    assert submitted.get_status() == "KILLED"


def test_a_refused_submission_ends_the_run(aws: StandIn) -> None:
    """A run that no job will ever write to does not wait for one."""
    import mlflow
    from mlflow.exceptions import ExecutionException

    aws.refusal = ("ResourceLimitExceeded", "limit is 0 Instances")
    with pytest.raises(ExecutionException, match="Service Quotas"):
        _run(PARAMS, wait=False)
    (run,) = mlflow.MlflowClient().search_runs(["0"])
    assert run.info.status == "FAILED"


def test_every_wrong_setting_is_said_before_a_run_is_made(aws: StandIn) -> None:
    """Of the file, of -P and of both together."""
    import mlflow
    from mlflow.exceptions import ExecutionException

    wrong = {**CONFIG, "image": CPU_IMAGE, "instnace": "x", "subnet": 5}
    with pytest.raises(ExecutionException) as caught:
        _run({**PARAMS, "epochs": "no", "epoch": "3"}, wait=False, config=wrong)
    for said in (
        "instnace: there is no such option. Did you mean 'instance'",
        "subnet: 5",
        "-P epoch",
        "epochs: 'no'",
        "CPU image",
    ):
        assert said in str(caught.value)
    with pytest.raises(ExecutionException, match="-e prepare"):
        _run(PARAMS, wait=False, entry="prepare")
    assert mlflow.MlflowClient().search_runs(["0"]) == []
    assert aws.asked == []
