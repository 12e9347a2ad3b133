"""The command `sweep`: what it refuses, and how it goes on."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from ocr_train.cli import sweep as sweep_command
from ocr_train.sweep import trial as trial_module
from ocr_train.trainer.supervision import MessageLink, supervised_environment
from tests.cli_run import command
from tests.commands import artifacts, client, ocr_train_here, only_run, store, train_arguments
from tests.sweep.scene import Scene

SPACE = "model: rec\ntrain: {epochs: 3}\nspace: {learning_rate: {low: 0.001, high: 0.1, log: true}}\n"


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """A space file."""
    path = tmp_path / "space.yaml"
    path.write_text(SPACE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "how long is it to last?"),
        (["--trials", "0"], "trials: '0' is too small"),
        (["--usd", "3"], "what does an hour cost?"),
        (["--trials", "3", "--register", "a/b"], "register: "),
        (["--trials", "3", "--storage", "somewhere"], "is not the address of a database"),
        (["--trials", "3", "--study", "../x"], "its name is that of a folder"),
        (["--trials", "3", "--epochs", "x"], "epochs: 'x' is not a whole number"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    space: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    """Exit code 2."""
    ran = command(capsys, "sweep", "--space", space, "--output", space.parent / "outputs", *options)
    assert ran.code == 2
    assert said in ran.err
    assert not list(space.parent.glob("outputs/*/*/study.db"))


def test_the_whole_way_of_a_sweep(store_folder: Path, monkeypatch: pytest.MonkeyPatch, space: Path) -> None:
    """Words for people, the answer for machines, the parent run; again, with another space, and with a larger budget."""
    scene = Scene(store_folder, learn=lambda number: {"scores": [0.1 * number, 0.5]})
    monkeypatch.setattr(trial_module, "training_argv", scene._argv)
    options: list[str | Path] = ["sweep", "--space", space, "--hourly-usd", "3.6", "--json", "-", "--trials"]
    done = ocr_train_here(*options, "2", cwd=store_folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["counts"], answer["metric"], answer["status"]) == ({"finished": 2}, "acc", "FINISHED")
    assert "trial 0: acc 0.5000 after epoch 2" in done.stderr
    assert "the budget of 2 trials is used up; 2 finished" in done.stderr
    train = next(line.split(maxsplit=2)[2] for line in done.stderr.splitlines() if "train it " in line)
    assert train == answer["best_command"]
    assert "--model rec --epochs 3 --learning-rate 0.0" in train
    assert "--export" not in train
    parent = client(store(store_folder)).get_run(answer["parent_run"])
    assert (parent.info.status, parent.data.metrics["best/acc"]) == ("FINISHED", 0.5)
    assert "trials.html" in artifacts(store(store_folder), parent.info.run_id)
    again = ocr_train_here(*options, "3", cwd=store_folder)
    assert json.loads(again.stdout)["parent_run"] == answer["parent_run"]
    assert "so far       2 finished" in again.stderr
    space.write_text(SPACE.replace("0.1,", "0.2,"), encoding="utf-8")
    other = ocr_train_here(*options, "4", cwd=store_folder)
    assert other.returncode == 2
    assert "space.learning_rate: 0.001 to 0.1, log before, 0.001 to 0.2, log now" in other.stderr
    assert "--study NAME" in other.stderr


def test_a_password_is_in_no_command_that_is_printed() -> None:
    """The address is there without it."""
    given = {"model": "rec", "storage": "postgresql://me:secretsecret@host/db", "trials": "3"}
    said = sweep_command.again(given)
    assert "secretsecret" not in said
    assert said.endswith("sweep --model rec --storage 'postgresql://***@host/db' --trials 3")


@pytest.mark.slow
def test_a_training_that_is_pruned_is_killed_and_keeps_its_checkpoints(
    store_folder: Path, data: Path
) -> None:
    """Exit code 7; the run has the tags that it was given, and says calmly why."""
    ours, theirs = socket.socketpair()
    link = MessageLink(ours)
    told: dict[str, Any] = {"stop": {"reason": "pruned", "why": "after epoch 1 acc 0.1, the median is 0.6"}}
    link.send(told)
    env = supervised_environment(
        theirs, name="test-trial-03", tags={"sweep": "test", "mlflow.parentRunId": "p"}
    )
    theirs.detach()
    done = ocr_train_here(
        *train_arguments(data, "--export", "false"), cwd=store_folder, env={**env, "SCRIPTED_PAUSE_S": "0.6"}
    )
    sent = link.received()
    link.close()
    assert done.returncode == 7, done.stdout + done.stderr
    assert "KILLED after" in done.stderr
    assert "pruned: after epoch 1 acc 0.1, the median is 0.6." in done.stderr
    run = only_run(store(store_folder))
    assert (run.info.status, run.info.run_name) == ("KILLED", "test-trial-03")
    assert (run.data.tags["failure_reason"], run.data.tags["sweep"]) == ("pruned", "test")
    assert sent[0]["run"]["run_id"] == run.info.run_id
    assert sent[-1] == {"ended": {"status": "KILLED", "reason": "pruned"}}
