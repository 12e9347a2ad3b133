"""A sweep from its first trial to its last, with trainings that are stand-ins and a study that is real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ocr_train.checkpoints.manifest import CheckpointManifest
from ocr_train.sweep.database import open_storage
from ocr_train.sweep.dimensions import ChoiceList, NumberRange
from ocr_train.sweep.rows import Budget, best_first, counts, tried_rows
from ocr_train.sweep.settings import PrunerSettings, SamplerSettings
from ocr_train.sweep.study import SILENT_S
from tests.commands import REPO
from tests.sweep.scene import Scene, make_plan, when


@pytest.fixture(scope="module")
def empty_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of Optuna's: making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("optuna") / "study.db"
    open_storage(f"sqlite:///{path}").engine.dispose()
    return path


@pytest.fixture
def scene(tmp_path: Path, empty_study: Path) -> Scene:
    """A sweep of three trials."""
    shutil.copy(empty_study, tmp_path)
    return Scene(tmp_path)


def test_a_sweep_trains_as_often_as_it_may(scene: Scene) -> None:
    """Every trial is told what it belongs to; the best is known; a second start finds nothing to do."""
    end = scene.run()
    assert (end.status, end.code) == ("FINISHED", 0)
    assert counts(scene.rows()) == {"finished": 3}
    best = best_first(scene.rows())[0]
    assert (best.number, best.run_id) == (2, "run2")
    assert best.score == pytest.approx(0.3)
    tags = [entry["tags"] for entry in scene.log]
    assert [one["sweep_trial"] for one in tags] == ["0", "1", "2"]
    assert {one["mlflow.parentRunId"] for one in tags} == {"parent"}
    assert scene.log[0]["name"] == "test-trial-00"
    assert [len(rows) for rows in scene.parent.shown] == [1, 2, 3]
    assert scene.run().why == "the budget of 3 trials is used up"
    assert len(scene.log) == 3


def test_a_larger_budget_goes_on(scene: Scene) -> None:
    """It is counted over the study, not from each start."""
    scene.run()
    scene.budget = Budget(trials=4)
    scene.run()
    assert [row.number for row in scene.rows()] == [0, 1, 2, 3]


def test_a_hopeless_trial_is_pruned_and_says_why(scene: Scene) -> None:
    """By what others had at the same epoch; the base, epoch 0, is not compared."""
    scene.learn = lambda number: (
        {"scores": [0.6, 0.7]} if number == 0 else {"scores": [0.1, 0.8], "then": "finish", "pause_s": 20}
    )
    scene.budget = Budget(trials=2)
    end = scene.run()
    assert end.status == "FINISHED"
    good, bad = scene.rows()
    assert (good.state, good.scores) == ("finished", {1: 0.6, 2: 0.7})
    assert (bad.state, bad.reason, bad.code, bad.score) == ("pruned", "pruned", 7, 0.1)
    assert bad.why == "after epoch 1 acc 0.1, the median of the other trials is 0.6"
    assert any(line.startswith("trial 1: pruned after epoch 1 acc 0.1, the median") for line in scene.said)


def test_no_trial_is_pruned_in_its_first_epochs(scene: Scene) -> None:
    """As many as `warmup` says."""
    scene.plan = make_plan(pruner=PrunerSettings(startup=1, warmup=1))
    scene.learn = lambda number: {"scores": [0.6, 0.7]} if number == 0 else {"scores": [0.1, 0.8]}
    scene.budget = Budget(trials=2)
    scene.run()
    assert counts(scene.rows()) == {"finished": 2}


def test_a_trial_that_fails_is_one_of_many(scene: Scene) -> None:
    """The sweep goes on; what was wrong is in the table."""
    scene.learn = lambda number: {"scores": [0.5], **({"then": "oom"} if number == 1 else {})}
    end = scene.run()
    assert end.status == "FINISHED"
    failed = scene.rows()[1]
    assert (failed.state, failed.reason, failed.code) == ("failed", "cuda_oom", 6)
    assert failed.why == "The GPU ran out of memory."


def test_a_sweep_whose_first_trials_all_fail_alike_stops(scene: Scene) -> None:
    """With their reason and exit code: the others would fail, too."""
    scene.learn = lambda number: {"scores": [0.5], "then": "config"}
    scene.budget = Budget(trials=20)
    end = scene.run()
    assert (end.status, end.reason, end.code) == ("FAILED", "config_error", 2)
    assert "the model is unknown." in end.why
    assert len(scene.rows()) == 3
    scene.learn = lambda number: {"scores": [0.5]}
    scene.budget = Budget(trials=4)
    assert scene.run().status == "FINISHED"


def test_trials_that_fail_for_different_reasons_do_not_end_it(scene: Scene) -> None:
    """Nothing says that the next one would."""
    scene.learn = lambda number: {"scores": [0.5], "then": ["oom", "config", "oom", "finish"][number]}
    scene.budget = Budget(trials=4)
    assert scene.run().status == "FINISHED"
    assert counts(scene.rows()) == {"failed": 3, "finished": 1}


def test_a_sweep_without_a_finished_trial_has_failed(scene: Scene) -> None:
    """It says with what."""
    scene.learn = lambda number: {"scores": [0.5], "then": "oom"}
    scene.budget = Budget(trials=1)
    end = scene.run()
    assert (end.status, end.reason, end.code) == ("FAILED", "cuda_oom", 6)


def test_ctrl_c_stops_the_trial_and_the_same_command_goes_on_with_it(scene: Scene) -> None:
    """The same values again, and not one trial more than asked for; the interrupted one is not shown twice."""
    scene.learn = lambda number: {"scores": [0.5], "then": "hold" if number == 1 else "finish"}
    beside = threading.Thread(
        target=when, args=(lambda: len(scene.log) == 2, lambda: setattr(scene.stop, "number", signal.SIGINT))
    )
    beside.start()
    end = scene.run()
    beside.join()
    assert (end.status, end.reason, end.code) == ("KILLED", "interrupted", 130)
    interrupted = scene.rows()[1]
    assert (interrupted.state, interrupted.code) == ("interrupted", 130)
    assert counts(scene.rows()) == {"finished": 1, "interrupted": 1}
    scene.stop.number = None
    assert scene.run().status == "FINISHED"
    rows = scene.rows()
    again = rows[2]
    assert again.values == interrupted.values
    assert again.scores == {1: 0.5}
    assert [row.number for row in tried_rows(rows)] == [0, 2, 3]
    assert counts(rows) == {"finished": 3}


def test_a_trial_that_was_interrupted_after_its_last_epoch_is_finished_and_not_trained_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last checkpoint is stored: `train` would say that nothing is left to train."""
    scene.learn = lambda number: {"scores": [0.5, 0.6, 0.4], "then": "hold" if number == 0 else "finish"}
    scene.budget = Budget(trials=1)
    stop = threading.Thread(
        target=when,
        args=(
            lambda: any(row.scores == {1: 0.5, 2: 0.6, 3: 0.4} for row in scene.rows()),
            lambda: setattr(scene.stop, "number", signal.SIGINT),
        ),
    )
    stop.start()
    scene.run()
    stop.join()
    scene.stop.number = None
    last = CheckpointManifest(step=9, epoch=3, kind="latest", metrics={}, files=())
    monkeypatch.setattr("ocr_train.sweep.work.find", lambda artifacts, which: last)
    assert scene.run().status == "FINISHED"
    assert len(scene.log) == 1
    (found,) = tried_rows(scene.rows())
    assert (found.state, found.score, found.run_id) == ("finished", 0.6, "run0")


