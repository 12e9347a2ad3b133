"""Two whole logs of our own runs with PaddleOCR 2.10, read by hand first: every event that they hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ocr_train.events import (
    BestUpdated,
    CheckpointSaved,
    EvalCompleted,
    Event,
    LogLine,
    TrainProgress,
    WeightsLoaded,
)
from ocr_train.trainer.failures import find_failure
from ocr_train.trainer.log_parser import parse_lines

LOGS = Path(__file__).resolve().parents[1] / "data" / "logs"


def events_of(name: str) -> list[Event]:
    """Every event of a kept log."""
    with (LOGS / name).open(encoding="utf-8", newline="\n") as lines:
        return list(parse_lines(line.rstrip("\n") for line in lines))


def test_detection_run() -> None:
    """3 epochs of 10 steps, printed every 2: 15 progress lines, 3 evaluations, 3 sets of each kind."""
    events = events_of("det_2.10.log")
    progress = [event for event in events if isinstance(event, TrainProgress)]
    assert [event.step for event in progress] == list(range(2, 31, 2))
    assert [event.epoch for event in progress] == [1] * 5 + [2] * 5 + [3] * 5
    assert progress[0].metrics["train/loss"] == 9.565405
    assert progress[-1].metrics["train/loss"] == 6.309066
    assert set(progress[0].metrics) >= {
        "train/loss_shrink_maps",
        "train/lr",
        "train/reader_cost_s",
        "train/eta_s",
    }
    kinds = Counter(event.kind for event in events if isinstance(event, CheckpointSaved))
    assert kinds == {"best": 3, "latest": 3, "epoch": 3}
    evaluations = [event for event in events if isinstance(event, EvalCompleted)]
    assert [event.step for event in evaluations] == [10, 20, 30]
    assert evaluations[0].metrics["eval/hmean"] == 0.0
    assert [event.how for event in events if isinstance(event, WeightsLoaded)] == ["scratch"]


def test_recognition_run() -> None:
    """1 epoch of 20 steps, printed every 5: 4 progress lines with accuracy, one evaluation, one set of each kind."""
    events = events_of("rec_2.10.log")
    progress = [event for event in events if isinstance(event, TrainProgress)]
    assert [(event.step, event.metrics["train/loss"]) for event in progress] == [
        *((5, 88.279114), (10, 68.114468), (15, 47.799576), (20, 41.225222))
    ]
    assert progress[0].metrics["train/acc"] == 0.0
    saved = [(event.name, event.kind) for event in events if isinstance(event, CheckpointSaved)]
    assert saved == [("best_accuracy", "best"), ("latest", "latest"), ("iter_epoch_1", "epoch")]
    best = [event for event in events if isinstance(event, BestUpdated)]
    assert len(best) == 2
    assert best[0].best_epoch == 1


def test_good_runs_give_no_failure_away() -> None:
    """Nothing in a good run's log looks like a failure, and most lines outside the configuration are understood."""
    for name in ("det_2.10.log", "rec_2.10.log"):
        text = (LOGS / name).read_text(encoding="utf-8")
        assert find_failure(text) is None
        events = parse_lines(text.split("\n"))
        assert len({event.line for event in events if not isinstance(event, LogLine)}) >= 9
