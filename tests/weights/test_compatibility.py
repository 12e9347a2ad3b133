"""Whether a checkpoint fits the model that is to go on from it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from ocr_train.checkpoints.pickle_scan import Array
from ocr_train.errors import ConfigError
from ocr_train.weights.compatibility import (
    Fit,
    ModelToTrain,
    compare_layers,
    model_shapes,
    require_fit,
    require_some,
)
from tests.commands import environment

CONFIG: dict[str, Any] = {
    "Global": {"use_space_char": True},
    "Architecture": {
        "model_type": "rec",
        "Backbone": {"name": "MobileNetV3", "scale": 0.5},
        "Neck": {"hidden_size": 96},
        "Transform": None,
    },
}


def config(path: Path, **changes: Any) -> Path:
    """CONFIG as a file, with another Architecture.Neck or Global."""
    document = {**CONFIG, **{key: value for key, value in changes.items() if key == "Global"}}
    document["Architecture"] = {
        **CONFIG["Architecture"],
        **{key: value for key, value in changes.items() if key != "Global"},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def dictionary(path: Path, characters: str) -> Path:
    """One character a line."""
    path.write_text("".join(f"{character}\n" for character in characters), encoding="utf-8")
    return path


def model(tmp_path: Path, *, characters: str = "abc", script: str = "", **changes: Any) -> ModelToTrain:
    """A model whose trainer's interpreter is `script` (a shell's), or cannot build it."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script or 'exit 1'}\n")
    python.chmod(0o755)
    return ModelToTrain(
        config=config(tmp_path / "new.yml", **changes),
        dictionary=dictionary(tmp_path / "new.txt", characters),
        python=python,
        paddleocr=tmp_path,
        env=dict(os.environ),
    )


def fit(
    tmp_path: Path, new: ModelToTrain, characters: str = "abc", arrays: dict[str, Array] | None = None
) -> Fit:
    """How a checkpoint of CONFIG with these characters fits `new`."""
    return compare_layers(
        new,
        arrays=arrays or {},
        config=config(tmp_path / "old.yml"),
        dictionary=dictionary(tmp_path / "old.txt", characters),
    )


def test_the_same_model_fits_without_being_built(tmp_path: Path) -> None:
    """Seconds are spent only where something differs."""
    arrays = {"fc": Array(shape=(3, 5), dtype="f4")}
    new = model(tmp_path, script="echo built > built")
    assert fit(tmp_path, new, arrays=arrays) == Fit()
    assert not (tmp_path / "built").exists()


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ("abc", "abcd", "3 characters in the checkpoint's dictionary, 4 in .*; only here: 'd'"),
        ("abcd", "abc", "only there: 'd'"),
        ("abc", "acb", "line 2: 'b' there, 'c' here"),
        ("กข", "กค", "line 2: 'ข' there, 'ค' here"),
    ],
)
def test_dictionaries_are_compared_line_by_line(tmp_path: Path, there: str, here: str, words: str) -> None:
    """Order counts: each line is an output of the last layer."""
    found = fit(tmp_path, model(tmp_path, characters=here), there)
    with pytest.raises(ConfigError, match=words) as caught:
        require_fit(found, "run x")
    assert "weights_only=true" in caught.value.hint


def test_line_ends_and_a_missing_last_one_are_no_difference(tmp_path: Path) -> None:
    """PaddleOCR strips them."""
    new = model(tmp_path)
    assert new.dictionary is not None
    new.dictionary.write_bytes(b"a\r\nb\r\nc")
    assert fit(tmp_path, new).problems == ()


def test_keys_of_the_architecture_are_named_with_both_values(tmp_path: Path) -> None:
    """Also the space, which is one output more."""
    new = model(tmp_path, Neck={"hidden_size": 48}, Global={"use_space_char": False})
    assert fit(tmp_path, new).problems == (
        "Architecture.Neck.hidden_size is 96 in the checkpoint, 48 here",
        "Global.use_space_char is True in the checkpoint, False here",
    )


SHAPES = """echo noise; echo 'ANSWER {"fc": [3, 6], "conv": [8, 3], "new": [2]}'"""


def test_layers_are_compared_one_by_one_where_something_differs(tmp_path: Path) -> None:
    """Other sizes, missing ones, ones too many."""
    arrays = {
        "fc": Array(shape=(3, 5), dtype="f4"),
        "conv": Array(shape=(8, 3), dtype="f4"),
        "old": Array(shape=(), dtype="f4"),
    }
    found = fit(tmp_path, model(tmp_path, script=SHAPES, characters="abcd"), arrays=arrays)
    assert found.problems[1:] == (
        "layer fc: 3x5 in the checkpoint, 3x6 in the model",
        "layer new 2 is not in the checkpoint",
        "layer old scalar of the checkpoint is not in the model",
    )
    assert (found.layers_known, found.fitting) == (True, 1)
    assert "layer fc" in require_some(found, "run x")