def test_a_budget_of_money_ends_the_trial_that_runs(scene: Scene) -> None:
    """It is kept as it is, and goes on when there is more."""
    scene.learn = lambda number: {"scores": [0.5], "then": "hold"}
    scene.budget = Budget(usd=0.5 / 3600, hourly_usd=1.0)
    end = scene.run()
    assert (end.status, end.why) == (
        "FINISHED",
        "the budget of 0.000138889 USD is used up before a trial has finished",
    )
    assert scene.rows()[0].state == "budget"
    assert scene.rows()[0].seconds >= 0.5
    scene.budget = Budget(trials=1)
    scene.learn = lambda number: {"scores": [0.5]}
    assert scene.run().status == "FINISHED"
    assert counts(scene.rows()) == {"finished": 1}


def test_a_training_that_is_killed_is_tried_again_but_not_for_ever(scene: Scene) -> None:
    """The third time it counts as failed."""
    scene.learn = lambda number: {"scores": [0.5], "then": "kill" if number < 3 else "finish"}
    scene.budget = Budget(trials=2)
    scene.run()
    rows = scene.rows()
    assert [row.state for row in rows] == ["lost", "lost", "failed", "finished"]
    assert {row.values["learning_rate"] for row in rows[:3]} == {rows[0].values["learning_rate"]}
    assert counts(rows) == {"failed": 1, "finished": 1}


