"""Which layers stay as they are, and for how long."""

from __future__ import annotations

import pytest

from ocr_train.config.fine_tune import FreezeRule
from ocr_train.errors import ConfigError
from ocr_train.trainer.freeze import FreezePlan, plan_freeze

LAYERS = ("backbone.conv.weight", "backbone.bn._mean", "neck.conv.weight", "head.fc.weight", "head.thresh.w")


def plan(*rules: FreezeRule, new: tuple[str, ...] = (), **settings: float) -> FreezePlan:
    """By these rules."""
    return plan_freeze(rules, LAYERS, new=new, freeze_bn=False, total_steps=1000, rate=0.001, **settings)


def test_a_name_stands_for_all_that_begins_with_it() -> None:
    """For ever, or for a number of steps; what stays for ever is not said twice."""
    found = plan(FreezeRule(pattern="backbone"), FreezeRule(pattern="head.fc", all_but=True, steps=50))
    assert found.frozen == ("backbone.bn._mean", "backbone.conv.weight")
    assert dict(found.until) == {"neck.conv.weight": 50, "head.thresh.w": 50}
    assert str(found) == "2 of 5 layers stay as they are, 2 more stay so for the first 50 steps"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (FreezeRule(pattern="bakbone"), "no layer of the model is called 'bakbone'"),
        (FreezeRule(pattern="*"), "no layer would be trained"),
    ],
)
def test_a_rule_without_sense_is_refused(rule: FreezeRule, said: str) -> None:
    """Before the training, not after it."""
    with pytest.raises(ConfigError, match=said):
        plan(rule)


def test_new_layers_warm_up_by_themselves() -> None:
    """The others do not move meanwhile, so that what is random cannot ruin them; a short training warms up shortly."""
    found = plan_freeze(None, LAYERS, new=["head.thresh.w"], freeze_bn=True, total_steps=1000, rate=0.0001)
    assert found.warm == ("head.thresh.w",)
    assert {steps for _, steps in found.until} == {50} == {found.warm_steps}
    assert found.warm_factor == pytest.approx(30)
    assert "head.thresh.w" not in dict(found.until)
    short = plan_freeze(None, LAYERS, new=["head.thresh.w"], freeze_bn=False, total_steps=60, rate=0.01)
    assert (short.warm_steps, short.warm_factor) == (12, 1)


def test_nothing_is_frozen_where_nothing_is_new_or_all_is() -> None:
    """A training from nothing has nothing to keep."""
    settings = {"freeze_bn": False, "total_steps": 1000, "rate": 0.001}
    assert not plan_freeze(None, LAYERS, new=(), **settings)  # type: ignore[arg-type]
    assert not plan_freeze(None, LAYERS, new=LAYERS, **settings)  # type: ignore[arg-type]
    assert not plan_freeze((), LAYERS, new=LAYERS[:1], **settings)  # type: ignore[arg-type]


def test_the_script_is_told_where_the_run_stands() -> None:
    """After a resume the steps of before count."""
    document = plan(FreezeRule(pattern="neck", steps=50)).job(done=20)
    assert (document["until"], document["done"]) == ({"neck.conv.weight": 50}, 20)


def test_what_starts_from_nothing_is_not_frozen() -> None:
    """A rule that fits it keeps what has been learnt; a random layer has nothing to keep."""
    found = plan(FreezeRule(pattern="backbone"), new=("backbone.conv.weight",))
    assert found.frozen == ("backbone.bn._mean",)
