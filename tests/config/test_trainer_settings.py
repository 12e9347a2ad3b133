"""Everyday numbers go where they are read; what PaddleOCR would stumble over is refused before anything starts."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Experiment, Launch, load_experiment
from ocr_train.config.overrides import get_key
from ocr_train.config.trainer_settings import settle_batch, settle_rate
from ocr_train.errors import ConfigError

SAMPLER = {"name": "MultiScaleSampler", "scales": [[320, 32], [320, 48]], "first_bs": 96, "fix_bs": False}
PIECEWISE = {"name": "Piecewise", "decay_epochs": [10], "values": [0.001, 0.0001], "learning_rate": 0.5}


def config_of(sampler: Any = None, rate: Any = None) -> dict[str, Any]:
    """A small PaddleOCR configuration."""
    train: dict[str, Any] = {"dataset": {"name": "SimpleDataSet"}, "loader": {"batch_size_per_card": 128}}
    if sampler is not None:
        train["sampler"] = deepcopy(sampler)
    return {"Train": train, "Optimizer": {"lr": deepcopy(rate) or {"learning_rate": 0.1}}}


def load(overrides: str = "", **launch: str) -> Experiment:
    """The experiment `rec` with these overrides."""
    return load_experiment(Launch(model="rec", overrides=overrides, **launch), EXPERIMENTS)


def refused(overrides: str, **launch: str) -> str:
    """What is said of overrides that are not taken."""
    with pytest.raises(ConfigError) as caught:
        load(overrides, **launch)
    assert caught.value.exit_code == 2
    return caught.value.problem


def test_batch_size_goes_to_the_sampler_too() -> None:
    """The loader's is read by nothing then, but shows what is used."""
    config = config_of(SAMPLER)
    assert settle_batch(config, 16, []) == []
    assert config["Train"]["sampler"]["first_bs"] == 16
    assert config["Train"]["loader"]["batch_size_per_card"] == 16


def test_the_params_hold_the_samplers_batch_size() -> None:
    """PaddleOCR's files name two numbers, of which one is used."""
    config = config_of(SAMPLER)
    settle_batch(config, None, [])
    assert config["Train"]["loader"]["batch_size_per_card"] == 96


def test_an_override_of_the_sampler_outweighs_batch_size() -> None:
    """As overrides do everywhere."""
    config = config_of({**SAMPLER, "first_bs": 32})
    assert settle_batch(config, 4, ["Train.sampler.first_bs"]) == []
    assert config["Train"]["sampler"]["first_bs"] == 32
    assert config["Train"]["loader"]["batch_size_per_card"] == 32


def test_an_override_that_a_sampler_passes_over_is_a_problem() -> None:
    """It would have no effect at all."""
    (problem,) = settle_batch(config_of(SAMPLER), None, ["Train.loader.batch_size_per_card"])
    assert "has no effect: Train.sampler (MultiScaleSampler) makes the batches" in problem
    assert "Train.sampler.first_bs=N" in problem


def test_batch_size_with_an_unknown_sampler_is_a_problem() -> None:
    """Nobody knows where it would have to go."""
    config = config_of({"name": "RatioSampler"})
    assert settle_batch(config, None, []) == []
    (problem,) = settle_batch(config, 16, [])
    assert "RatioSampler" in problem
    assert config["Train"]["loader"]["batch_size_per_card"] == 128


def test_an_empty_sampler_is_none() -> None:
    """PaddleOCR asks only whether the key is there: `Train.sampler=` would end it with an AttributeError."""
    config = config_of({})
    assert settle_batch(config, 16, []) == []
    assert "sampler" not in config["Train"]
    assert config["Train"]["loader"]["batch_size_per_card"] == 16


def test_a_rate_that_piecewise_does_not_read_is_a_problem() -> None:
    """It takes its rates from `values`; a number in the params would be a lie."""
    for chosen, named in ((0.02, []), (None, ["Optimizer.lr.learning_rate"])):
        (problem,) = settle_rate(config_of(rate=PIECEWISE), chosen, named)
        assert "learning_rate has no effect" in problem
        assert "Optimizer.lr.values" in problem


def test_an_unread_rate_is_not_among_the_params() -> None:
    """One that stands in the file beside Piecewise goes."""
    config = config_of(rate=PIECEWISE)
    assert settle_rate(config, None, []) == []
    assert "learning_rate" not in config["Optimizer"]["lr"]


