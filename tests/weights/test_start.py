"""What a configuration itself names to start from."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.errors import ConfigError, DataError
from ocr_train.weights.compatibility import ModelToTrain
from ocr_train.weights.start import WHOLE, Weights, clear_pretrained, find_named, screen_named, settle
from tests.builders import write_checkpoint

EVIL = b"cos\nsystem\n(S'true'\ntR."


@pytest.mark.parametrize("ending", ["", ".pdparams"])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: {"Global": {"pretrained_model": path}},
        lambda path: {"Architecture": {"Models": {"Teacher": {"pretrained": path}}}},
        lambda path: {"Architecture": {"Backbone": {"checkpoints": path}}},
    ],
    ids=["Global", "distillation", "backbone"],
)
def test_pretrained_weights_are_screened(tmp_path: Path, make: Any, ending: str) -> None:
    """PaddleOCR loads them with pickle as it does a checkpoint."""
    prefix = write_checkpoint(tmp_path / "pretrained")
    screen_named(make(f"{prefix}{ending}"))
    Path(f"{prefix}.pdparams").write_bytes(EVIL)
    with pytest.raises(DataError, match=r"os\.system"):
        screen_named(make(f"{prefix}{ending}"))


@pytest.mark.parametrize("value", [None, "", True, "https://host/weights.pdparams"])
def test_what_is_no_file_here_is_not_looked_at(value: Any) -> None:
    """What is at an address is screened where it is fetched; PaddleOCR says what it cannot find."""
    screen_named({"Global": {"pretrained_model": value}})


def write_weights(path: Path, *layers: str, size: int = 3) -> Path:
    """A .pdparams file with these layers."""
    path.write_bytes(pickle.dumps({name: np.zeros(size, np.float32) for name in layers}, protocol=4))
    return path


def model_with(tmp_path: Path, layers: str) -> ModelToTrain:
    """A model with these layers, in JSON: the interpreter only knows how to write weights anew."""
    python = tmp_path / "python"
    python.write_text(
        f"#!/bin/sh\nif [ $2 = adapt ]; then exec {sys.executable} \"$@\"; fi\necho 'ANSWER {layers}'\n"
    )
    python.chmod(0o755)
    config = tmp_path / "config.yml"
    config.write_text(yaml.safe_dump({"Global": {}, "Architecture": {"model_type": "rec"}}))
    return ModelToTrain(config=config, dictionary=None, python=python, paddleocr=tmp_path, env=os.environ)


def test_weights_that_fit_partly_are_told_before_training(tmp_path: Path) -> None:
    """A line for people and a tag, as for weights_only; PaddleOCR only warns, among thousands of lines."""
    path = write_weights(tmp_path / "w.pdparams", "conv", "head")
    said: list[str] = []
    config = {"Global": {"pretrained_model": str(tmp_path / "w")}}
    model = model_with(tmp_path, '{"conv": [3], "head": [4]}')
    settled = settle(config, model, tmp_path / "out", said.append, known={})
    assert said == [
        f"weights: 1 of 2 layers taken from {path}; left out: head (1), which starts from nothing",
        f"not taken over from {path}: layer head: 3 in the checkpoint, 4 in the model",
    ]
    assert settled.tags == {"weights_left_out": said[1], "weights_taken": "", "pretrained": str(path)}
    assert (settled.new, settled.usable) == (["head"], False)
    assert [entry["from_nothing"] for entry in settled.report] == [["head"]]
    assert config["Global"]["pretrained_model"] == str(tmp_path / "w")


@pytest.mark.parametrize("layers", [("other",), ()])
def test_weights_of_which_no_layer_fits_start_no_training(tmp_path: Path, layers: tuple[str, ...]) -> None:
    """It would be one from scratch that says otherwise."""
    path = write_weights(tmp_path / "w.pdparams", *layers)
    with pytest.raises(ConfigError, match="no layer"):
        settle(
            {"Global": {"pretrained_model": str(path)}},
            model_with(tmp_path, '{"conv": [3]}'),
            tmp_path,
            print,
            known={},
        )


def test_a_network_of_a_distillation_becomes_a_file_of_its_own(tmp_path: Path) -> None:
    """Its layers are named as the model's are, and the configuration names the new file; the old one stays."""
    path = write_weights(tmp_path / "best_accuracy.pdparams", "Student.conv", "Student.head", "Teacher.conv")
    said: list[str] = []
    config = {"Global": {"pretrained_model": "/replaced/by/a/resume"}}
    given = Weights(path=path, arrays=screen(path), source="run 7")
    model = model_with(tmp_path, '{"conv": [3], "head": [3]}')
    settled = settle(config, model, tmp_path / "out", said.append, known={WHOLE: given})
    taken_over = "of run 7 the network Student is taken: its layers fit"
    assert said == [taken_over, "weights: 2 of 2 layers taken from run 7"]
    assert settled.tags["weights_taken"] == taken_over
    assert settled.usable
    taken = Path(config["Global"]["pretrained_model"])
    assert taken.parent == tmp_path / "out"
    assert {name: array.shape for name, array in screen(taken).items()} == {"conv": (3,), "head": (3,)}


def test_weights_of_one_network_are_compared_with_that_one(tmp_path: Path) -> None:
    """Architecture.Models.Teacher.pretrained: PaddleOCR loads it while it builds the model."""
    path = write_weights(tmp_path / "teacher.pdparams", "conv", size=4)
    config = {"Architecture": {"Models": {"Teacher": {"pretrained": str(path)}}}}
    model = model_with(tmp_path, '{"Teacher.conv": [4], "Student.conv": [3]}')
    assert not any(settle(config, model, tmp_path, print, known={}).tags.values())
    write_weights(path, "conv", size=5)
    with pytest.raises(ConfigError, match="no layer"):
        settle(config, model, tmp_path, print, known={})


def test_a_checkpoint_to_go_on_from_needs_no_other_weights() -> None:
    """Every layer is in it: what the configuration names need not even be there any more."""
    config = {
        "Global": {"pretrained_model": "/gone"},
        "Architecture": {"Models": {"Teacher": {"pretrained": "https://host/t.pdparams", "scale": 1}}},
    }
    clear_pretrained(config)
    assert config == {
        "Global": {"pretrained_model": None},
        "Architecture": {"Models": {"Teacher": {"pretrained": None, "scale": 1}}},
    }


def test_an_address_that_a_resume_replaces_is_not_asked(tmp_path: Path) -> None:
    """With weights_only the whole model's come from a checkpoint."""
    config = {"Global": {"pretrained_model": "http://127.0.0.1:1/w.pdparams"}}
    assert find_named(config, tmp_path, tmp_path, print, whole=False) == {}
    with pytest.raises(ConfigError, match=WHOLE):
        find_named(config, tmp_path, tmp_path, print)
