"""Where the time of a training goes, and what it costs so far."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from callbacks.base import Callback
from callbacks.gpus import handles_of
from callbacks.metrics import MetricSink
from ocr_train.cost import spent
from ocr_train.events import RunFinished, Tick, TrainProgress
from ocr_train.run import Results, Run

ReadGpus = Callable[[], float | None]


class TimeUseCallback(Callback):
    """Logs on the axis of training steps: `time/reader_share`, `time/hours`, `cost/usd`, `train/gpu_util_pct`.

    `time/reader_share` is the part of a step's wall time in which the model waits for its batch: PaddleOCR's
    avg_reader_cost by its avg_batch_cost, which includes it. The first progress line is left out of the mean,
    because it holds the start of the loader's workers. `started` is the monotonic second from which hours count.
    """

    def __init__(
        self,
        sink: MetricSink,
        *,
        started: float,
        hourly_usd: float | None,
        gpu_reader: Callable[[Sequence[str]], ReadGpus | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._started = started
        self._hourly_usd = hourly_usd
        self._make_reader = gpu_reader or gpu_utilisation
        self._clock = clock
        self._reader: ReadGpus | None = None
        self._gpu: list[float] = []
        self._waited = self._worked = 0.0
        self._lines = 0
        self._step = 0

    def open(self, run: Run) -> None:
        """Find the GPUs in use."""
        self._run = run
        self._step = run.step_offset
        if run.gpus:
            self._reader = self._make_reader(run.gpus)

    def on_tick(self, event: Tick) -> None:
        """Note how busy the GPUs are."""
        value = self._reader() if self._reader is not None else None
        if value is not None:
            self._gpu.append(value)

    def on_train_progress(self, event: TrainProgress) -> None:
        """Log what is known at this step."""
        self._lines += 1
        self._step = self._run.step_offset + event.step
        values = self._spent()
        reader, batch = event.metrics.get("train/reader_cost_s"), event.metrics.get("train/batch_cost_s")
        if reader is not None and batch is not None and 0 <= reader <= batch and batch > 0:
            values["time/reader_share"] = reader / batch
            if self._lines > 1:
                self._waited += reader
                self._worked += batch
        if self._gpu:
            values["train/gpu_util_pct"] = sum(self._gpu) / len(self._gpu)
            self._gpu.clear()
        self._log(values, event.time_ms)

    def on_run_finished(self, event: RunFinished) -> None:
        """Log the totals: hours, money and the mean share."""
        values = self._spent()
        if self._worked:
            values["time/reader_share"] = self._waited / self._worked
        self._log(values, event.time_ms)

    def results(self, before: Results) -> Results:
        """`reader_share` of the whole training, where the log had it."""
        return replace(before, reader_share=self._waited / self._worked) if self._worked else before

    def _spent(self) -> dict[str, float]:
        seconds = self._clock() - self._started + 3600 * self._run.hours_before
        return spent(seconds, self._hourly_usd)

    def _log(self, values: Mapping[str, float], time_ms: int) -> None:
        known = self._run.logged_until
        fresh = {key: value for key, value in values.items() if self._step > known.get(key, -1)}
        if fresh:
            self._sink.log_metrics(fresh, step=self._step, time_ms=time_ms)


def gpu_utilisation(gpus: Sequence[str]) -> ReadGpus | None:
    """A reader of the mean utilisation in percent (NVML) of `gpus` (see `Run.gpus`); None where there is no NVML."""
    try:
        import pynvml

        handles = handles_of(gpus)
    except Exception:  # noqa: BLE001 - no driver, no library: nothing to read
        return None
    if not handles:
        return None

    def read() -> float | None:
        with contextlib.suppress(Exception):
            return sum(float(pynvml.nvmlDeviceGetUtilizationRates(one).gpu) for one in handles) / len(handles)
        return None

    return read
