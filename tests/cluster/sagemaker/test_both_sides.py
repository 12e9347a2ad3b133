"""What is submitted is what the job does: the request's parts as SageMaker lays them out, read by the image's entry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocr_train.cluster.sagemaker.contract import read_job
from ocr_train.cluster.sagemaker.plan import JobPlan, plan_job
from ocr_train.cluster.sagemaker.request import JobRequest
from ocr_train.config.parameters import Launch
from tests.cluster.sagemaker.jobs import CPU_IMAGE, MLFLOW, job

LAUNCH = Launch(
    model="rec",
    data="s3://wires/rec",
    epochs="20",
    learning_rate="0.0005",
    seed="007",
    overrides='Global.print_batch_step=5 Train.loader.num_workers=2 Optimizer.lr.name="Cosine"',
    export="false",
    register="",
    resume="auto",
)


def inside(submitted: JobRequest, root: Path) -> JobPlan:
    """What the first host does."""
    request = submitted.request
    hosts = [f"algo-{number}" for number in range(1, submitted.machines + 1)]
    files: dict[str, Any] = {
        "hyperparameters": request["HyperParameters"],
        "inputdataconfig": {
            one["ChannelName"]: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
            for one in request.get("InputDataConfig", ())
        },
        "resourceconfig": {
            "current_host": hosts[0],
            "hosts": hosts,
            "current_instance_type": request["ResourceConfig"]["InstanceType"],
        },
    }
    config = root / "input" / "config"
    config.mkdir(parents=True)
    for name, value in files.items():
        (config / f"{name}.json").write_text(json.dumps(value))
    for one in request.get("InputDataConfig", ()):
        (root / "input" / "data" / one["ChannelName"]).mkdir(parents=True)
    (root / "checkpoints").mkdir()
    return plan_job(read_job(root), request["Environment"], scratch=root / "scratch")


@pytest.mark.parametrize("machines", [1, 2])
def test_the_job_trains_with_the_parameters_that_were_given(tmp_path: Path, machines: int) -> None:
    """Every one as it was typed; GPUs and machines are those of the job."""
    plan = inside(job(LAUNCH, count=str(machines), spot=True), tmp_path)
    nodes = {"nodes": "algo-1,algo-2", "node_rank": "0"} if machines == 2 else {}
    assert plan.launch == replace(LAUNCH, gpus="0", **nodes)
    assert plan.needs_gpu
    assert plan.env["MLFLOW_TRACKING_URI"] == MLFLOW


def test_a_channel_is_the_data(tmp_path: Path) -> None:
    """And a CPU instance trains on the CPU."""
    chosen = {"instance": "ml.c5.2xlarge", "image": CPU_IMAGE, "channel": ("train=s3://wires/rec",)}
    plan = inside(job(replace(LAUNCH, data=""), **chosen), tmp_path)
    assert [one.name for one in plan.channels] == ["train"]
    assert plan.launch == replace(LAUNCH, data="")
    assert not plan.needs_gpu


def test_an_offline_run_stays_in_the_jobs_output(tmp_path: Path) -> None:
    """Without a server, as both sides understand it."""
    plan = inside(job(replace(LAUNCH, offline="true"), tracking_uri=""), tmp_path)
    assert plan.launch.offline == "true"
    assert plan.output == tmp_path / "output" / "data" / "ocr-train"
