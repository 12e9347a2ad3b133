"""What a run and its data are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.parameters import Launch
from ocr_train.redaction.dataset_names import data_name
from ocr_train.training.run_name import LIMIT, dataset_name, run_name


def name_of(**launch: str) -> str:
    """The name of a launch's run."""
    return run_name(load_experiment(Launch(**launch), EXPERIMENTS))


@pytest.mark.parametrize(
    ("launch", "begins"),
    [
        ({"model": "rec_th"}, "rec_th-demo"),
        ({"model": "det", "data": "s3://bucket/receipts/"}, "det-receipts"),
        ({"model": "det", "data": "d", "resume": "latest"}, "det-d-resumed"),
        (
            {"data": "s3://b/wires.tar.gz", "batch_size": "8", "learning_rate": "0.001"},
            "det-wires-bs8-lr0.001",
        ),
        ({"freeze": "backbone", "epochs": "3", "cpus": "2"}, "det-demo-freeze-backbone-ep3-cpus2"),
        ({"overrides": "Optimizer.regularizer.factor=0.01 Global.print_batch_step=1"}, "det-demo-factor0.01"),
        ({"overrides": "Train.loader.num_workers=4"}, "det-demo"),
        ({"pretrained": "/models/old/best.pdparams"}, "det-demo-from-best.pdparams"),
    ],
)
def test_a_name_says_model_data_and_what_was_changed(launch: dict[str, str], begins: str) -> None:
    """Then when. Settings that change nothing about what is learnt are left out."""
    assert re.fullmatch(rf"{re.escape(begins)}-\d{{4}}-\d{{6}}", name_of(**launch))


def test_a_name_is_short_whatever_was_changed() -> None:
    """What does not fit is a plus sign."""
    overrides = " ".join(f"+Global.setting_{number}=value_{number}" for number in range(9))
    name = name_of(data="s3://bucket/" + "long_" * 20, overrides=overrides, batch_size="8")
    assert len(name) <= LIMIT
    assert "-bs8-" in name
    assert "-+-" in name


def test_a_secret_is_in_no_name() -> None:
    """Neither in that of the run nor in that of the data."""
    name = name_of(data="s3://bucket/p?token=hunter2secret", overrides="+Global.api_token=hunter2secret")
    assert "hunter2" not in name
    assert "hunter2" not in data_name("https://user:hunter2secret@host")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("s3://bucket/team/wires", "wires"),
        ("s3://bucket", "bucket"),
        ("/data/ใบเสร็จ 2026/", "ใบเสร_จ_2026"),
        ("words.tgz", "words"),
        ("pages.ZIP", "pages"),
        ("", "data"),
        ("..", "data"),
    ],
)
def test_data_are_called_after_where_they_come_from(source: str, name: str) -> None:
    """The folder, the archive or the end of the prefix."""
    assert data_name(source) == name


def test_the_demo_set_is_called_after_its_model(tmp_path: Path) -> None:
    """Each model has one of its own."""
    assert dataset_name(load_experiment(Launch(model="rec"), EXPERIMENTS)) == "demo-rec"
    own = load_experiment(Launch(model="rec", data=str(tmp_path / "wires")), EXPERIMENTS)
    assert dataset_name(own) == "wires"
