"""A launch and options become the request of CreateTrainingJob, or every problem is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from ocr_train.cluster.sagemaker.limits import check_request
from ocr_train.cluster.sagemaker.options import read_options
from ocr_train.cluster.sagemaker.request import build
from ocr_train.config.parameters import Launch
from ocr_train.errors import ConfigError
from tests.cluster.sagemaker.jobs import CPU_IMAGE, GPU_IMAGE, MLFLOW, NOW, job, options
from tests.commands import REPO

LAUNCH = Launch(model="rec", data="s3://wires/rec", epochs="20")


def refused(launch: Launch = LAUNCH, **chosen: Any) -> str:
    """What is said of a job that is not submitted."""
    with pytest.raises(ConfigError) as caught:
        job(launch, **chosen)
    return str(caught.value)


def test_a_spot_job_on_two_machines_is_asked_for_whole() -> None:
    """Name, hyperparameters, machines, checkpoints, time limits and the MLflow server."""
    found = job(LAUNCH, spot=True, count="2", tag=("team=ocr",), experiment="wires")
    request = found.request
    assert request["TrainingJobName"] == "ocr-rec-20261126-123045"
    # The GPUs are named: one that is not there then ends the job at once.
    assert request["HyperParameters"] == {
        "model": "rec",
        "data": "s3://wires/rec",
        "epochs": "20",
        "gpus": "0",
    }
    assert request["ResourceConfig"] == {
        "InstanceType": "ml.g5.xlarge",
        "InstanceCount": 2,
        "VolumeSizeInGB": 100,
    }
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400, "MaxWaitTimeInSeconds": 172_800}
    assert request["EnableManagedSpotTraining"] is True
    assert request["CheckpointConfig"] == {
        "S3Uri": "s3://wires/sagemaker/checkpoints/ocr-rec-20261126-123045",
        "LocalPath": "/opt/ml/checkpoints",
    }
    assert request["Environment"] == {"MLFLOW_TRACKING_URI": MLFLOW, "MLFLOW_EXPERIMENT_NAME": "wires"}
    assert request["Tags"] == [{"Key": "team", "Value": "ocr"}]
    assert "InputDataConfig" not in request
    assert found.region == "ap-southeast-1"
    assert check_request(request) == []


def test_a_channel_takes_the_place_of_data() -> None:
    """SageMaker brings it; a prefix for FastFile ends with a slash."""
    found = job(replace(LAUNCH, data=""), channel=("train=s3://wires/rec",), input_mode="FastFile")
    (channel,) = found.request["InputDataConfig"]
    assert channel["ChannelName"] == "train"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://wires/rec/"
    assert "data" not in found.request["HyperParameters"]
    assert any("must end with a slash" in note for note in found.notes)


def test_a_job_in_a_vpc_with_a_key_and_a_warm_pool_is_valid() -> None:
    """On an instance with a volume, the key encrypts it, too."""
    request = job(
        LAUNCH,
        instance="ml.c5.2xlarge",
        image=CPU_IMAGE,
        subnet=("subnet-0a1b2c3d",),
        security_group=("sg-0a1b2c3d",),
        kms_key="arn:aws:kms:ap-southeast-1:123456789012:key/0a1b",
        keep_alive_s="1800",
    ).request
    assert request["VpcConfig"] == {"Subnets": ["subnet-0a1b2c3d"], "SecurityGroupIds": ["sg-0a1b2c3d"]}
    assert request["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 1800
    assert request["ResourceConfig"]["VolumeKmsKeyId"] == request["OutputDataConfig"]["KmsKeyId"]
    assert "gpus" not in request["HyperParameters"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"image": CPU_IMAGE}, "is a CPU image, and ml.g5.xlarge has GPUs"),
        ({"instance": "ml.c5.2xlarge"}, "is a GPU image, and ml.c5.2xlarge has no GPU"),
        ({"image": GPU_IMAGE.replace("1.0-gpu", "latest")}, "give --image-kind cpu or --image-kind gpu"),
        ({"image_kind": "cpu"}, "would be paid for and not used"),
        ({"instance": "ml.trn1.2xlarge"}, "accelerators that PaddlePaddle cannot use"),
        ({"image": "python:3.11-gpu"}, "is not in Amazon ECR"),
        ({"instance": "ml.g99.xlarge"}, "update boto3"),
        ({"image": "", "role": ""}, "--role: it is required"),
        ({"max_wait_hours": "30"}, "only a spot job may have it"),
        (
            {"spot": True, "max_wait_hours": "3"},
            "--max-wait-hours: StoppingCondition.MaxWaitTimeInSeconds: 10800 is less than",
        ),
        ({"spot": True, "keep_alive_s": "600"}, "cannot be kept in a warm pool"),
        ({"max_run_hours": "700"}, "28 days"),
        ({"count": "0"}, "--count: '0' is too small"),
        ({"subnet": ("subnet-1",)}, "a VPC needs at least one of each"),
        ({"job_name": "ocr_rec"}, "--job-name: TrainingJobName: 'ocr_rec' does not have the form"),
        ({"tag": ("team",)}, "'team' is not KEY=VALUE"),
        ({"tag": ("a=1", "a=2")}, "Tags: 'a' is given twice"),
        ({"channel": ("train=s3://a/b",)}, "both name the data"),
        ({"channel": ("a=s3://a/b", "b=s3://a/c")}, "none is called 'train'"),
        ({"channel": ("other=./x",)}, "is not NAME=s3://bucket/prefix"),
        ({"env": ("PATH=/x",)}, "--env: 'PATH=/x' is not OCR_TRAIN_"),
        ({"input_mode": "Pipe"}, "'Pipe' is not one of File, FastFile"),
        ({"tracking_uri": ""}, "the run would be lost with the machine"),
        ({"tracking_uri": "sqlite:///mlflow.db"}, "is on this machine, which the job does not see"),
        ({"tracking_uri": "http://localhost:5000"}, "inside the job it is the job itself"),
        ({"output_s3": "/data/x"}, "--output-s3: '/data/x' is not s3://bucket/prefix"),
    ],
)
def test_what_cannot_work_is_refused(chosen: dict[str, Any], said: str) -> None:
    """Before AWS is asked, with what to do."""
    assert said in refused(**chosen)


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        (replace(LAUNCH, gpus="cpu"), "--gpus cpu: ml.g5.xlarge has GPUs, which would be paid for"),
        (replace(LAUNCH, cpus="2"), "--cpus: ml.g5.xlarge has GPUs"),
        (replace(LAUNCH, nodes="10.0.0.1,10.0.0.2"), "--nodes: inside a job"),
        (replace(LAUNCH, data="./words"), "python -m ocr_train push ./words s3://bucket/prefix"),
        (replace(LAUNCH, keep="./before"), "python -m ocr_train push ./before s3://bucket/prefix"),
        (replace(LAUNCH, data=""), "--output-s3: without data on S3"),
        (
            replace(LAUNCH, overrides="Global.wandb.api_key=abcdefgh1234"),
            "--overrides: its value holds a secret",
        ),
        (replace(LAUNCH, resume="s3://AKIAABCDEFGHIJKLMNOP@b"), "--resume: its value holds a secret"),
        (replace(LAUNCH, overrides="Global.x=" + "1" * 3000), "characters, and 2500 are allowed"),
    ],
)
def test_a_launch_that_cannot_work_is_refused(launch: Launch, said: str) -> None:
    """The same for parameters of `train`."""
    found = refused(launch)
    assert said in found
    assert "abcdefgh1234" not in found


def test_a_set_to_keep_is_in_s3_or_in_a_channel() -> None:
    """A job sees nothing else; it is a hyperparameter like others."""
    for keep in ("s3://bucket/before", "/opt/ml/input/data/before", "none"):
        assert job(replace(LAUNCH, keep=keep)).request["HyperParameters"]["keep"] == keep


def test_several_machines_measure_nothing() -> None:
    """Each would have to come to the same batch; one may."""
    auto = replace(LAUNCH, batch_size="auto")
    assert "batch_size=auto: several machines need a number" in refused(auto, count="2")
    assert job(auto).request["HyperParameters"]["batch_size"] == "auto"


def test_a_password_in_an_address_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a job can be read by everybody who may describe it."""
    found = refused(tracking_uri="https://anna:hunter2hunter2@mlflow.internal")
    assert "variable MLFLOW_TRACKING_URI: its value holds a secret" in found
    assert "hunter2" not in found
    found = refused(output_s3="s3://anna:hunter2hunter2@wires/x")
    assert "OutputDataConfig.S3OutputPath: its value holds a secret" in found
    assert "hunter2" not in found
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123")
    found = refused(env=("OCR_TRAIN_X=0123456789abcdef0123",))
    assert "variable OCR_TRAIN_X: its value holds a secret" in found
    assert "0123456789abcdef" not in found


