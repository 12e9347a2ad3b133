"""An experiment of one's own: another one, and what is different."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Experiment, Launch, load_experiment
from ocr_train.config.overrides import get_key
from ocr_train.errors import ConfigError


def load(folder: Path, text: str, *, name: str = "mine.yaml", **parameters: str) -> Experiment:
    """The experiment of a file with that text."""
    (folder / name).write_text(text, encoding="utf-8")
    return load_experiment(Launch(model=str(folder / name), **parameters), EXPERIMENTS)


def problem(folder: Path, text: str) -> str:
    """Why it is refused."""
    with pytest.raises(ConfigError) as refused:
        load(folder, text)
    return refused.value.problem


def test_a_base_alone_is_the_experiment_under_another_name(tmp_path: Path) -> None:
    """What is not said is as in the base, its dictionary and its demo set, too."""
    mine, base = load(tmp_path, "base: rec_th\n"), load_experiment(Launch(model="rec_th"), EXPERIMENTS)
    assert (mine.name, mine.task, mine.demo, mine.trainer) == ("mine", "rec", base.demo, base.trainer)
    assert (mine.freeze, mine.rate_batch, mine.dictionary_fixed) == (
        base.freeze,
        base.rate_batch,
        base.dictionary_fixed,
    )


def test_what_is_said_counts_over_the_base(tmp_path: Path) -> None:
    """Everyday numbers, single settings and keys; parameters count over all of them."""
    text = (
        "name: bills\nbase: det\nepochs: 7\nbatch_size: 3\nlearning_rate: 0.002\nfreeze: backbone\nseed: 5\n"
    )
    text += "overrides:\n  Global.print_batch_step: 3\n"
    mine = load(tmp_path, text, data="/data")
    assert (mine.name, mine.epochs, mine.batch_size, mine.seed) == ("bills", 7, 3, 5)
    assert get_key(mine.trainer, "Optimizer.lr.learning_rate") == 0.002
    assert get_key(mine.trainer, "Global.print_batch_step") == 3
    assert [str(rule) for rule in mine.freeze or ()] == ["backbone"]
    # A rate that somebody gave is meant as it is.
    assert mine.rate_batch is None
    assert load(tmp_path, text, data="/data", epochs="9").epochs == 9


def test_an_empty_key_is_not_said(tmp_path: Path) -> None:
    """As in a file whose lines were left empty."""
    assert load(tmp_path, "base: rec\nepochs:\ndictionary: ''\n", data="/d").epochs == 50


def test_a_dictionary_is_meant_from_its_own_file_on(tmp_path: Path) -> None:
    """Not from the base's folder."""
    assert load(tmp_path, "base: rec\ndictionary: data/dict.txt\n").dictionary == str(
        tmp_path / "data" / "dict.txt"
    )


def test_a_base_may_be_a_file_that_has_a_base(tmp_path: Path) -> None:
    """Its path is meant from the file on; single settings of both count."""
    load(tmp_path, "base: det\noverrides: {Global.print_batch_step: 3}\n", name="first.yaml")
    mine = load(tmp_path, "base: ./first.yaml\noverrides: {Global.save_epoch_step: 4}\n", data="/d")
    assert [get_key(mine.trainer, f"Global.{key}") for key in ("print_batch_step", "save_epoch_step")] == [
        3,
        4,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: dat\n", "Did you mean"),
        ("base: mine.yaml\n", "based on itself"),
        ("base: det\npaddleocr: {Global: {}}\n", "two whole configurations"),
        ("base: det\ntask: rec\n", "is for 'det'"),
        ("base: det\nepoch: 3\n", "unknown key 'epoch'"),
        ("base: det\noverrides: {Global.print_batch: 3}\n", "unknown key 'Global.print_batch'"),
        ("base: det\noverrides: 3\n", "`overrides` is not a mapping"),
        ("base: det\nepochs: many\n", "epochs"),
        ("base: det\nname: a/b\n", "without a slash"),
        ("name: a\n", "no `base:`"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path: Path, text: str, said: str) -> None:
    """With the file or the key that it is about."""
    assert said in problem(tmp_path, text)


def test_a_name_may_be_thai(tmp_path: Path) -> None:
    """As teams call their data."""
    assert load(tmp_path, "base: rec_th\nname: ป้ายทะเบียน รุ่น 2\n").name == "ป้ายทะเบียน รุ่น 2"
