"""From log events to metrics: steps, and which best is worth logging."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callbacks.metrics import MetricsCallback
from ocr_train.events import BestUpdated, EvalCompleted, LogLine, Tick, TrainProgress
from ocr_train.run import Results
from tests.builders import make_run


class Sink:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.points: list[tuple[dict[str, float], int, int]] = []

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note it."""
        self.points.append((dict(metrics), step, time_ms))


def opened(folder: Path, **run: Any) -> tuple[MetricsCallback, Sink]:
    """A callback on a run, and where its metrics go."""
    sink = Sink()
    callback = MetricsCallback(sink)
    callback.open(make_run(folder, **run))
    return callback, sink


def test_progress_is_logged_with_step_time_and_epoch(tmp_path: Path) -> None:
    """The trainer's own step and the time of the line."""
    callback, sink = opened(tmp_path)
    callback.handle(TrainProgress(epoch=2, epochs=4, step=15, metrics={"train/loss": 1.5}, time_ms=77))
    assert sink.points == [({"train/loss": 1.5, "train/epoch": 2.0}, 15, 77)]


def test_after_a_resume_steps_go_on(tmp_path: Path) -> None:
    """The trainer starts at 0 again, the curve does not fold back: for progress, evaluation and best."""
    callback, sink = opened(tmp_path, step_offset=1000)
    callback.handle(TrainProgress(epoch=5, epochs=9, step=10))
    callback.handle(EvalCompleted(metrics={"eval/hmean": 0.5}, step=20))
    callback.handle(EvalCompleted(metrics={"eval/hmean": 0.6}))
    callback.handle(BestUpdated(metrics={"best/hmean": 0.6}, step=30))
    callback.handle(BestUpdated(metrics={"best/hmean": 0.7}))
    assert [step for _, step, _ in sink.points] == [1010, 1020, 1010, 1030, 1010]


def test_an_evaluation_before_any_progress_is_at_the_offset(tmp_path: Path) -> None:
    """Where the log says no step yet, the run's own beginning counts."""
    callback, sink = opened(tmp_path, step_offset=1000)
    callback.handle(EvalCompleted(metrics={"eval/hmean": 0.5}))
    assert sink.points[0][1] == 1000


def test_after_a_resume_a_worse_best_is_not_logged(tmp_path: Path) -> None:
    """PaddleOCR forgets its best score and calls the first one best: below the run's own it is none."""
    callback, sink = opened(tmp_path, best=0.6)
    callback.handle(BestUpdated(metrics={"best/hmean": 0.5}, step=10))
    assert sink.points == []
    assert callback.results(Results()).best == 0.6
    callback.handle(BestUpdated(metrics={"best/hmean": 0.65}, step=20))
    assert sink.points == [({"best/hmean": 0.65}, 20, 0)]
    assert callback.results(Results()).best == 0.65


def test_a_repeated_best_is_logged_once(tmp_path: Path) -> None:
    """PaddleOCR prints the line after each evaluation and at the very end, changed or not."""
    callback, sink = opened(tmp_path)
    for step in (10, 20, 30):
        callback.handle(BestUpdated(metrics={"best/hmean": 0.5, "best/fps": 7.0}, step=step))
    assert [step for _, step, _ in sink.points] == [10]


def test_a_tie_with_other_values_is_news(tmp_path: Path) -> None:
    """The same main score with another precision: the trainer has a new best model."""
    callback, sink = opened(tmp_path)
    callback.handle(BestUpdated(metrics={"best/hmean": 0.5, "best/precision": 0.4}, step=10))
    callback.handle(BestUpdated(metrics={"best/hmean": 0.5, "best/precision": 0.6}, step=20))
    assert [step for _, step, _ in sink.points] == [10, 20]


def test_the_main_metric_of_the_model_decides(tmp_path: Path) -> None:
    """For recognition it is acc: a higher edit distance score does not make a best."""
    callback, sink = opened(tmp_path, main_metric="acc", best=0.6)
    callback.handle(BestUpdated(metrics={"best/acc": 0.5, "best/norm_edit_dis": 0.99}, step=10))
    assert sink.points == []


def test_a_best_without_the_main_metric_is_logged(tmp_path: Path) -> None:
    """Nothing says that it is worse."""
    callback, sink = opened(tmp_path, best=0.6)
    callback.handle(BestUpdated(metrics={"best/acc": 0.1}, step=10))
    assert len(sink.points) == 1
    assert callback.results(Results()).best == 0.6


def test_a_run_without_evaluation_has_no_best(tmp_path: Path) -> None:
    """None, not 0."""
    callback, _ = opened(tmp_path)
    assert callback.results(Results()).best is None


def test_the_trainers_own_count_of_steps_is_logged_where_it_is_another(tmp_path: Path) -> None:
    """A later resume goes by it."""
    callback, sink = opened(tmp_path, step_offset=20)
    callback.handle(LogLine(text="[2026/11/25 22:42:43] ppocr INFO: train dataloader has 10 iters"))
    assert sink.points == []
    callback.handle(LogLine(text="[2026/11/25 22:42:43] ppocr INFO: train dataloader has 7 iters", time_ms=5))
    assert sink.points == [({"data/steps_per_epoch": 7.0}, 20, 5)]


def test_understood_and_other_lines_are_counted(tmp_path: Path) -> None:
    """A changed log format shows as a falling number of events; what is no line counts for neither."""
    callback, _ = opened(tmp_path)
    callback.handle(Tick(time_ms=1))
    callback.handle(LogLine(text="x", line=1))
    callback.handle(TrainProgress(epoch=1, epochs=4, step=5, line=2))
    callback.handle(LogLine(text="y", line=3))
    assert callback.results(Results()).log_lines == "1 of 3"


def test_what_a_run_has_logged_is_not_logged_again_when_it_goes_on(tmp_path: Path) -> None:
    """Each metric from the first step that it does not have yet; one that is new, everywhere."""
    callback, sink = opened(tmp_path, step_offset=8, logged_until={"train/loss": 10, "train/epoch": 10})
    for step in (1, 2, 3):
        callback.handle(
            TrainProgress(epoch=3, epochs=4, step=step, metrics={"train/loss": 1.0, "train/new": 2.0})
        )
    assert [(set(metrics), step) for metrics, step, _ in sink.points] == [
        ({"train/new"}, 9),
        ({"train/new"}, 10),
        ({"train/loss", "train/new", "train/epoch"}, 11),
    ]


def test_a_new_best_in_the_overlap_is_logged_after_it(tmp_path: Path) -> None:
    """PaddleOCR repeats the line; the score must not be missing forever."""
    callback, sink = opened(tmp_path, step_offset=8, best=0.4, logged_until={"best/hmean": 10})
    for step in (2, 4):
        callback.handle(BestUpdated(metrics={"best/hmean": 0.6}, step=step))
    assert sink.points == [({"best/hmean": 0.6}, 12, 0)]
