"""From hyperparameters and channels to one launch of `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.cluster.sagemaker.channels import data_of
from ocr_train.cluster.sagemaker.contract import read_job
from ocr_train.cluster.sagemaker.plan import JobPlan, plan_job
from ocr_train.config.overrides import parse_overrides
from ocr_train.data.layout import find_layout
from ocr_train.errors import ConfigError
from tests.cli_run import rec_data
from tests.cluster.sagemaker.opt_ml import hosts, opt_ml

SERVER = {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}


def plan(root: Path, environ: dict[str, str] | None = None) -> JobPlan:
    """The plan of the job in `root`, tracked where nothing else is said."""
    return plan_job(read_job(root), SERVER if environ is None else environ)


def problem(root: Path) -> str:
    """What is wrong with that job."""
    with pytest.raises(ConfigError) as caught:
        plan(root)
    return caught.value.problem


def test_hyperparameters_are_parameters_of_train(tmp_path: Path) -> None:
    """With - or with _; those of SageMaker's own SDK are none."""
    given: dict[str, Any] = {
        "model": '"rec"',
        "batch-size": "32",
        "sample_images": "0",
        "weights_only": "true",
        "gpus": "[0, 1]",
        "register": "null",
        "sagemaker_region": '"eu-west-1"',
    }
    launch = plan(opt_ml(tmp_path, given)).launch
    assert (launch.model, launch.batch_size, launch.sample_images, launch.weights_only, launch.gpus) == (
        *("rec", "32", "0", "true"),
        "0,1",
    )
    assert launch.register == ""


def test_overrides_may_be_a_mapping(tmp_path: Path) -> None:
    """SDKs make it easy to hand one over."""
    given = {"overrides": '{"Global.print_batch_step": 5, "Train.loader.shuffle": true, "Global.x": "a b"}'}
    values, problems = parse_overrides(plan(opt_ml(tmp_path, given)).launch.overrides)
    assert values == {"Global.print_batch_step": 5, "Train.loader.shuffle": True, "Global.x": "a b"}
    assert not problems


def test_an_unknown_hyperparameter_names_the_one_that_is_like_it(tmp_path: Path) -> None:
    """All of them at once, with the job's own ones."""
    said = problem(opt_ml(tmp_path, {"epoch": "1", "nodes": "a,b", "seed": '{"a": 1}'}))
    assert "3 problem(s)" in said
    assert "Did you mean 'epochs'?" in said
    assert "'nodes': the job decides it" in said
    assert "'seed' is {'a': 1}, which is not one value" in said


def test_several_hosts_train_together(tmp_path: Path) -> None:
    """Each host has the same list, and its own place in it; the first one keeps checkpoints."""
    root = opt_ml(tmp_path, resources=hosts(2, 2), spot=True)
    found = plan(root)
    assert (found.launch.nodes, found.launch.node_rank, found.copies) == ("algo-1,algo-2", "1", None)
    (root / "input/config/resourceconfig.json").write_text('{"current_host": "a", "hosts": ["a", "b"]}')
    assert plan(root).copies == root / "checkpoints"


def test_without_a_server_the_run_is_in_the_jobs_output(tmp_path: Path) -> None:
    """And that is said; with one the run's files are on the job's own disk, which is not sent anywhere."""
    root = opt_ml(tmp_path)
    found = plan(root, {})
    assert found.launch.offline == "true"
    assert found.output == root / "output/data/ocr-train"
    assert found.notes[0].startswith("WARNING: MLFLOW_TRACKING_URI is not set")
    assert not plan(root).output.is_relative_to(root)


def test_a_gpu_instance_does_not_train_on_the_cpu_even_when_asked(tmp_path: Path) -> None:
    """25 hours of one were paid for once."""
    root = opt_ml(tmp_path, {"gpus": "cpu"}, resources=hosts(1, current_instance_type="ml.g5.xlarge"))
    assert "gpus=cpu on ml.g5.xlarge: its GPUs would be paid for and not used" in problem(root)


def test_chips_that_paddle_cannot_use_are_refused(tmp_path: Path) -> None:
    """Trainium has no GPU to fall back on either."""
    root = opt_ml(tmp_path, resources=hosts(1, current_instance_type="ml.trn1.2xlarge"))
    assert "Paddle cannot use its chips" in problem(root)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a", "b"), "name the one with the data `train`"),
        (("train", "training"), "name one `train`"),
    ],
)
def test_channels_that_do_not_say_what_they_are_for(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    """Nothing is guessed."""
    assert said in problem(opt_ml(tmp_path, channels=dict.fromkeys(names)))


def test_hosts_with_different_data_are_refused(tmp_path: Path) -> None:
    """Sharded data would be another dataset on each host."""
    root = opt_ml(tmp_path, channels={"train": None}, resources=hosts(2), distribution="ShardedByS3Key")
    assert "use FullyReplicated" in problem(root)


def test_data_and_a_channel_exclude_each_other(tmp_path: Path) -> None:
    """One of them would be paid for and not be read."""
    assert "give one" in problem(opt_ml(tmp_path, {"data": "s3://b/p"}, channels={"train": None}))


def test_the_only_channel_is_the_data_whatever_its_name(tmp_path: Path) -> None:
    """And one that holds an archive is that archive."""
    root = opt_ml(tmp_path, channels={"images": None})
    folder = root / "input/data/images"
    assert data_of(plan(root).channels, tmp_path) == str(folder)
    (folder / "set.tar.gz").write_bytes(b"")
    assert data_of(plan(root).channels, tmp_path) == str(folder / "set.tar.gz")


def test_two_channels_become_one_folder_without_writing_into_them(tmp_path: Path) -> None:
    """Labels to train on and to validate on, with images found in both; channels may be read-only."""
    for name in ("a", "b"):
        rec_data(tmp_path / name, ["one", "two"])
        (tmp_path / name).chmod(0o555)
    root = opt_ml(tmp_path / "ml", channels={"train": tmp_path / "a", "validation": tmp_path / "b"})
    layout = find_layout(Path(data_of(plan(root).channels, tmp_path / "out")), "rec")
    assert [path.name for path in (*layout.train, *layout.val)] == ["train.txt", "val.txt"]
    for path in (*layout.train, *layout.val):
        for line in path.read_text().splitlines():
            assert (layout.images / line.partition("\t")[0]).is_file()
    assert layout.val[0].read_text().startswith("validation/img/0.jpg\tone\n")
