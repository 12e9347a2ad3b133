"""What would train faster is said, and set by nobody but the user."""

from __future__ import annotations

import pytest

from ocr_train.config.experiment import Experiment, Launch, load_experiment
from ocr_train.doctor.rows import ADVICE, OK
from ocr_train.doctor.speed import faster, speed_row
from ocr_train.trainer.device import Device
from tests.commands import REPO

CPU = Device(gpus=(), note="")


def experiment(**values: str) -> Experiment:
    """The recogniser of the project."""
    return load_experiment(Launch(model="rec", **values), REPO / "experiments")


@pytest.mark.parametrize(
    ("batch", "cpus", "advised"), [("16", 2, "cpus=2"), ("6", 4, "cpus=3"), ("32", 64, "cpus=8")]
)
def test_idle_cpus_are_said_with_what_uses_them(batch: str, cpus: int, advised: str) -> None:
    """As many processes as can share a batch evenly."""
    row = speed_row(experiment(batch_size=batch), CPU, cpus=cpus)
    assert row.status == ADVICE
    assert row.todo.startswith(f"{advised},")
    assert advised in faster(experiment(batch_size=batch), CPU, cpus=cpus)


@pytest.mark.parametrize(
    ("device", "cpus", "batch"),
    [
        (CPU, 1, "16"),
        (CPU, 2, "15"),
        (Device(gpus=(), note="", cpus=2), 2, "16"),
        (Device(gpus=(0,), note=""), 16, "16"),
    ],
)
def test_nothing_is_said_where_nothing_is_known(device: Device, cpus: int, batch: str) -> None:
    """One CPU, a batch that cannot be shared, all CPUs in use, a GPU with enough of them."""
    row = speed_row(experiment(batch_size=batch), device, cpus=cpus)
    assert (row.status, row.todo) == (OK, "")
    assert faster(experiment(batch_size=batch), device, cpus=cpus) == ""


def test_more_loaders_than_cpus_are_said_on_a_gpu() -> None:
    """There it was not measured, so that it is not changed."""
    row = speed_row(experiment(num_workers="8"), Device(gpus=(0, 1), note=""), cpus=8)
    assert row.status == ADVICE
    assert "num_workers=4" in row.todo
