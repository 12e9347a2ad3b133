"""A configuration is fitted to a machine without a GPU, where that changes no result."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from ocr_train.trainer.device import Device
from ocr_train.trainer.fit_to_cpu import EVAL_BATCH, WORKER_KEYS, fit_to_cpu

CPU = Device(gpus=(), note="")
CONFIG: dict[str, Any] = {
    "Train": {"loader": {"num_workers": 8}},
    "Eval": {
        "dataset": {"transforms": [{"RecResizeImg": {"image_shape": [3, 48, 320]}}]},
        "loader": {"num_workers": 4, "batch_size_per_card": 64},
    },
}


def fitted(device: Device = CPU, *, cpus: int = 2, given: tuple[str, ...] = ()) -> tuple[dict[str, Any], str]:
    """The configuration afterwards, and what was said."""
    config = deepcopy(CONFIG)
    said = fit_to_cpu(config, device, cpus=cpus, given=given)
    return config, said


def test_no_more_processes_load_than_there_are_cpus() -> None:
    """They would take turns with the trainer; and the line says what was changed."""
    config, said = fitted()
    assert (config["Train"]["loader"]["num_workers"], config["Eval"]["loader"]["num_workers"]) == (2, 2)
    assert "for 2 CPU(s): Train.loader.num_workers=2 instead of 8" in said


def test_processes_that_train_share_the_cpus() -> None:
    """Each loads its own share of a batch."""
    config, _ = fitted(Device(gpus=(), note="", cpus=2), cpus=4)
    assert config["Train"]["loader"]["num_workers"] == 2


def test_evaluation_takes_as_many_crops_as_the_cache_holds() -> None:
    """Four of 48x320, as a served model."""
    config, said = fitted()
    assert config["Eval"]["loader"]["batch_size_per_card"] == 4
    assert f"{EVAL_BATCH}=4 instead of 64" in said


def test_what_the_launch_names_stays() -> None:
    """Whoever gives a number means it."""
    config, said = fitted(given=(*WORKER_KEYS, EVAL_BATCH))
    assert (config, said) == (CONFIG, "")


def test_a_gpu_keeps_its_batches() -> None:
    """The CPUs have nothing else to do there than to load."""
    assert fitted(Device(gpus=(0,), note="")) == (CONFIG, "")


@pytest.mark.parametrize("transforms", [[{"DetResizeForTest": None}], []])
def test_pages_of_any_size_keep_their_batch(transforms: list[Any]) -> None:
    """A size that the configuration does not say."""
    config = deepcopy(CONFIG)
    config["Eval"]["dataset"]["transforms"] = transforms
    fit_to_cpu(config, CPU, cpus=8, given=())
    assert config["Eval"]["loader"]["batch_size_per_card"] == 64
