"""The run above the trials in MLflow, in a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.compare.select import select_runs
from ocr_train.errors import ConfigError
from ocr_train.sweep.parent import ParentRun, make_parent, note_worker
from ocr_train.sweep.rows import Budget, TrialRow
from ocr_train.sweep.study import open_study
from tests.commands import artifacts, client, store
from tests.sweep.scene import make_plan

ROWS = [
    TrialRow(
        number=0, state="finished", values={"learning_rate": 0.2}, score=0.5, run_id="a" * 32, seconds=36.0
    ),
    TrialRow(number=1, state="pruned", values={"learning_rate": 0.4}, score=0.1, why="after epoch 1"),
]


def made(folder: Path, echo: Any = print, given: str = "") -> ParentRun:
    """A parent run in the store of `folder`."""
    return make_parent(
        client(store(folder)),
        make_plan(),
        folder,
        name="test",
        command="sweep",
        given=given,
        echo=echo,
        source={"mlflow.user": "somebody"},
    )


def test_the_parent_run_says_how_the_sweep_stands(store_folder: Path) -> None:
    """Figures by number of trials, the table in its description, files; then its end and why."""
    study = open_study(f"sqlite:///{store_folder / 'study.db'}", "test", make_plan())
    parent = made(store_folder)
    parent.begin()
    parent.show(ROWS, make_plan(), Budget(hourly_usd=2.0), study.study, text="a sweep of tests")
    parent.end("KILLED", reason="interrupted", why="the sweep was interrupted")
    run = client(store(store_folder)).get_run(parent.run_id)
    assert (run.info.status, run.info.run_name) == ("KILLED", "sweep-test")
    figures = ("best/acc", "trials/finished", "trials/pruned", "trials/failed", "cost/usd")
    assert [run.data.metrics[name] for name in figures] == [0.5, 1, 1, 0, pytest.approx(0.02)]
    assert run.data.params["space.learning_rate"] == "0 to 1"
    tags = run.data.tags
    assert (tags["failure_reason"], tags["best_trial"], tags["best_run"]) == ("interrupted", "0", "a" * 32)
    assert "| 0 | 0.5000 |" in tags["mlflow.note.content"]
    assert "heartbeat" in tags
    assert tags["mlflow.user"] == "somebody"
    files = set(artifacts(store(store_folder), parent.run_id))
    assert files == {"trials.csv", "trials.html", "history.png", "parallel_coordinates.png"}


def test_a_sweep_that_goes_on_has_not_ended(store_folder: Path) -> None:
    """RUNNING again, without the reason of the end before; the same run."""
    parent = made(store_folder)
    parent.begin()
    parent.end("KILLED", reason="interrupted", why="stopped")
    again = ParentRun(
        client=parent.client,
        run_id=parent.run_id,
        experiment_id=parent.experiment_id,
        folder=store_folder,
        echo=print,
    )
    again.begin()
    run = parent.client.get_run(parent.run_id)
    again.end("FINISHED")
    assert run.info.status == "RUNNING"
    assert "failure_reason" not in run.data.tags
    assert parent.client.get_run(parent.run_id).info.status == "FINISHED"


def test_trouble_with_the_server_is_said_once_and_ends_nothing(store_folder: Path) -> None:
    """The run was deleted meanwhile, or the server is away."""
    said: list[str] = []
    study = open_study(f"sqlite:///{store_folder / 'study.db'}", "test", make_plan())
    parent = made(store_folder, said.append)
    parent.client.delete_run(parent.run_id)
    parent.begin()
    parent.show(ROWS, make_plan(), Budget(), study.study, text="")
    parent.show(ROWS, make_plan(), Budget(), study.study, text="")
    parent.end("FINISHED")
    assert len(said) == 1
    assert said[0].startswith("the parent run cannot be brought up to date, the sweep goes on: ")


def test_the_run_that_mlflow_run_made_is_the_parent(store_folder: Path) -> None:
    """And that of a second worker says where the sweep is."""
    mlflow_client = client(store(store_folder))
    given = mlflow_client.create_run("0", run_name="bold-ant-12").info.run_id
    assert made(store_folder, given=given).run_id == given
    assert mlflow_client.get_run(given).data.tags["mlflow.runName"] == "sweep-test"
    worker = mlflow_client.create_run("0").info.run_id
    note_worker(mlflow_client, worker, given)
    assert mlflow_client.get_run(worker).data.tags["sweep_parent"] == given


def test_the_parent_is_no_training(store_folder: Path) -> None:
    """It is not compared, and no filter finds it."""
    parent = made(store_folder)
    with pytest.raises(ConfigError, match="holds a sweep"):
        select_runs(parent.client, [parent.run_id], filter_string="", experiments=[], limit=5)
