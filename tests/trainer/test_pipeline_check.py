"""Trying the data pipeline: what would hang a training is named before it starts."""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.config.experiment import Launch, load_experiment
from ocr_train.config.overrides import set_key
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.errors import DataError, SetupError
from ocr_train.trainer import paddleocr as paddle
from ocr_train.trainer.device import Device
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.pipeline_check import (
    SCRIPT,
    PipelineCheck,
    SampleFailure,
    check_pipeline,
    require_working,
)
from tests.commands import REPO

PYTHON = Path(sys.executable)

OPERATORS = '''
import os, signal, time

class Pass:
    def __init__(self, **settings):
        pass
    def __call__(self, data):
        return data

class Refuse(Pass):
    """Raises for labels that hold its word."""
    def __init__(self, word="", **settings):
        self.word = word
    def __call__(self, data):
        if self.word in data["label"]:
            raise ValueError("the label is %s\\nmore is said at\\n  https://example.org" % data["label"])
        return data

class DropLabelEncode(Refuse):
    def __call__(self, data):
        return None if self.word in data["label"] else data

class Hang(Pass):
    def __call__(self, data):
        time.sleep(60)

class Die(Pass):
    def __call__(self, data):
        os.kill(os.getpid(), signal.SIGSEGV)

class NotMade(Pass):
    def __init__(self, **settings):
        raise TypeError("size must be a list")

class Mix(Pass):
    ext_data_num = 2
    def __call__(self, data):
        assert len(data["ext_data"]) == 2 and all("image" in one for one in data["ext_data"])
        return data

class NeedsWidth(Pass):
    """What only the dataset class of several scales fills in."""
    def __call__(self, data):
        return data["valid_ratio"]

def create_operators(entries, settings):
    assert settings == {"name": "from Global"}
    return [globals()[name](**{**(values or {}), **settings}) for entry in entries for name, values in entry.items()]
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A stand-in for PaddleOCR: operators that misbehave on demand, without the seconds that Paddle takes."""
    return make_root(tmp_path / "paddleocr", OPERATORS)


def make_root(root: Path, operators: str) -> Path:
    """A folder with `ppocr/data/imaug` of that source."""
    package = root / "ppocr" / "data" / "imaug"
    package.mkdir(parents=True)
    for folder in (package.parent.parent, package.parent):
        (folder / "__init__.py").touch()
    (package / "__init__.py").write_text(operators, encoding="utf-8")
    return root


def write_config(folder: Path, transforms: Sequence[Any], labels: Sequence[str], **dataset: Any) -> Path:
    """A configuration whose training part has these operators and samples with these labels."""
    (folder / "ก.jpg").write_bytes(b"picture")
    lines = [f"ก.jpg\t{label}\n" for label in labels]
    (folder / "train.txt").write_text("".join(lines), encoding="utf-8")
    part = {
        "name": "SimpleDataSet",
        "data_dir": str(folder),
        "label_file_list": [str(folder / "train.txt")],
        "transforms": list(transforms),
        **dataset,
    }
    path = folder / "config.yml"
    config = {"Global": {"name": "from Global"}, "Train": {"dataset": part}}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def check(root: Path, config: Path, *, timeout_s: float = 30, samples: int = 8) -> PipelineCheck:
    """Try the configuration with this interpreter."""
    return check_pipeline(PYTHON, root, config, env=os.environ, timeout_s=timeout_s, samples=samples)


def test_working_samples_are_counted(root: Path, tmp_path: Path) -> None:
    """Eight of many samples are tried, and nothing is said."""
    result = check(root, write_config(tmp_path, [{"Pass": None}], ["text"] * 30))
    assert result == PipelineCheck(tried={"Train": 8}, failed=[], notes=[])
    assert require_working(result) == ""


def test_the_operator_and_the_first_line_of_its_exception_are_named(root: Path, tmp_path: Path) -> None:
    """Where every sample fails, training is refused with the operator, the error and a place to look at."""
    config = write_config(tmp_path, [{"Pass": None}, {"Refuse": {"word": "a"}}], ["a", "ab"])
    result = check(root, config)
    assert result.tried == {"Train": 2}
    assert result.failed[0] == SampleFailure(
        part="Train",
        place=f"{tmp_path / 'train.txt'}:1",
        line="ก.jpg\ta",
        operator="Refuse",
        error="ValueError: the label is a",
    )
    with pytest.raises(
        DataError, match=r"(?s)none of the 2 training samples.*Refuse: ValueError: the label is a\n"
    ) as raised:
        require_working(result)
    assert "Train.dataset.transforms.Refuse" in raised.value.hint


def test_a_name_that_numpy_has_lost_leads_to_an_older_numpy(tmp_path: Path) -> None:
    """The first line of numpy's long message says it, and what to do depends on the name."""
    for name, wanted in (("bool", "numpy<1.24"), ("in1d", "numpy<2")):
        said = f"module 'numpy' has no attribute '{name}'.\\nAt:\\n    https://numpy.org/devdocs"
        root = make_root(
            tmp_path / name,
            f"""
class Old:
    def __init__(self, **settings): pass
    def __call__(self, data): raise AttributeError("{said}")

def create_operators(entries, settings):
    return [Old() for entry in entries]
""",
        )
        result = check(root, write_config(tmp_path, [{"Old": None}], ["a"]))
        with pytest.raises(DataError, match=rf"fails in Old: AttributeError: .*'{name}'\.\n") as raised:
            require_working(result)
        assert f"'{wanted}'" in raised.value.hint


def test_some_failing_samples_are_a_remark(root: Path, tmp_path: Path) -> None:
    """A few bad samples do not stop a training; the first and the last line are always among those tried."""
    labels = ["bad first", *["text"] * 40, "bad last"]
    result = check(root, write_config(tmp_path, [{"Refuse": {"word": "bad"}}], labels))
    assert {failure.line for failure in result.failed} == {"ก.jpg\tbad first", "ก.jpg\tbad last"}
    assert "2 of 8 samples" in require_working(result)


def test_more_samples_are_tried_before_all_are_given_up(root: Path, tmp_path: Path) -> None:
    """Eight unlucky samples do not stand for a set in which most are dropped and some are good."""
    labels = ["bad"] * 20 + ["good"] * 2 + ["bad"] * 20
    result = check(root, write_config(tmp_path, [{"DropLabelEncode": {"word": "bad"}}], labels), samples=1)
    assert result.tried["Train"] <= 8
    result = check(root, write_config(tmp_path, [{"DropLabelEncode": {"word": "bad"}}], labels), samples=6)
    assert len(result.failed) == result.tried["Train"] - 1 >= 2
    assert require_working(result) != ""


def test_dropped_labels_lead_to_dictionary_and_length(root: Path, tmp_path: Path) -> None:
    """An operator that returns None drops the sample: the advice is about labels, not about code."""
    result = check(root, write_config(tmp_path, [{"DropLabelEncode": {"word": "a"}}], ["a"] * 3))
    with pytest.raises(DataError, match="DropLabelEncode: it returns None") as raised:
        require_working(result)
    assert "character_dict_path" in raised.value.hint
    assert "max_text_length" in raised.value.hint


def test_one_operator_failing_on_most_samples_is_refused(root: Path, tmp_path: Path) -> None:
    """Three quarters of errors in one operator are no dirt in the data."""
    config = write_config(tmp_path, [{"Refuse": {"word": "a"}}], ["a"] * 7 + ["b"])
    with pytest.raises(DataError, match="1 of the 8 training samples"):
        require_working(check(root, config))


def test_many_dropped_samples_are_a_remark(root: Path, tmp_path: Path) -> None:
    """Labels that PaddleOCR leaves out on purpose do not count as a broken operator."""
    config = write_config(tmp_path, [{"DropLabelEncode": {"word": "a"}}], ["a"] * 7 + ["b"])
    assert "7 of 8 samples" in require_working(check(root, config))


def test_an_operator_that_cannot_be_made_is_named(root: Path, tmp_path: Path) -> None:
    """A wrong setting that the operator refuses at once is told as such."""
    config = write_config(tmp_path, [{"Pass": None}, {"NotMade": None}], ["a"])
    with pytest.raises(DataError, match="cannot be made: in NotMade: TypeError: size must be a list"):
        require_working(check(root, config))


def test_an_operator_that_never_ends_is_named(root: Path, tmp_path: Path) -> None:
    """The time is limited, and the operator that used it up is the one in the message."""
    config = write_config(tmp_path, [{"Pass": None}, {"Hang": None}], ["a"])
    started = time.monotonic()
    with pytest.raises(DataError, match="fails in Hang: it did not end within 2 s"):
        require_working(check(root, config, timeout_s=2))
    assert time.monotonic() - started < 20


def test_an_operator_that_ends_the_interpreter_is_named(root: Path, tmp_path: Path) -> None:
    """A crash in native code leaves no traceback, but the last operator is known."""
    with pytest.raises(DataError, match="fails in Die: the interpreter ended with SIGSEGV"):
        require_working(check(root, write_config(tmp_path, [{"Die": None}], ["a"])))


def test_a_missing_image_is_named(root: Path, tmp_path: Path) -> None:
    """A data folder that is not the labels' own shows at once."""
    config = write_config(tmp_path, [{"Pass": None}], ["a"])
    (tmp_path / "ก.jpg").unlink()
    with pytest.raises(DataError, match=r"'ก\.jpg' .*cannot be read: FileNotFoundError"):
        require_working(check(root, config))


def test_operators_that_mix_samples_get_others(root: Path, tmp_path: Path) -> None:
    """An operator with `ext_data_num` finds so many other samples, loaded by the first operators."""
    config = write_config(tmp_path, [{"Pass": None}, {"Pass": None}, {"Mix": None}], ["a", "b", "c"])
    assert check(root, config).failed == []


def test_extra_samples_that_cannot_be_had_end_the_search(root: Path, tmp_path: Path) -> None:
    """Where PaddleOCR would look for another sample for ever, the operator that wants it is named."""
    transforms = [{"Pass": None}, {"DropLabelEncode": {"word": "a"}}, {"Mix": None}]
    with pytest.raises(DataError, match=r"fails in Mix: no other sample .*\(DropLabelEncode: dropped\)"):
        require_working(check(root, write_config(tmp_path, transforms, ["a"])))


def test_several_scales_are_tried_but_for_the_last_operator(root: Path, tmp_path: Path) -> None:
    """MultiScaleDataSet resizes before the last operator, which cannot work without that."""
    transforms = [{"Pass": None}, {"NeedsWidth": None}]
    scales = write_config(tmp_path, transforms, ["a"], name="MultiScaleDataSet")
    assert check(root, scales).failed == []
    simple = check(root, write_config(tmp_path, transforms, ["a"]))
    assert [failure.error for failure in simple.failed] == ["KeyError: 'valid_ratio'"]


def test_other_datasets_are_passed_over_with_a_note(root: Path, tmp_path: Path) -> None:
    """A class that reads its data in another way (some load pickles) is not tried."""
    config = write_config(tmp_path, [{"Refuse": None}], ["a"], name="LaTeXOCRDataSet")
    result = check(root, config)
    assert (dict(result.tried), result.failed) == ({}, [])
    assert result.notes == ["Train: a dataset of class LaTeXOCRDataSet is not tried"]
    assert require_working(result) == ""


def test_a_paddleocr_of_another_shape_is_passed_over(tmp_path: Path) -> None:
    """Without ppocr/data/imaug there is nothing to try, and the training is not refused for it."""
    result = check(tmp_path, write_config(tmp_path, [{"Pass": None}], ["a"]))
    assert "ppocr/data/imaug" in result.notes[0]
    assert require_working(result) == ""


def test_a_package_that_is_missing_there_is_a_matter_of_setup(tmp_path: Path) -> None:
    """What PaddleOCR cannot import is said with its name."""
    root = make_root(tmp_path / "paddleocr", "import no_such_package")
    with pytest.raises(SetupError, match="no_such_package"):
        check(root, write_config(tmp_path, [{"Pass": None}], ["a"]))


def test_our_own_modules_do_not_stand_in_for_others(tmp_path: Path) -> None:
    """PaddleOCR's `import config` must not find ours, which lies beside the script."""
    root = make_root(tmp_path / "paddleocr", OPERATORS + "\nfrom config import VALUE\n")
    (root / "config.py").write_text("VALUE = 1\n", encoding="utf-8")
    assert check(root, write_config(tmp_path, [{"Pass": None}], ["a"])).failed == []


def test_nothing_is_written(root: Path, tmp_path: Path) -> None:
    """Neither compiled files beside PaddleOCR nor anything beside the configuration."""
    config = write_config(tmp_path, [{"Pass": None}], ["a"])
    before = sorted(tmp_path.rglob("*"))
    check(root, config)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_interpreter_that_is_none_is_named(root: Path, tmp_path: Path) -> None:
    """A wrong trainer_python is a matter of setup."""
    config = write_config(tmp_path, [{"Pass": None}], ["a"])
    with pytest.raises(SetupError, match="no-python"):
        check_pipeline(tmp_path / "no-python", root, config, env=os.environ)


def test_the_script_is_plain_enough_for_old_interpreters() -> None:
    """It runs in the trainer's interpreter, which may be Python 3.7."""
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The PaddleOCR that is installed here."""
    return paddle.find_paddleocr("", probe(PYTHON)).root


def real_config(folder: Path, root: Path, task: str, changes: Mapping[str, Any]) -> Path:
    """The configuration that a run on a small demo set would give the trainer, with `changes`."""
    make_demo(folder / task, DemoSpec(task=task, train=6, val=2))
    experiment = load_experiment(Launch(model=task), REPO / "experiments")
    data = paddle.TrainingData(
        images=folder / task,
        train_labels=(folder / task / "train.txt",),
        val_labels=(folder / task / "val.txt",),
        train_counts=(10_000,),
    )
    config = paddle.render_config(
        experiment.trainer, data, Device(gpus=(), note=""), save_dir=folder / "out", checkpoint=None
    )
    for key, value in changes.items():
        set_key(config, key, value)
    paddle.write_config(config, folder / "config.yml")
    return folder / "config.yml"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["det", "rec", "cls"])
def test_the_demo_sets_pass_through_paddleocr_itself(task: str, real_root: Path, tmp_path: Path) -> None:
    """Every sample that is tried of our own sets works in both parts, with our experiments' operators."""
    result = check(real_root, real_config(tmp_path, real_root, task, {}), timeout_s=120)
    assert result == PipelineCheck(tried={"Train": 6, "Eval": 2}, failed=[], notes=[])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (
            "det",
            {"Train.dataset.transforms.EastRandomCropData.size": "320"},
            r"none of the 6 training samples(?s:.*)EastRandomCropData: TypeError",
        ),
        ("rec", {"Global.max_text_length": 0}, r"CTCLabelEncode: it returns None(?s:.*)2 validation samples"),
        (
            "rec",
            {"Global.character_dict_path": "{folder}/dict.txt", "Global.use_space_char": False},
            r"none of the 6 training samples(?s:.*)CTCLabelEncode: it returns None",
        ),
    ],
    ids=["wrong size", "all too long", "foreign dictionary"],
)
def test_what_hangs_paddleocr_is_found(
    task: str, changes: Mapping[str, Any], message: str, real_root: Path, tmp_path: Path
) -> None:
    """With PaddleOCR's own operators: a wrong value, labels that are too long, none of the characters."""
    (tmp_path / "dict.txt").write_text("ก\nข\n", encoding="utf-8")
    filled = {
        key: value.format(folder=tmp_path) if isinstance(value, str) else value
        for key, value in changes.items()
    }
    with pytest.raises(DataError, match=message):
        require_working(check(real_root, real_config(tmp_path, real_root, task, filled), timeout_s=120))
