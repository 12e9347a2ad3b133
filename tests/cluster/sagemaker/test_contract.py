"""What SageMaker's files say, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.cluster.sagemaker.contract import decoded, read_job
from ocr_train.errors import ConfigError
from tests.cluster.sagemaker.opt_ml import hosts, opt_ml


def test_a_job_is_read_as_sagemaker_describes_it(tmp_path: Path) -> None:
    """Hyperparameters without their JSON, channels with their folders, hosts in one order with the leader first."""
    root = opt_ml(
        tmp_path, {"model": '"rec"', "epochs": "5"}, channels={"train": None}, resources=hosts(11, 10)
    )
    job = read_job(root)
    assert job.hyperparameters == {"model": "rec", "epochs": "5"}
    assert [(one.name, one.mode, one.folder) for one in job.channels] == [
        ("train", "File", root / "input/data/train")
    ]
    assert job.hosts[:3] == ("algo-1", "algo-2", "algo-3")
    assert (job.current_host, job.rank, job.leads) == ("algo-10", 9, False)
    assert (job.instance_type, job.interface) == ("ml.c5.2xlarge", "eth0")


def test_everything_but_the_hosts_may_be_missing(tmp_path: Path) -> None:
    """SageMaker's local mode writes no more."""
    root = opt_ml(tmp_path, resources={"current_host": "algo-1-x7", "hosts": ["algo-1-x7"]})
    job = read_job(root)
    assert (job.rank, job.leads, job.instance_type, job.channels) == (0, True, "", ())


def test_without_a_resourceconfig_this_host_is_alone(tmp_path: Path) -> None:
    """A folder that somebody made by hand is enough to try the image."""
    assert read_job(opt_ml(tmp_path)).leads


def test_a_host_of_several_groups_has_the_type_of_its_own(tmp_path: Path) -> None:
    """A heterogeneous cluster says it by group."""
    groups = [
        {"instance_group_name": "a", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1"]},
        {"instance_group_name": "b", "instance_type": "ml.g5.xlarge", "hosts": ["algo-2"]},
    ]
    root = opt_ml(tmp_path, resources=hosts(2, 2, current_instance_type=None, instance_groups=groups))
    assert read_job(root).instance_type == "ml.g5.xlarge"


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ('"rec"', "rec"),
        ("rec", "rec"),
        ("[0, 1]", [0, 1]),
        ('{"Global.seed": 1}', {"Global.seed": 1}),
        ("null", None),
        ("0.10", "0.10"),
        ("true", "true"),
        # A run id that is a number to JSON: its value is infinite.
        ("12e45678901234567890123456789012", "12e45678901234567890123456789012"),
        ('"torn', '"torn'),
    ],
)
def test_the_json_around_a_hyperparameter_is_taken_off(given: str, value: object) -> None:
    """SDKs encode values, the console does not: both mean the same."""
    assert decoded(given) == value


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """A job costs minutes to start: no second one for a second mistake."""
    root = opt_ml(
        tmp_path, channels={"train": None}, resources={"current_host": "algo-9", "hosts": ["algo-1"]}
    )
    (root / "input/data/train").rmdir()
    (root / "input/config/hyperparameters.json").write_text("{")
    with pytest.raises(ConfigError) as caught:
        read_job(root)
    assert "3 problem(s)" in caught.value.problem
    for words in (
        "hyperparameters.json cannot be read",
        "'algo-9' is not one of the hosts",
        "there is no folder",
    ):
        assert words in caught.value.problem


def test_a_stream_is_refused(tmp_path: Path) -> None:
    """Pipe mode gives no files."""
    root = opt_ml(tmp_path, channels={"train": None})
    (root / "input/config/inputdataconfig.json").write_text('{"train": {"TrainingInputMode": "Pipe"}}')
    with pytest.raises(ConfigError, match="use File or FastFile"):
        read_job(root)


def test_elsewhere_than_in_a_training_job_it_says_so(tmp_path: Path) -> None:
    """Who types the command at home is told which one is meant for that."""
    with pytest.raises(ConfigError, match="not the container of a SageMaker training job") as caught:
        read_job(tmp_path)
    assert "ocr_train train" in caught.value.hint
