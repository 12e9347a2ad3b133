"""Time, money and GPU use on the axis of training steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from callbacks.time_use import ReadGpus, TimeUseCallback
from ocr_train.events import RunFinished, Tick, TrainProgress
from ocr_train.run import Results
from tests.builders import make_run


class Sink:
    """Notes what is logged."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note it."""
        self.logged.append((step, dict(metrics)))


def progress(step: int, *, reader: float, batch: float, ips: float = 10.0) -> TrainProgress:
    """A progress line with these seconds."""
    metrics = {"train/reader_cost_s": reader, "train/batch_cost_s": batch, "train/ips": ips}
    return TrainProgress(epoch=1, epochs=4, step=step, metrics=metrics)


def callback(sink: Sink, *, hourly_usd: float | None = None, gpu: float | None = None) -> TimeUseCallback:
    """One whose clock stands an hour after the start."""

    def reader(gpus: Sequence[str]) -> ReadGpus:
        return lambda: gpu

    return TimeUseCallback(sink, started=0.0, hourly_usd=hourly_usd, gpu_reader=reader, clock=lambda: 3600.0)


def test_waiting_for_data_is_logged_as_a_share_of_the_step(tmp_path: Path) -> None:
    """PaddleOCR's batch cost includes its reader cost."""
    sink = Sink()
    under_test = callback(sink)
    under_test.open(make_run(tmp_path))
    under_test.on_train_progress(progress(10, reader=0.3, batch=0.4))
    assert sink.logged == [(10, {"time/hours": 1.0, "time/reader_share": pytest.approx(0.75)})]


def test_the_mean_leaves_out_the_line_in_which_the_workers_start(tmp_path: Path) -> None:
    """The first line's reader cost is that of starting processes."""
    under_test = callback(Sink())
    under_test.open(make_run(tmp_path))
    under_test.on_train_progress(progress(10, reader=0.9, batch=1.0))
    under_test.on_train_progress(progress(20, reader=0.1, batch=1.0))
    under_test.on_train_progress(progress(30, reader=0.3, batch=1.0))
    assert under_test.results(Results()).reader_share == pytest.approx(0.2)


def test_money_is_logged_where_an_hour_has_a_price(tmp_path: Path) -> None:
    """On the axis of steps, so that curves can be drawn over cost."""
    sink = Sink()
    under_test = callback(sink, hourly_usd=2.5)
    under_test.open(make_run(tmp_path, step_offset=100))
    under_test.on_train_progress(progress(10, reader=0.0, batch=0.4))
    assert sink.logged[0][0] == 110
    assert sink.logged[0][1]["cost/usd"] == 2.5


def test_gpu_use_between_two_lines_is_averaged(tmp_path: Path) -> None:
    """Sampled each second, logged at the training step."""
    sink = Sink()
    under_test = callback(sink, gpu=40.0)
    under_test.open(make_run(tmp_path, gpus=("0",)))
    under_test.on_tick(Tick())
    under_test.on_tick(Tick())
    under_test.on_train_progress(progress(10, reader=0.0, batch=0.4))
    under_test.on_train_progress(progress(20, reader=0.0, batch=0.4))
    assert sink.logged[0][1]["train/gpu_util_pct"] == 40.0
    assert "train/gpu_util_pct" not in sink.logged[1][1]


def test_without_gpus_nothing_is_asked(tmp_path: Path) -> None:
    """On the CPU there is no such metric, not a zero."""
    sink = Sink()
    under_test = callback(sink, gpu=40.0)
    under_test.open(make_run(tmp_path))
    under_test.on_tick(Tick())
    under_test.on_train_progress(progress(10, reader=0.0, batch=0.4))
    assert "train/gpu_util_pct" not in sink.logged[0][1]


def test_the_end_has_the_totals(tmp_path: Path) -> None:
    """The mean share, at the last step."""
    sink = Sink()
    under_test = callback(sink)
    under_test.open(make_run(tmp_path))
    for step, ips in ((10, 1.0), (20, 30.0), (30, 50.0)):
        under_test.on_train_progress(progress(step, reader=0.1, batch=1.0, ips=ips))
    under_test.on_run_finished(RunFinished(status="FINISHED"))
    step, values = sink.logged[-1]
    assert step == 30
    assert values["time/reader_share"] == pytest.approx(0.1)


def test_a_log_without_costs_makes_no_share(tmp_path: Path) -> None:
    """PaddleOCR 1.x prints only the time of a step."""
    sink = Sink()
    under_test = callback(sink)
    under_test.open(make_run(tmp_path))
    under_test.on_train_progress(TrainProgress(epoch=1, epochs=2, step=1, metrics={"train/loss": 1.0}))
    assert sink.logged == [(1, {"time/hours": 1.0})]
    assert under_test.results(Results()) == Results()


def test_a_run_that_goes_on_does_not_log_a_step_twice(tmp_path: Path) -> None:
    """Steps that it has already are passed over."""
    sink = Sink()
    under_test = callback(sink)
    under_test.open(make_run(tmp_path, logged_until={"time/hours": 15, "time/reader_share": 15}))
    under_test.on_train_progress(progress(10, reader=0.1, batch=1.0))
    under_test.on_train_progress(progress(20, reader=0.1, batch=1.0))
    assert [step for step, _ in sink.logged] == [20]


def test_hours_of_a_run_that_goes_on_add_up(tmp_path: Path) -> None:
    """What it took before is not forgotten."""
    sink = Sink()
    under_test = callback(sink, hourly_usd=2.0)
    under_test.open(make_run(tmp_path, hours_before=4.0))
    under_test.on_train_progress(progress(10, reader=0.1, batch=1.0))
    assert sink.logged[0][1]["time/hours"] == 5.0
    assert sink.logged[0][1]["cost/usd"] == 10.0
