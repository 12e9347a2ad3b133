"""CPU, memory, disk, network and GPU metrics from MLflow's own monitor."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from callbacks.base import Callback
from callbacks.gpus import handles_of
from callbacks.metrics import MetricSink
from ocr_train.run import Run

SAMPLING_INTERVAL_S = 10.0


class SystemMetricsCallback(Callback):
    """Samples MLflow's system monitors in a thread of its own and hands the values to the journal.

    MLflow's own loop asks the server for the run's status at each sample and ends for good when one answer
    fails, and it logs every GPU of the host: so only its monitors are used, restricted to the GPUs in use.
    """

    def __init__(self, sink: MetricSink) -> None:
        self._sink = sink
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, run: Run) -> None:
        """Start to sample."""
        interval_s = float(os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL") or SAMPLING_INTERVAL_S)
        monitors = system_monitors(run.gpus)
        self._thread = threading.Thread(
            target=self._sample,
            args=(monitors, interval_s, _next_step(run)),
            name="system-metrics",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Take a last sample and stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None

    def _sample(self, monitors: Sequence[Any], interval_s: float, step: int) -> None:
        # psutil's first CPU reading is always 0: it measures since the one before, in this very thread.
        read_monitors(monitors)
        while True:
            stopping = self._stop.wait(interval_s)
            metrics = read_monitors(monitors)
            self._sink.log_metrics(metrics, step=step, time_ms=int(time.time() * 1000))
            step += 1
            if stopping:
                return


def _next_step(run: Run) -> int:
    """A run that is continued itself continues to count its samples."""
    return 1 + max((step for key, step in run.logged_until.items() if key.startswith("system/")), default=-1)


def system_monitors(gpus: Sequence[str]) -> list[Any]:
    """MLflow's monitors; the GPU one watches only `gpus` (see `Run.gpus`), and is left out without any."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    if gpus:
        monitors.append(_gpu_monitor(gpus))
    return monitors


def _gpu_monitor(gpus: Sequence[str]) -> Any:
    import pynvml  # noqa: F401 - MLflow's monitor looks for it among the imported modules
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    monitor = GPUMonitor()
    monitor.gpu_handles = handles_of(gpus)
    monitor.num_gpus = len(monitor.gpu_handles)
    return monitor


def read_monitors(monitors: Sequence[Any]) -> Mapping[str, float]:
    """One reading of every monitor, under MLflow's own names (`system/...`)."""
    values: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        values.update({f"system/{key}": float(value) for key, value in monitor.aggregate_metrics().items()})
        monitor.clear_metrics()
    return values