def test_all_problems_come_together() -> None:
    """One correction, and not one a try."""
    found = refused(image=CPU_IMAGE, role="r", tag=("x",), tracking_uri="", count="two")
    for said in ("CPU image", "RoleArn", "KEY=VALUE", "--tracking-uri", "whole number"):
        assert said in found


def test_offline_needs_no_server() -> None:
    """The run's files come with the job's output then."""
    request = job(replace(LAUNCH, offline="true"), tracking_uri="").request
    assert request["HyperParameters"]["offline"] == "true"
    assert "MLFLOW_TRACKING_URI" not in request.get("Environment", {})


def test_the_servers_address_is_taken_from_the_environment() -> None:
    """As `train` takes it."""
    environ = {"MLFLOW_TRACKING_URI": MLFLOW, "MLFLOW_EXPERIMENT_NAME": "wires", "AWS_REGION": "eu-west-1"}
    found = build(LAUNCH, options(tracking_uri=""), environ, NOW)
    assert found.request["Environment"] == {
        "MLFLOW_TRACKING_URI": MLFLOW,
        "MLFLOW_EXPERIMENT_NAME": "wires",
    }
    assert found.region == "eu-west-1"


def test_the_file_that_the_guide_shows_is_taken() -> None:
    """`sagemaker.json` in docs/sagemaker.md."""
    page = (REPO / "docs" / "sagemaker.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    problems: list[str] = []
    found = build(LAUNCH, read_options(json.loads(block), problems), {}, NOW, problems)
    assert found.request["StoppingCondition"]["MaxRuntimeInSeconds"] == 43_200


def test_several_sources_on_s3_are_one_parameter() -> None:
    """The job fetches and mixes them; results go beside the first."""
    found = job(replace(LAUNCH, data="S3://wires/rec, s3://general/rec 0.1"))
    assert found.request["HyperParameters"]["data"] == "s3://wires/rec 1, s3://general/rec 0.1"
    assert found.request["OutputDataConfig"]["S3OutputPath"] == "s3://wires/sagemaker"


def test_each_source_that_the_job_does_not_see_is_named() -> None:
    """With what sends it; a ratio that is none is said with the rest."""
    said = refused(replace(LAUNCH, data="s3://wires/rec, ./words 0.5, ./more 2"))
    assert "python -m ocr_train push ./words s3://bucket/prefix" in said
    assert "python -m ocr_train push ./more s3://bucket/prefix" in said
    assert "the ratio '2' of './more'" in said