def test_an_architecture_written_otherwise_fits_where_all_layers_do(tmp_path: Path) -> None:
    """A key with its default value is no other model."""
    arrays = {
        "fc": Array(shape=(3, 6), dtype="f4"),
        "conv": Array(shape=(8, 3), dtype="f4"),
        "new": Array(shape=(2,), dtype="f4"),
    }
    found = fit(tmp_path, model(tmp_path, script=SHAPES, Head={"name": "CTCHead"}), arrays=arrays)
    assert found.problems == ()


def test_the_weights_of_one_network_are_compared_with_that_network(tmp_path: Path) -> None:
    """`part` names it; which weights a network starts from is nothing that its architecture says."""
    new = model(tmp_path, script="""echo 'ANSWER {"Teacher.fc": [3], "Student.fc": [4]}'""")
    arrays = {"fc": Array(shape=(3,), dtype="f4")}
    found = compare_layers(new, arrays=arrays, config=None, dictionary=None, part="Teacher.")
    assert (found.problems, found.fitting) == ((), 1)
    found = fit(tmp_path, model(tmp_path, Backbone={"name": "MobileNetV3", "scale": 0.5, "pretrained": "/x"}))
    assert found == Fit()


def test_weights_of_another_architecture_are_refused_though_small_layers_fit(tmp_path: Path) -> None:
    """A scale here and a shift there have the same shape in many models."""
    new = model(tmp_path, script="""echo 'ANSWER {"conv": [9, 9], "scale": [1], "shift": [1]}'""")
    arrays = {name: Array(shape=(1,), dtype="f4") for name in ("scale", "shift")}
    found = compare_layers(new, arrays=arrays, config=None, dictionary=None)
    assert found.fitting == 2
    with pytest.raises(ConfigError, match=r"only 2\.4% of what the model needs is in the checkpoint run x"):
        require_some(found, "run x")


def test_weights_of_which_nothing_fits_are_refused(tmp_path: Path) -> None:
    """That is no fine-tuning."""
    arrays = {"x": Array(shape=(1,), dtype="f4")}
    found = fit(tmp_path, model(tmp_path, script=SHAPES, characters="abcd"), arrays=arrays)
    with pytest.raises(ConfigError, match="no layer of the checkpoint"):
        require_some(found, "run x")


@pytest.mark.parametrize("script", ["exit 1", "echo 'SHAPES'", "kill -9 $$"])
def test_an_interpreter_that_cannot_build_it_stops_nothing(tmp_path: Path, script: str) -> None:
    """It is said that the layers were not compared; the training itself will tell."""
    new = model(tmp_path, script=script)
    found = compare_layers(new, arrays={"x": Array(shape=(1,), dtype="f4")}, config=None, dictionary=None)
    assert found.problems == ()
    assert "could not be compared" in found.note


def test_an_interpreter_that_hangs_is_ended(tmp_path: Path) -> None:
    """With what it started."""
    new = model(tmp_path, script=f"sleep 600 & echo $! > {tmp_path}/sleeper; wait")
    assert model_shapes(new, timeout_s=1.5) == {}
    sleeper = int((tmp_path / "sleeper").read_text())
    gone, _ = psutil.wait_procs([psutil.Process(sleeper)] if psutil.pid_exists(sleeper) else [], timeout=10)
    assert not psutil.pid_exists(sleeper) or gone


def test_an_interpreter_does_not_outlive_us(tmp_path: Path) -> None:
    """The process that compares is killed (SIGKILL): what it started is gone within seconds."""
    new = model(
        tmp_path,
        script=f"echo $$ > {tmp_path}/builder.part; mv {tmp_path}/builder.part {tmp_path}/builder; sleep 600",
    )
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom ocr_train.weights.compatibility import ModelToTrain, model_shapes\n"
        "config, python, root = map(Path, sys.argv[1:])\n"
        "model_shapes(ModelToTrain(config=config, dictionary=None, python=python, paddleocr=root, env=os.environ))"
    )
    ours = subprocess.Popen(
        [sys.executable, "-c", script, str(new.config), str(new.python), str(new.paddleocr)],
        env=environment(),
    )
    try:
        deadline = time.monotonic() + 20
        while not (tmp_path / "builder").is_file():
            assert ours.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        builder = psutil.Process(int((tmp_path / "builder").read_text()))
        assert builder.is_running()
    finally:
        ours.kill()
        ours.wait()
    gone, _ = psutil.wait_procs([builder], timeout=10)
    assert gone


def test_python_of_the_tests_is_not_what_builds(tmp_path: Path) -> None:
    """A config that is no PaddleOCR's: the real script ends without an answer."""
    new = model(tmp_path)
    real = ModelToTrain(
        config=new.config, dictionary=None, python=Path(sys.executable), paddleocr=tmp_path, env=os.environ
    )
    assert compare_layers(
        real, arrays={"x": Array(shape=(1,), dtype="f4")}, config=None, dictionary=None
    ).note
