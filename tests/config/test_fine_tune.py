"""What a fine-tune is asked for: weights, layers that stay, the learning rate."""

from __future__ import annotations

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Experiment, Launch, load_experiment
from ocr_train.config.fine_tune import FreezeRule, is_of_a_run, parse_freeze, scale_rate
from ocr_train.config.overrides import get_key
from ocr_train.errors import ConfigError

RUN_ID = "0123456789abcdef0123456789abcdef"


def load(**launch: str) -> Experiment:
    """The experiment of a launch with data."""
    return load_experiment(Launch(**{"model": "rec", "data": "somewhere", **launch}), EXPERIMENTS)


def weights(**launch: str) -> object:
    """What the trainer's configuration names to start from."""
    return get_key(load(**launch).trainer, "Global.pretrained_model", None)


def test_the_weights_are_those_of_the_experiment_the_parameter_or_the_overrides() -> None:
    """In this order; `none` means from nothing."""
    assert weights() == "PP-OCRv4_mobile_rec"
    assert weights(pretrained="/w/mine.pdparams") == "/w/mine.pdparams"
    assert weights(pretrained="/w/mine", overrides="Global.pretrained_model=/w/other") == "/w/other"
    assert weights(pretrained="none") is None
    assert weights(model="rec_mv3_none_bilstm_ctc") is None
    assert weights(model="rec_mv3_none_bilstm_ctc", pretrained="/w/mine") == "/w/mine"


@pytest.mark.parametrize("value", [RUN_ID, f"{RUN_ID}:best", "models:/ocr-rec/3", "s3://bucket/x", "latest"])
def test_a_checkpoint_of_a_run_is_taken_as_resume_takes_it(value: str) -> None:
    """Its weights only: `pretrained` never continues a training."""
    assert is_of_a_run(value)
    experiment = load(pretrained=value)
    assert (experiment.resume, experiment.weights_only) == (value, True)
    assert get_key(experiment.trainer, "Global.pretrained_model", None) is None


def test_two_checkpoints_to_start_from_are_one_too_many() -> None:
    """Nobody could say which counts."""
    with pytest.raises(ConfigError, match="both name a checkpoint"):
        load(pretrained=RUN_ID, resume="latest")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", None),
        ("none", ()),
        ("backbone", (FreezeRule(pattern="backbone"),)),
        ("all-but-head:200", (FreezeRule(pattern="head", all_but=True, steps=200),)),
        (
            "backbone.blocks*, neck:50",
            (FreezeRule(pattern="backbone.blocks*"), FreezeRule(pattern="neck", steps=50)),
        ),
    ],
)
def test_rules_say_what_stays_and_how_long(text: str, rules: object) -> None:
    """Nothing said is something else than `none`: new layers may warm up."""
    problems: list[str] = []
    assert parse_freeze(text, problems) == rules
    assert problems == []


def test_a_rule_that_cannot_be_read_is_a_problem_with_an_example() -> None:
    """With the others of the configuration, before anything is fetched."""
    with pytest.raises(ConfigError, match=r"freeze: 'back bone' is no rule: .* all-but-head:200"):
        load(freeze="back bone")


@pytest.mark.parametrize(
    ("batch", "devices", "rate", "said"),
    [
        (16, 1, 0.001, "learning rate: 0.001, for batches of 16"),
        (4, 1, 0.0005, "learning rate: 0.0005 (0.001 for batches of 16, scaled to 4)"),
        (16, 4, 0.002, "learning rate: 0.002 (0.001 for batches of 16, scaled to 64)"),
    ],
)
def test_the_rate_of_an_experiment_is_scaled_to_the_real_batch(
    batch: int, devices: int, rate: float, said: str
) -> None:
    """By the square root, over all devices, and said in one line."""
    config = {
        "Optimizer": {"lr": {"learning_rate": 0.001}},
        "Train": {"loader": {"batch_size_per_card": batch}},
    }
    assert scale_rate(config, 16, devices) == said
    assert get_key(config, "Optimizer.lr.learning_rate") == rate


@pytest.mark.parametrize(
    "launch", [{"learning_rate": "0.01"}, {"overrides": "Optimizer.lr.learning_rate=0.01"}]
)
def test_a_rate_that_was_given_is_taken_as_it_is(launch: dict[str, str]) -> None:
    """Whoever names a rate means it."""
    assert load(**launch).rate_batch is None
    assert load().rate_batch == 16
