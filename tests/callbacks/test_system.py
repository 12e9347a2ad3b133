"""System metrics from MLflow's real monitors; only the GPUs are played."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from callbacks.system import SystemMetricsCallback, read_monitors, system_monitors
from tests.builders import MLFLOW_WARNING, make_run

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


class Sink:
    """Notes samples and lets a test wait for the first."""

    def __init__(self) -> None:
        self.samples: list[tuple[dict[str, float], int, int]] = []
        self.got_one = threading.Event()

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note it."""
        self.samples.append((dict(metrics), step, time_ms))
        self.got_one.set()


def test_the_monitors_read_this_machine() -> None:
    """CPU, memory, disk and network under MLflow's own names, so that its System metrics page shows them."""
    values = read_monitors(system_monitors(()))
    assert {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/disk_usage_percentage",
        "system/network_receive_megabytes",
    } <= set(values)
    assert 0 < values["system/system_memory_usage_percentage"] <= 100
    assert not [name for name in values if "gpu" in name]


def test_samples_arrive_with_counting_steps_and_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At MLflow's own interval, with Unix milliseconds; the last one when it is closed."""
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    sink = Sink()
    callback = SystemMetricsCallback(sink)
    before_ms = int(time.time() * 1000)
    callback.open(make_run(tmp_path))
    assert sink.got_one.wait(10)
    callback.close()
    after_ms = int(time.time() * 1000)
    assert [step for _, step, _ in sink.samples] == list(range(len(sink.samples)))
    assert len(sink.samples) >= 2
    assert all(before_ms <= time_ms <= after_ms for _, _, time_ms in sink.samples)


def test_a_short_run_has_a_sample_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends before the first interval is over gets one on closing, without waiting for it."""
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "600")
    sink = Sink()
    callback = SystemMetricsCallback(sink)
    callback.open(make_run(tmp_path))
    started = time.monotonic()
    callback.close()
    callback.close()
    assert time.monotonic() - started < 5
    assert len(sink.samples) == 1


def _by_index(number: int) -> int:
    import pynvml

    if number > 3:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
    return number


class FakeNvml:
    """Stands in for the driver: a host of four GPUs, each at a load of ten times its number, GPU 3 with MIG."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        answers = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetCount": lambda: 4,
            "nvmlDeviceGetHandleByIndex": _by_index,
            "nvmlDeviceGetUUID": lambda number: f"GPU-{number}{number}aa-bb",
            "nvmlDeviceGetHandleByUUID": lambda uuid: f"instance {uuid}",
            "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": lambda instance: 3,
            "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=8e9, total=16e9),
            "nvmlDeviceGetUtilizationRates": self._load,
            "nvmlDeviceGetPowerUsage": lambda gpu: 100_000,
            "nvmlDeviceGetEnforcedPowerLimit": lambda gpu: 400_000,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(f"pynvml.{name}", answer)

    def _load(self, gpu: int) -> SimpleNamespace:
        self.asked.append(gpu)
        return SimpleNamespace(gpu=gpu * 10)


@pytest.mark.parametrize(
    ("gpus", "loads"),
    [
        (("0",), [0]),
        (("2",), [20]),
        (("1", "3"), [10, 30]),
        (("GPU-22aa-bb",), [20]),
        (("GPU-11",), [10]),
        (("MIG-0cb1c3de",), [30]),
        (("MIG-GPU-33aa-bb/1/0", "MIG-GPU-33aa-bb/2/0"), [30]),
    ],
)
def test_only_the_gpus_in_use_are_logged(
    monkeypatch: pytest.MonkeyPatch, gpus: Sequence[str], loads: Sequence[float]
) -> None:
    """Others on the host belong to other people; the driver is a stand-in here, the monitor is MLflow's."""
    nvml = FakeNvml(monkeypatch)
    values = read_monitors(system_monitors(gpus))
    logged = [
        values[name] for name in sorted(values) if name.endswith("utilization_percentage") and "gpu" in name
    ]
    assert logged == loads
    assert [10 * number for number in nvml.asked] == loads
    assert values["system/gpu_0_memory_usage_percentage"] == 50
    assert values["system/gpu_0_power_usage_percentage"] == 25


def test_a_gpu_that_the_driver_does_not_have_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is too high costs its own curve, not the others."""
    nvml = FakeNvml(monkeypatch)
    read_monitors(system_monitors(("3", "7")))
    assert nvml.asked == [3]
