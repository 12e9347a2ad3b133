"""A GPU that is paid for and not used is found; NVML is a stand-in here, because this machine has no GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.doctor.gpus import GpusThere, device_row, find_gpus
from ocr_train.doctor.rows import OK, PROBLEM, WARNING
from ocr_train.trainer.interpreter import Facts

CPU_BUILD = Facts(paddle="3.0.0")
GPU_BUILD = Facts(paddle="2.6.2", cuda=True, gpus=1, names=("NVIDIA L4",))
NOT_USABLE = Facts(paddle="3.0.0", cuda=True)
TWO = GpusThere(names=("NVIDIA L4", "NVIDIA L4"), driver="535.1")


@pytest.fixture
def stand_in_nvml(monkeypatch: pytest.MonkeyPatch) -> list[str | bytes]:
    """A stand-in for NVIDIA's driver: the GPUs in this list are "there", as old and new versions name them."""
    names: list[str | bytes] = ["NVIDIA L4", b"Tesla T4"]
    for name, answer in {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "535.1",
        "nvmlDeviceGetCount": lambda: len(names),
        "nvmlDeviceGetHandleByIndex": lambda number: number,
        "nvmlDeviceGetName": lambda handle: names[handle],
    }.items():
        monkeypatch.setattr(f"pynvml.{name}", answer)
    return names


@pytest.mark.usefixtures("stand_in_nvml")
def test_the_driver_lists_the_gpus(tmp_path: Path) -> None:
    """Whatever Paddle knows of them."""
    assert find_gpus(tmp_path, tmp_path) == GpusThere(names=("NVIDIA L4", "Tesla T4"), driver="535.1")


def test_a_gpu_without_a_drivers_library_is_seen(tmp_path: Path) -> None:
    """As in a container that was started without its GPUs: the system still shows the device."""
    for name, vendor, kind in (
        ("gpu", "0x10de", "0x030200"),
        ("sound", "0x10de", "0x040300"),
        ("other", "0x1002", "0x030000"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    (tmp_path / "broken").mkdir()
    assert find_gpus(tmp_path / "none", tmp_path).unreachable == 1
    assert find_gpus(tmp_path / "none", tmp_path / "none") == GpusThere()


def test_a_cpu_build_beside_a_gpu_is_a_problem() -> None:
    """A team once paid for 25 hours of such a training."""
    row = device_row("auto", CPU_BUILD, TWO, None)
    assert (row.status, row.code) == (PROBLEM, 5)
    assert "2 GPUs (NVIDIA L4) are here, but paddlepaddle 3.0.0 is a CPU build" in row.found
    assert "make gpu" in row.todo
    assert "gpus=cpu" in row.todo


def test_a_gpu_build_that_can_use_none_is_a_problem() -> None:
    """The driver is too old for its CUDA, as a rule: its version is told."""
    row = device_row("auto", NOT_USABLE, TWO, None)
    assert row.status == PROBLEM
    assert "can use none" in row.found
    assert "535.1" in row.todo


@pytest.mark.parametrize(("gpus", "visible"), [("cpu", None), ("auto", ""), ("auto", "-1")])
def test_the_cpu_on_purpose_is_fine(gpus: str, visible: str | None) -> None:
    """Asked for by name, or by hiding the GPUs from CUDA; that they are idle is said."""
    row = device_row(gpus, CPU_BUILD, TWO, visible)
    assert row.status == OK
    assert "not used" in row.found


def test_a_machine_without_a_gpu_is_fine() -> None:
    """The CPU is all there is."""
    row = device_row("auto", CPU_BUILD, GpusThere(), None)
    assert row.status == OK
    assert "no NVIDIA GPU on this machine" in row.found


def test_a_gpu_that_no_driver_lists_is_a_warning() -> None:
    """It may be meant so, as on a shared machine: training goes on."""
    row = device_row("auto", CPU_BUILD, GpusThere(unreachable=1), None)
    assert row.status == WARNING
    assert "--gpus all" in row.todo


def test_gpus_that_paddle_does_not_see_are_counted() -> None:
    """One of two, though none was hidden."""
    row = device_row("auto", GPU_BUILD, TWO, None)
    assert row.status == WARNING
    assert "Paddle sees 1 of 2 GPUs" in row.found
    assert device_row("auto", GPU_BUILD, TWO, "0").status == OK


def test_a_gpu_build_without_a_gpu_is_a_warning() -> None:
    """Training would be on the CPU."""
    assert device_row("auto", NOT_USABLE, GpusThere(), None).status == WARNING


def test_numbers_that_are_not_there_are_a_problem() -> None:
    """As the training would say."""
    row = device_row((3,), GPU_BUILD, TWO, None)
    assert (row.status, row.code) == (PROBLEM, 5)
    assert "no GPU 3" in row.found
