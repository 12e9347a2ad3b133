"""Shares of several label files: each is kept for the file that it is meant for, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.cli.transfer import fetch_for_training
from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.for_training import Dataset, prepare
from ocr_train.data.ratios import files_by_share
from ocr_train.errors import DataError

FILES = (Path("/d/train_real.txt"), Path("/d/train_synthetic.txt"))


def prepared(tmp_path: Path, said: list[str], overrides: str, *, val: bool = True) -> Dataset:
    """8 real words and 4 synthetic ones, prepared with these overrides."""
    folder = tmp_path / "words"
    make_demo(folder, DemoSpec(task="rec", train=12, val=4))
    lines = (folder / "train.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "train.txt").unlink()
    (folder / "train_real.txt").write_text("".join(lines[:8]), encoding="utf-8")
    (folder / "train_synthetic.txt").write_text("".join(lines[8:]), encoding="utf-8")
    if not val:
        (folder / "val.txt").unlink()
    experiment = load_experiment(
        Launch(model="rec", data=str(folder), overrides=overrides, val="0.5"), EXPERIMENTS
    )
    return prepare(
        experiment.data_request,
        tmp_path / "run",
        tmp_path / "cache",
        fetch=fetch_for_training,
        echo=said.append,
    )


def test_each_label_file_keeps_its_share(tmp_path: Path) -> None:
    """One file for each source, by its name, and the whole set in one besides; the run says what an epoch takes."""
    said: list[str] = []
    data = prepared(tmp_path, said, "Train.dataset.ratio_list=[0.25,1.0]")
    assert [(part.path.name, part.samples) for part in data.train_parts] == [
        ("train_real.txt", 8),
        ("train_synthetic.txt", 4),
    ]
    parts = b"".join(part.path.read_bytes() for part in data.train_parts)
    assert parts == data.train.read_bytes()
    assert (
        "data: ratio_list: an epoch takes 2 of 8 from train_real.txt, 4 of 4 from train_synthetic.txt" in said
    )
    assert [part.path for part in data.val_parts] == [data.val]


def test_what_is_split_off_is_in_no_part(tmp_path: Path) -> None:
    """Validation samples stay out of training, whatever file they came from."""
    data = prepared(tmp_path, [], "Train.dataset.ratio_list=[0.25,1.0]", val=False)
    trained = b"".join(part.path.read_bytes() for part in data.train_parts).splitlines()
    held = data.val.read_bytes().splitlines()
    assert len(trained) + len(held) == 12
    assert not set(trained) & set(held)
    assert sum(part.samples for part in data.train_parts) == len(trained) == data.train_samples


@pytest.mark.parametrize("ratios", ["0.5", "[0.5]", "[0.5,0.5,0.5]"])
def test_one_share_for_all_needs_one_file(tmp_path: Path, ratios: str) -> None:
    """However often it is written."""
    data = prepared(tmp_path, [], f"Train.dataset.ratio_list={ratios}")
    assert [part.path for part in data.train_parts] == [data.train]


def test_shares_for_other_files_than_there_are_are_refused(tmp_path: Path) -> None:
    """With both numbers and the names."""
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, [], "Train.dataset.ratio_list=[0.1,0.2,1.0]")
    assert "Train.dataset.ratio_list has 3 shares, [0.1, 0.2, 1.0]" in caught.value.problem
    assert "2 label file(s) for them: train_real.txt, train_synthetic.txt" in caught.value.problem
    assert "ratio_list=1.0" in caught.value.hint


@pytest.mark.parametrize(
    ("named", "order"),
    [
        (["./a/train_synthetic.txt", "./b/train_real.txt"], [1, 0]),
        (["./a/train_real.txt", "./b/train_synthetic.txt"], [0, 1]),
        (["./a/x.txt", "./b/y.txt"], [0, 1]),
        (None, [0, 1]),
        (["train_real.txt"], [0, 1]),
    ],
)
def test_the_configurations_own_file_names_tell_whose_share_it_is(named: Any, order: list[int]) -> None:
    """Where they are others, the order of the names decides."""
    dataset = {"ratio_list": [0.1, 1.0], "label_file_list": named}
    assert files_by_share(dataset, FILES, "ratio_list") == tuple(FILES[index] for index in order)