def test_one_cycle_takes_the_rate_as_its_peak() -> None:
    """That is what it calls it."""
    config = config_of(rate={"name": "OneCycle", "max_lr": 0.1, "learning_rate": 0.5})
    assert settle_rate(config, 0.02, []) == []
    assert config["Optimizer"]["lr"] == {"name": "OneCycle", "max_lr": 0.02}


@pytest.mark.parametrize("values", [None, [], 0.1])
def test_piecewise_needs_a_value_more_than_epochs(values: object) -> None:
    """PaddleOCR would end with a traceback."""
    (problem,) = settle_rate(config_of(rate={**PIECEWISE, "values": values}), None, [])
    assert "value more than epochs" in problem


def test_piecewise_in_an_override_is_seen() -> None:
    """The command of the case: the rate is refused, and without it the run is as asked."""
    overrides = (
        "Optimizer.lr.name=Piecewise Optimizer.lr.decay_epochs=[10,20] Optimizer.lr.values=[0.1,0.01,0.001]"
    )
    assert "learning_rate has no effect" in refused(overrides, data="d", learning_rate="0.02")
    assert get_key(load(overrides, data="d").trainer, "Optimizer.lr.learning_rate", None) is None


def test_an_interval_in_steps_that_was_asked_for_counts() -> None:
    """The experiment evaluates each epoch, which PaddleOCR would go by; where both are asked for, so it does."""
    asked = "Global.eval_batch_step=[0,70]"
    assert get_key(load("", data="d").trainer, "Global.eval_batch_epoch") == 1
    assert get_key(load(asked, data="d").trainer, "Global.eval_batch_epoch") is None
    both = load(f"{asked} Global.eval_batch_epoch=2", data="d").trainer
    assert get_key(both, "Global.eval_batch_epoch") == 2


@pytest.mark.parametrize(
    "setting",
    [
        "Global.eval_batch_step=[0,0]",
        "Global.eval_batch_step=[0,-5]",
        "Global.eval_batch_step=0",
        "Global.eval_batch_step=[0,true]",
        "Global.eval_batch_step=[0,1.5]",
        "Global.eval_batch_step=[10]",
        "Global.eval_batch_epoch=-1",
        "Global.eval_batch_epoch=0",
        "Global.save_epoch_step=0",
        "Global.save_epoch_step=-3",
        "Global.print_batch_step=0",
        "Global.print_batch_step=-1",
        "Global.log_smooth_window=0",
        "Global.calc_epoch_interval=0",
        "Train.dataset.ratio_list=[2.0]",
        "Train.dataset.ratio_list=[-1]",
        "Train.dataset.ratio_list=[]",
        "Train.dataset.ratio_list=0",
        "Eval.dataset.ratio_list=half",
    ],
)
def test_a_number_that_paddleocr_would_stumble_over_is_refused_at_once(setting: str) -> None:
    """By its key, with what to give in its place; PaddleOCR divides by it, hours later."""
    said = refused(setting)
    assert setting.partition("=")[0] in said
    assert ": give" in said


@pytest.mark.parametrize(
    "setting",
    [
        "Global.eval_batch_step=[-12,5]",
        "Global.eval_batch_step=500",
        "Global.eval_batch_epoch=2",
        "Train.dataset.ratio_list=[0.1,1.0]",
        "Train.dataset.ratio_list=1",
    ],
)
def test_numbers_that_mean_something_are_taken(setting: str) -> None:
    """A negative start is what the config.yml of a resumed run has."""
    assert load(setting)


@pytest.mark.parametrize(
    ("sampler", "more", "said"),
    [
        ("scales: [[4, 4]], first_bs: 8", "", "cannot make batches"),
        ("scales: [[320, 32]], first_bs: 0", "", "Train.sampler.first_bs is 0"),
        ("scales: [[320, 32]]", "+Train.dataset.ds_width=true", "Train.dataset.ds_width needs the size"),
    ],
)
def test_a_sampler_that_would_fail_is_refused(sampler: str, more: str, said: str) -> None:
    """Before anything starts."""
    assert said in refused(f"'+Train.sampler={{name: MultiScaleSampler, {sampler}}}' {more}", data="d")
