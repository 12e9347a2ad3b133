"""Parameters as a plain dictionary."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.errors import ConfigError
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.configuration import changed_settings, launch_with, parameters, show_configuration
from tests.notebook.conftest import Shown


def test_what_was_chosen_becomes_parameters(tmp_path: Path) -> None:
    """Only what was given; PARAMETERS count over the other choices."""
    choices = Choices(model="rec", epochs="3", parameters={"epochs": "5", "seed": "1"}, folder=tmp_path)
    assert parameters(choices) == {"model": "rec", "epochs": "5", "seed": "1"}


def test_a_parameter_that_does_not_exist_names_the_nearest() -> None:
    """Before anything starts."""
    with pytest.raises(ConfigError, match="Did you mean 'epochs'"):
        launch_with({"model": "det", "epoch": "3"})


def test_what_differs_from_the_experiment_is_shown(choices: Choices, shown: Shown) -> None:
    """With both values, and the whole configuration as YAML; what the demo set changes is among it."""
    show_configuration(choices, {"model": "det", "learning_rate": 0.0002})
    assert "Optimizer.lr.learning_rate  0.0005  0.0002" in shown.text
    assert "Global.epoch_num  100  6" in shown.text
    assert "algorithm: DB" in shown.html


def test_no_secret_is_shown(choices: Choices, shown: Shown) -> None:
    """Settings may hold one."""
    show_configuration(choices, {"model": "det", "overrides": "+Global.api_token=hunter2hunter2"})
    assert "hunter2hunter2" not in shown.html + shown.text


def test_only_what_is_not_the_same_is_a_difference() -> None:
    """New and removed settings are."""
    assert changed_settings({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 3}}) == [
        ("a.c", "2", ""),
        ("a.d", "", "3"),
    ]
