"""What has changed between a run and the one that goes on from it, and when two starts are the same training."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ocr_train.config.overrides import set_key
from ocr_train.resume.drift import config_digest, drift, say_drift

CONFIG: dict[str, Any] = {
    "Global": {
        "epoch_num": 4,
        "use_gpu": False,
        "save_model_dir": "/a/trainer",
        "character_dict_path": "/a/dict.txt",
        "eval_batch_step": [0, 10],
    },
    "Optimizer": {"lr": {"learning_rate": 0.001}},
    "Train": {
        "dataset": {"data_dir": "/a", "transforms": [{"DecodeImage": {"img_mode": "BGR"}}, {"RecAug": None}]},
        "loader": {"batch_size_per_card": 8, "num_workers": 2},
    },
}


def changed(**keys: Any) -> dict[str, Any]:
    """CONFIG with other values; `__` stands for a dot."""
    config = deepcopy(CONFIG)
    for key, value in keys.items():
        set_key(config, key.replace("__", "."), value)
    return config


def test_old_and_new_values_by_key() -> None:
    """In transforms by the operator's name."""
    new = changed(
        Optimizer__lr__learning_rate=0.0005, Train__dataset__transforms__DecodeImage__img_mode="RGB"
    )
    assert drift(CONFIG, new) == {
        "Optimizer.lr.learning_rate": {"old": 0.001, "new": 0.0005},
        "Train.dataset.transforms.DecodeImage.img_mode": {"old": "BGR", "new": "RGB"},
    }
    assert say_drift(drift(CONFIG, new)).startswith("Optimizer.lr.learning_rate 0.001 -> 0.0005; Train.")


def test_what_one_of_them_lacks_is_left_out_there() -> None:
    """A key that is new has no old value; None and absent are the same to PaddleOCR."""
    new = changed(Optimizer__lr__warmup_epoch=2, Optimizer__lr__name=None)
    assert drift(CONFIG, new) == {"Optimizer.lr.warmup_epoch": {"new": 2}}
    assert drift(new, CONFIG) == {"Optimizer.lr.warmup_epoch": {"old": 2}}


@pytest.mark.parametrize(
    "keys",
    [
        {"Global__save_model_dir": "/b/trainer"},
        {"Global__checkpoints": "/b/resume/model"},
        {"Global__use_gpu": True},
        {"Train__dataset__data_dir": "/b"},
        {"Global__character_dict_path": "/b/dict.txt"},
    ],
)
def test_paths_and_the_machine_are_no_drift(keys: dict[str, Any]) -> None:
    """They differ between any two runs."""
    assert drift(CONFIG, changed(**keys)) == {}


@pytest.mark.parametrize("keys", [{"Global__save_model_dir": "/b"}, {"Train__loader__num_workers": 8}])
def test_paths_and_speed_are_the_same_training(keys: dict[str, Any]) -> None:
    """A spot instance starts on another machine."""
    assert config_digest(changed(**keys), None) == config_digest(CONFIG, None)


@pytest.mark.parametrize(
    "keys", [{"Global__epoch_num": 5}, {"Optimizer__lr__learning_rate": 0.1}, {"Global__seed": 3}]
)
def test_anything_else_is_another_training(keys: dict[str, Any]) -> None:
    """resume=auto must not go on with it."""
    assert config_digest(changed(**keys), None) != config_digest(CONFIG, None)


def test_another_dictionary_is_another_training(tmp_path: Path) -> None:
    """Its content counts, not its path."""
    paths = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    for path, text in zip(paths, ("a\nb\n", "a\nb\n", "a\nc\n"), strict=True):
        path.write_text(text)
    one, same, other = (config_digest(CONFIG, path) for path in paths)
    assert one == same
    assert one != other