WORKER = """
import sys, time
from pathlib import Path
from ocr_train.sweep.rows import Budget
from tests.sweep.scene import Scene
scene = Scene(Path(sys.argv[1]), url=sys.argv[2], budget=Budget(trials=int(sys.argv[3])))
scene.learn = lambda number: {"scores": [0.5], "pause_s": float(sys.argv[5]), "then": sys.argv[4]}
study = scene.open()
print("ready", flush=True)
print(scene.run(study).status, flush=True)
"""


def worker(folder: Path, url: str, trials: int, *, then: str = "finish", pause_s: float = 0.1) -> Any:
    """Another process that works on the study."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), url, str(trials), then, str(pause_s)],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_trial_whose_sweep_was_killed_is_tried_again(scene: Scene) -> None:
    """SIGKILL in the middle of it: its training is ended, too, and the same values are the next trial."""
    killed = worker(scene.folder, f"sqlite:///{scene.folder / 'study.db'}", 3, then="hold")
    try:
        when(lambda: len(scene.log) == 1, killed.kill)
        killed.communicate()
    finally:
        killed.kill()
    # As good as what the killed one may have reported by then: none is pruned.
    scene.learn = lambda number: {"scores": [0.5]}
    assert scene.run().status == "FINISHED"
    rows = scene.rows()
    assert (rows[0].state, rows[0].reason) == ("lost", "tracker_lost")
    assert rows[1].values == rows[0].values
    assert counts(rows) == {"finished": 3}
    assert not Path(f"/proc/{scene.log[0]['pid']}").exists()


def test_two_processes_share_the_trials_of_a_study(scene: Scene) -> None:
    """Started together: one study, as many trials as asked for in all, none with the values of another."""
    share_trials(scene, f"sqlite:///{scene.folder / 'study.db'}")


def share_trials(scene: Scene, url: str) -> None:
    """Two workers on six trials."""
    both = [worker(scene.folder, url, 6, pause_s=0.3) for _ in range(2)]
    said = [one.communicate(timeout=100)[0] for one in both]
    assert [text.splitlines()[-1] for text in said] == ["FINISHED"] * 2, said
    scene.url = url
    rows = scene.rows()
    assert counts(rows) == {"finished": 6}
    assert len({row.values["learning_rate"] for row in tried_rows(rows)}) == 6
    assert len(scene.log) == 6


def test_a_grid_is_tried_once_and_then_over(scene: Scene) -> None:
    """All combinations, whatever the budget says."""
    grid = (
        NumberRange(name="learning_rate", low=0.1, high=0.3, step=0.1),
        ChoiceList(name="freeze", texts=("backbone", "none")),
    )
    scene.plan = make_plan(dimensions=grid, sampler=SamplerSettings(name="grid"))
    scene.budget = Budget(trials=scene.plan.grid_size)
    scene.run()
    tried = {(row.values["learning_rate"], row.values["freeze"]) for row in tried_rows(scene.rows())}
    assert tried == {(rate, freeze) for rate in (0.1, 0.2, 0.3) for freeze in ("backbone", "none")}
    assert {launch.freeze for launch in scene.launches} == {"backbone", "none"}


def test_the_same_seed_draws_the_same_values_in_pieces_too(
    scene: Scene, tmp_path: Path, empty_study: Path
) -> None:
    """A sweep that was interrupted goes on with the values that it would have had."""
    scene.run()
    other = Scene(tmp_path, url=f"sqlite:///{tmp_path / 'other.db'}")
    shutil.copy(empty_study, tmp_path / "other.db")
    for trials in (1, 3):
        other.budget = Budget(trials=trials)
        other.run()
    values = [[row.values for row in one.rows()] for one in (scene, other)]
    assert values[0] == values[1]
    assert len({row["learning_rate"] for row in values[0]}) == 3


def test_a_trial_of_a_silent_machine_is_taken_back_after_a_while(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody here can look at its processes; what counts is whether its sign of life changes."""
    study = scene.open()
    trial = study.ask(3)
    assert trial is not None
    study.beat(trial.number, holder=["another machine", 1, 1.0], seconds=5.0)
    looking = scene.open()
    assert list(looking.orphans()) == []
    assert looking.unsure()
    study.beat(trial.number, seconds=35.0)
    assert not looking.unsure()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + SILENT_S + 1)
    assert [row.number for row, _ in looking.orphans()] == [trial.number]
