"""What a run is called and told before anything is known of its data."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.for_training import Dataset
from ocr_train.training.record import first_tags, say_rare_characters


def tags(**launch: str) -> dict[str, str]:
    """Those of a launch."""
    return first_tags(load_experiment(Launch(**launch), EXPERIMENTS))


@pytest.mark.parametrize(("model", "metric"), [("det", "best/hmean"), ("rec", "best/acc")])
def test_a_run_names_its_main_score(model: str, metric: str) -> None:
    """What runs of the model are compared by."""
    assert tags(model=model)["primary_metric"] == metric


def test_a_run_says_what_an_hour_costs() -> None:
    """Only where somebody said so."""
    assert tags(hourly_usd="1.50")["hourly_usd"] == "1.5"
    assert tags()["hourly_usd"] == ""


def test_the_description_has_the_launch_command_in_a_line_that_wraps() -> None:
    """A block of code would make MLflow's page wider than the window."""
    said = tags(overrides="Global.print_batch_step=5 Train.loader.num_workers=2")["mlflow.note.content"]
    line = said.splitlines()[-1]
    assert line.startswith("Launched with: `")
    assert " -m ocr_train train --model det " in line
    assert line.endswith("`")


def test_characters_that_no_training_line_has_are_said(tmp_path: Path) -> None:
    """Of the user's own data: the demo set was drawn from the dictionary."""
    (tmp_path / "dict.txt").write_text("a\nb\nc\n")
    (tmp_path / "train.txt").write_text("1.jpg\tab\n" * 5)
    (tmp_path / "val.txt").write_text("2.jpg\tc\n")
    said: list[str] = []
    dataset = cast(
        Dataset,
        SimpleNamespace(
            dictionary=tmp_path / "dict.txt", train=tmp_path / "train.txt", val=tmp_path / "val.txt"
        ),
    )
    say_rare_characters(load_experiment(Launch(model="rec"), EXPERIMENTS), dataset, said.append)
    assert said == []
    say_rare_characters(load_experiment(Launch(model="rec", data="d"), EXPERIMENTS), dataset, said.append)
    assert said == [
        "characters: 1 of the 3 characters of the dictionary stand in no training line: c",
        "characters: 1 characters of validation texts stand in no training line: c",
    ]


def test_a_run_says_who_started_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow's own start of a run does; a run of `mlflow run` has it already."""
    monkeypatch.setenv("LOGNAME", "somchai")
    said = tags(model="rec")
    assert (said["mlflow.user"], said["mlflow.source.type"], said["mlflow.source.name"]) == (
        "somchai",
        "LOCAL",
        "ocr_train",
    )
    commit = said["mlflow.source.git.commit"]
    assert commit.startswith(said["git_commit"].removesuffix("-dirty")[-7:]) or not commit
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert not {key for key in tags() if key.startswith(("mlflow.source", "mlflow.user"))}
