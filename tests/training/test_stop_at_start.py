"""A stop that comes while the run is made: there is no moment in which MLflow is not told of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.parameters import Launch
from ocr_train.errors import ConfigError
from ocr_train.tracking.tracker import Tracker
from ocr_train.trainer.stop_signals import StopFlag, StopRequested
from ocr_train.training import pipeline
from ocr_train.training.services import Services
from tests.commands import all_runs, client, store

pytestmark = pytest.mark.filterwarnings("ignore")


def unused(*_: object) -> Any:
    """What nobody comes to."""
    raise AssertionError


def services(folder: Path, stop: StopFlag) -> Services:
    """Those of a training that is stopped before it looks at anything."""
    return Services(
        client=client(store(folder)),
        probe=unused,
        fetch=unused,
        backup=unused,
        echo=lambda _: None,
        stop=stop,
        started=time.monotonic(),
    )


def train(folder: Path, stop: StopFlag, **launch: str) -> None:
    """A training in `folder`."""
    experiment = load_experiment(Launch(model="rec", **launch), EXPERIMENTS)
    pipeline.train(experiment, folder / "outputs", services(folder, stop))


@pytest.mark.parametrize("moment", ["while MLflow makes it", "when its folder is there"])
def test_a_stop_while_the_run_is_made_is_told_in_it(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The signal comes after the run is RUNNING and before anything waits for a stop: it is KILLED, with the reason,
    on the server and in run.json."""
    start = Tracker.start

    def stopped(*arguments: Any, **options: Any) -> Tracker:
        if moment == "while MLflow makes it":
            os.kill(os.getpid(), signal.SIGTERM)
        tracker = start(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        return tracker

    monkeypatch.chdir(store_folder)
    monkeypatch.setattr(Tracker, "start", stopped)
    flag = StopFlag()
    with flag.installed(), pytest.raises(StopRequested):
        train(store_folder, flag)
    (run,) = all_runs(store(store_folder))
    assert (run.info.status, run.data.tags["failure_reason"]) == ("KILLED", "terminated")
    (facts,) = (store_folder / "outputs").glob("*/run.json")
    assert '"KILLED"' in facts.read_text(encoding="utf-8")


def test_a_long_look_at_the_data_can_be_stopped(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With resume=auto the data are looked at before there is a run: the stop is at once, and no run is made."""

    def look(*_: object) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")

    monkeypatch.chdir(store_folder)
    monkeypatch.setattr(pipeline, "look_at_data", look)
    flag = StopFlag()
    with flag.installed(), pytest.raises(StopRequested):
        train(store_folder, flag, resume="auto", resume_mode="same")
    assert not all_runs(store(store_folder))


def test_after_a_run_that_could_not_be_made_a_stop_is_at_once_again(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hold ends with the failure."""

    def refused(*_: Any, **__: Any) -> Tracker:
        raise ConfigError("no")

    monkeypatch.setattr(Tracker, "start", refused)
    flag = StopFlag()
    with flag.installed():
        with pytest.raises(ConfigError):
            train(store_folder, flag)
        with pytest.raises(StopRequested):
            os.kill(os.getpid(), signal.SIGTERM)
