"""What a trial measured, and what follows from it; the trial itself is a training, which is tested elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Experiment, load_experiment
from ocr_train.config.parameters import Launch
from ocr_train.doctor.trial import (
    TrialResult,
    estimate_rows,
    evaluations_per_epoch,
    measured,
    spell_duration,
    trial_argv,
    trial_config,
)
from ocr_train.errors import TrainingFailed

LINE = (
    "[2026/11/22 12:27:57] ppocr INFO: epoch: [1/1], global_step: {step}, lr: 0.001000, loss: 1.0, "
    "avg_reader_cost: 0.1 s, avg_batch_cost: {cost} s, avg_samples: 16.0, ips: 5.3 samples/s, eta: 0:00:01"
)
EVALUATED = "[2026/11/22 12:27:58] ppocr INFO: cur metric, acc: 0.5, norm_edit_dis: 0.6, fps: 20.0"


def lines(*costs: float) -> list[str]:
    """A log of steps that took so many seconds, and of an evaluation."""
    return [*(LINE.format(step=step, cost=cost) for step, cost in enumerate(costs, start=1)), EVALUATED]


def experiment(**launch: str) -> Experiment:
    """The recogniser on data of 1,600 samples."""
    return load_experiment(Launch(model="rec", data="/data", batch_size="16", **launch), EXPERIMENTS)


def test_the_first_steps_do_not_count() -> None:
    """They load libraries: seconds a sample are those of the others, and all before is the start."""
    found = measured(lines(9.0, 5.0, 3.0, 5.0), processes=1, seconds=30.0)
    assert found == TrialResult(
        seconds_per_sample=0.25, evaluation_s_per_sample=0.05, start_s=8.0, batch=16, steps=2
    )


def test_processes_share_the_samples() -> None:
    """The log is that of one of them."""
    found = measured(lines(1.0, 1.0, 4.0), processes=2, seconds=30.0)
    assert (found.seconds_per_sample, found.batch) == (0.125, 32)


def test_a_log_without_enough_steps_is_no_measurement() -> None:
    """Rather none than one that is wrong."""
    with pytest.raises(TrainingFailed, match=r"logged 2 step\(s\)"):
        measured(lines(1.0, 1.0), processes=1, seconds=3.0)


def test_the_estimate_is_for_the_whole_training() -> None:
    """1,600 samples at a quarter of a second, 20 to evaluate each epoch, 10 epochs, 2 dollars an hour."""
    trial = TrialResult(seconds_per_sample=0.25, evaluation_s_per_sample=0.05, start_s=5.0, batch=16, steps=4)
    (row,), found = estimate_rows(
        experiment(epochs="10", hourly_usd="2"),
        trial,
        train=1600,
        val=20,
        processes=1,
        machines=1,
        about=False,
    )
    assert found is not None
    assert (found.step_s, found.epoch_s, found.total_s) == (4.0, 401.0, 4015.0)
    assert found.usd == pytest.approx(2 * 4015 / 3600)
    assert "4 s a step; 7 min an epoch of 100 steps" in row.found
    assert "67 min for 10 epochs; 2.23 USD at 2 an hour" in row.found


def test_without_a_count_there_is_only_a_speed() -> None:
    """As with an archive that nobody has opened yet."""
    trial = TrialResult(seconds_per_sample=0.25, evaluation_s_per_sample=0.0, start_s=5.0, batch=16, steps=4)
    (row,), found = estimate_rows(experiment(), trial, train=0, val=0, processes=1, machines=1, about=True)
    assert found is None
    assert row.found.startswith("0.25 s a sample")


def test_the_trial_loads_nothing_and_logs_each_step(tmp_path: Path) -> None:
    """And is not tracked anywhere."""
    wanted = experiment(pretrained="PP-OCRv4_mobile_rec")
    config = trial_config(wanted.trainer)
    assert config["Global"]["pretrained_model"] is None
    assert config["Global"]["print_batch_step"] == 1
    assert wanted.trainer["Global"]["pretrained_model"] == "PP-OCRv4_mobile_rec"
    argv = trial_argv(wanted, tmp_path / "c.yml", tmp_path, tmp_path)
    assert {"--offline=true", "--export=false", "--evaluation-images=0"} <= set(argv)


@pytest.mark.parametrize(
    ("settings", "each"),
    [
        ({"eval_batch_epoch": 2, "epoch_num": 10}, 0.5),
        ({"eval_batch_step": [0, 50], "epoch_num": 10}, 2.0),
        ({"eval_batch_step": 400, "epoch_num": 10}, 0.25),
        ({"eval_batch_step": [0, 5000], "epoch_num": 10}, 1.0),
    ],
)
def test_evaluations_are_counted_as_they_will_come(settings: dict[str, object], each: float) -> None:
    """An interval that would never come is one epoch."""
    assert evaluations_per_epoch({"Global": settings}, 100) == each


def test_durations_are_told_as_people_tell_them() -> None:
    """Seconds, minutes, hours."""
    assert [spell_duration(seconds) for seconds in (45, 720, 12060)] == ["45 s", "12 min", "3 h 21 min"]
