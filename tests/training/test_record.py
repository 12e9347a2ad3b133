"""What a run is called and told before anything is known of its data."""

from __future__ import annotations

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.training.record import first_tags, run_name


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


@pytest.mark.parametrize(
    ("launch", "begins"),
    [
        ({"model": "rec_th"}, "rec_th-demo-"),
        ({"model": "det", "data": "s3://bucket/receipts/"}, "det-receipts-"),
        ({"model": "det", "data": "d", "resume": "latest"}, "det-d-resumed-"),
    ],
)
def test_a_run_name_says_model_and_data(launch: dict[str, str], begins: str) -> None:
    """And that it goes on from another; then when."""
    assert run_name(load_experiment(Launch(**launch), EXPERIMENTS)).startswith(begins)
