"""Weights written anew so that they fit: planned here, done by the trainer's interpreter."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from ocr_train.checkpoints.pickle_scan import Array, screen
from ocr_train.weights.adapt import adapt, plan_adaptation
from ocr_train.weights.compatibility import ModelToTrain


def model(folder: Path, shapes: str, characters: str = "") -> ModelToTrain:
    """A model with layers of these shapes (JSON); its interpreter is this one where weights are written."""
    python = folder / "python"
    python.write_text(
        f"#!/bin/sh\nif [ $2 = adapt ]; then exec {sys.executable} \"$@\"; fi\necho 'ANSWER {shapes}'\n"
    )
    python.chmod(0o755)
    config = folder / "config.yml"
    config.write_text(yaml.safe_dump({"Global": {"use_space_char": False}}))
    dictionary = write_dictionary(folder / "new.txt", characters) if characters else None
    return ModelToTrain(config=config, dictionary=dictionary, python=python, paddleocr=folder, env=os.environ)


def write_dictionary(path: Path, characters: str) -> Path:
    """One character a line."""
    path.write_text("".join(f"{one}\n" for one in characters), encoding="utf-8")
    return path


def of_networks(*heads: str) -> dict[str, Array]:
    """The layers of a distillation's checkpoint; those of "Teacher." are of another size."""
    return {
        f"{head}.{name}": Array(shape=(*shape, 9) if head == "Teacher" else shape, dtype="f4")
        for head in heads
        for name, shape in (("fc", (3, 6)), ("conv", (8, 3)), ("new", (2,)))
    }


NETWORK = '{"fc": [3, 6], "conv": [8, 3], "new": [2]}'


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, "Student."),
        ({"Student.fc": (3, 7)}, "Student2."),
        ({"fc": (3, 6), "conv": (8, 3), "new": (2,)}, ""),
    ],
    ids=["the first", "the one that fits", "as it is"],
)
def test_of_several_networks_the_one_that_fits_is_taken(
    tmp_path: Path, change: dict[str, tuple[int, ...]], taken: str
) -> None:
    """A distillation's checkpoint names its layers "Student.fc", "Teacher.fc"; names that fit are not cut."""
    arrays = of_networks("Teacher", "Student", "Student2")
    arrays |= {name: Array(shape=shape, dtype="f4") for name, shape in change.items()}
    plan = plan_adaptation(arrays, model(tmp_path, NETWORK), dictionary=None)
    assert plan.prefix == taken
    assert plan.notes("run 7") == (
        [f"of run 7 the network {taken.rstrip('.')} is taken: its layers fit"] if taken else []
    )


def test_rows_are_carried_over_by_character_and_new_ones_start_from_the_mean(tmp_path: Path) -> None:
    """With another order, one character more and a layer that is called otherwise."""
    weights = tmp_path / "old.pdparams"
    rows = np.array([[9, 1, 2, 3], [8, 4, 5, 6]], np.float32)
    bias = np.array([7, 10, 20, 30], np.float32)
    values = {"head.ctc_head.fc.weight": rows, "head.ctc_head.fc.bias": bias, "neck.x": bias[:1]}
    weights.write_bytes(pickle.dumps(values, protocol=4))
    to = model(tmp_path, '{"head.fc.weight": [2, 5], "head.fc.bias": [5], "neck.x": [1]}', "cabd")
    plan = plan_adaptation(screen(weights), to, dictionary=write_dictionary(tmp_path / "old.txt", "abc"))
    adapt(weights, plan, to, tmp_path / "new.pdparams")
    # What we wrote ourselves.
    found = pickle.loads((tmp_path / "new.pdparams").read_bytes())  # noqa: S301
    assert found["head.fc.weight"].tolist() == [[9, 3, 1, 2, 2], [8, 6, 4, 5, 5]]
    assert found["head.fc.bias"].tolist() == [7, 30, 10, 20, 20]
    assert found["neck.x"].tolist() == [7]
    assert plan.notes("run 7") == [
        "another dictionary than that of run 7: 3 characters keep what the weights know of them, 1 are new ('d'), "
        "0 of the weights' are not in the dictionary"
    ]


def test_what_fits_already_is_not_written_anew(tmp_path: Path) -> None:
    """The file that was given is the one that is loaded."""
    arrays = {name: Array(shape=shape, dtype="f4") for name, shape in {"fc": (3, 6), "conv": (8, 3)}.items()}
    to = model(tmp_path, NETWORK, "ab")
    assert not plan_adaptation(arrays, to, dictionary=write_dictionary(tmp_path / "old.txt", "ab")).changes
