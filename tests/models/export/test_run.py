"""Exporting with a stand-in for export_model.py: what is tried, what is refused, what is left behind."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.analysis.predictions import Reading
from ocr_train.errors import ConfigError, DataError, SetupError, TrainingFailed
from ocr_train.models.export.check import Answer
from ocr_train.models.export.run import ExportOptions, Onnx, export
from ocr_train.models.inference import Model
from ocr_train.models.source import ModelSource
from ocr_train.trainer.paddleocr import PaddleOcr
from ocr_train.trainer.tools import Trainer
from tests.builders import write_ppocr

TOOL = """
import sys, time, yaml
from pathlib import Path
config = yaml.safe_load(Path(sys.argv[sys.argv.index("-c") + 1]).read_text())
settings = config["Global"]
out = Path(settings["save_inference_dir"])
assert Path(settings["pretrained_model"] + ".pdparams").is_file()
assert "Train" not in config and "Optimizer" not in config
pir = settings.get("export_with_pir", False)
BEHAVIOUR
(out / ("inference.json" if pir else "inference.pdmodel")).write_text("net")
(out / "inference.pdiparams").write_text("weights")
"""
NETWORKS = """
assert config["Architecture"]["Models"]["Teacher"]["pretrained"] is None
(out / "inference.yml").write_text("of all")
for name in config["Architecture"]["Models"]:
    (out / name).mkdir()
    (out / name / "inference.pdmodel").write_text("net of " + name)
    (out / name / "inference.pdiparams").write_text("weights")
sys.exit(0)
"""
NO_OLD_FORMAT = "if not pir: raise TypeError('DBHead.forward() got an unexpected argument')"


def make_trainer(folder: Path, behaviour: str = "", *, paddle: str = "3.0.0") -> Trainer:
    """A PaddleOCR whose export_model.py does what `behaviour` says first."""
    for part in ("tools", "ppocr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "ppocr" / "code.py").write_text("")
    write_ppocr(folder / "ppocr")
    (folder / "tools" / "export_model.py").write_text(TOOL.replace("BEHAVIOUR", behaviour))
    versions = {"python": "3.11", "paddle": paddle, "paddleocr": "2.10.0"}
    root = PaddleOcr(root=folder, version="2.10.0")
    return Trainer(python=Path(sys.executable), paddleocr=root, env={}, versions=versions)


def make_source(folder: Path, **changes: Any) -> ModelSource:
    """A checkpoint of a recogniser with two characters."""
    folder.mkdir(parents=True)
    (folder / "model.pdparams").write_bytes(pickle.dumps({}, protocol=2))
    (folder / "dict.txt").write_text("a\nb\n")
    config: dict[str, Any] = {
        "Global": {"save_model_dir": "/home/me", "pretrained_model": "/home/me/x", "use_gpu": True},
        "Architecture": {"model_type": "rec", "algorithm": "CRNN"},
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"main_indicator": "acc"},
        "Optimizer": {"name": "Adam"},
        "Train": {"dataset": {}},
        "Eval": {"dataset": {"transforms": [{"RecResizeImg": {"image_shape": [3, 32, 100]}}]}},
    }
    config["Global"]["character_dict_path"] = "/home/me/dict.txt"
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    values: dict[str, Any] = {
        "kind": "checkpoint",
        "path": folder / "model",
        "config": folder / "config.yml",
        "dictionary": folder / "dict.txt",
        "task": "rec",
        "name": "rec",
        "run_id": "0" * 32,
        "step": 120,
        "epoch": 3,
        "metrics": {"acc": 0.5},
        "description": "the checkpoint of a test",
    }
    return ModelSource(**(values | changes))


def reads(**texts: str) -> Any:
    """A reader by kind of model, such as exported="QF2"."""

    def read(model: Model, images: Sequence[Path]) -> Sequence[Answer]:
        return [Reading(image=path, text=texts[model.kind], score=0.9) for path in images]

    return read


SAME = reads(checkpoint="QF2", exported="QF2")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose name `-o` of PaddleOCR would break on."""
    folder = tmp_path / "a=b ก"
    folder.mkdir()
    return folder


def made(
    place: Path,
    trainer: Trainer,
    *,
    source: ModelSource | None = None,
    said: list[str] | None = None,
    **options: Any,
) -> Any:
    """An export to `place`/model, with two images to check on."""
    read = options.pop("read", SAME)
    images = options.pop("images", [place / "1.jpg", place / "2.jpg"])
    return export(
        source or make_source(place / "checkpoint"),
        place / "model",
        trainer=trainer,
        options=ExportOptions(images=images, **options),
        echo=(said if said is not None else []).append,
        read=read,
    )


def test_an_exported_folder_holds_all_that_a_stranger_needs(place: Path) -> None:
    """Network, weights, what reads them, what they are, and the sums of all; no path of this machine."""
    exported = made(place, make_trainer(place / "ocr"))
    folder = exported.folder
    assert folder == place / "model"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.md", "config.yml", "dict.txt", "inference.pdiparams", "inference.pdmodel", "inference.yml"),
        "model.json",
    ]
    model = json.loads((folder / "model.json").read_text())
    assert model == exported.model
    assert (model["step"], model["metrics"], model["network"]) == (120, {"acc": 0.5}, "inference.pdmodel")
    assert model["checked"]["images"] == 2
    assert model["backends"] == ["paddle"]
    config = yaml.safe_load((folder / "config.yml").read_text())
    assert config["Global"]["character_dict_path"] == "dict.txt"
    assert "/home/me" not in (folder / "config.yml").read_text()
    inference = yaml.safe_load((folder / "inference.yml").read_text())
    assert inference["PostProcess"]["character_dict"] == ["a", "b"]
    text = (folder / "README.md").read_text()
    assert "--rec_image_shape=3,32,100" in text
    assert str(place) not in text
    assert [path.name for path in place.iterdir() if path.name.startswith(".model")] == []


def test_what_was_checked_is_what_is_handed_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are gone before the check, from what PaddleOCR is given too, and nothing is touched after it."""
    monkeypatch.setenv("DB_PASS", "CANARY-of-env")
    source = make_source(place / "checkpoint")
    config = yaml.safe_load(source.config.read_text())
    config["Global"] |= {"wandb_token": "CANARY-1", "note": "CANARY-of-env", "max_new_tokens": 1024}
    source.config.write_text(yaml.safe_dump(config))
    seen: dict[str, bytes] = {}

    def read(model: Model, images: Sequence[Path]) -> Sequence[Answer]:
        if model.kind == "exported":
            seen.update({path.name: path.read_bytes() for path in model.path.iterdir()})
        answers: Sequence[Answer] = SAME(model, images)
        return answers

    written = """(out / "inference.yml").write_text(yaml.safe_dump(settings))"""
    folder = made(place, make_trainer(place / "ocr", written), source=source, read=read).folder
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: after[name] for name in seen} == seen
    assert {"config.yml", "inference.yml"} < seen.keys()
    assert not [name for name, content in after.items() if b"CANARY" in content]
    stored = yaml.safe_load(after["config.yml"])["Global"]
    assert (stored["wandb_token"], stored["note"], stored["max_new_tokens"]) == ("***", "***", 1024)
    sums = json.loads(after["model.json"])["files"]
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in seen.items()}


def test_where_the_old_format_fails_the_new_one_is_taken_and_said(place: Path) -> None:
    """The table of FACTS: Paddle 3.2 cannot write DB's old format."""
    said: list[str] = []
    exported = made(place, make_trainer(place / "ocr", NO_OLD_FORMAT, paddle="3.2.2"), said=said)
    assert exported.model["network"] == "inference.json"
    assert "is not available: TypeError: DBHead.forward()" in "\n".join(said)
    assert "paddle.inference" in (exported.folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("behaviour", "paddle", "words"),
    [
        ("sys.exit('no such operator')", "3.0.0", ["exit code 1", "no such operator"]),
        (NO_OLD_FORMAT, "2.6.2", ["DBHead.forward()"]),
        ("sys.exit(0)", "3.0.0", ["exit code 0"]),
        ("time.sleep(60)", "2.6.2", ["stopped after 2 s"]),
        (
            "print('The shape of model params head.fc.weight [9] not matched with loaded params [8] !')",
            "3.0.0",
            ["1 layer(s) of the checkpoint do not fit", "head.fc.weight"],
        ),
    ],
)
def test_an_export_that_fails_says_why_and_leaves_nothing(
    place: Path, behaviour: str, paddle: str, words: list[str]
) -> None:
    """Exit code 6 with PaddleOCR's last lines; a layer that was left out is a failure, too."""
    started = time.monotonic()
    with pytest.raises(TrainingFailed) as failed:
        made(place, make_trainer(place / "ocr", behaviour, paddle=paddle), timeout_s=2.0)
    for word in words:
        assert word in str(failed.value)
    assert time.monotonic() - started < 30
    assert sorted(path.name for path in place.iterdir()) == ["checkpoint", "ocr"]


def test_all_packages_that_the_tool_lacks_are_named(place: Path) -> None:
    """Not the first one alone, and then the next after another export."""
    with pytest.raises(SetupError, match="no_such_one, no_such_two") as failed:
        made(place, make_trainer(place / "ocr", "import no_such_one\nimport no_such_two"))
    assert "pip install no_such_one no_such_two" in failed.value.hint


def test_a_model_that_answers_otherwise_is_no_model(place: Path) -> None:
    """Both answers are named, and the folder goes by another name."""
    with pytest.raises(TrainingFailed, match="2 of 2 image") as failed:
        made(place, make_trainer(place / "ocr"), read=reads(checkpoint="QF2", exported="QF24"))
    assert "checkpoint: 'QF2'" in failed.value.problem
    assert "paddle: 'QF24'" in failed.value.problem
    assert not (place / "model").exists()
    kept = place / "model.failed"
    assert str(kept) in failed.value.hint
    assert "OTHER ANSWERS" in (kept / "README.md").read_text()


@pytest.fixture
def converts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for paddle2onnx, whose faults cannot be had when they are wanted: it writes a file."""

    def convert(folder: Path, *_: object, **__: object) -> None:
        (folder / "model.onnx").write_bytes(b"")

    monkeypatch.setattr("ocr_train.models.export.run.to_onnx", convert)


@pytest.mark.usefixtures("converts")
def test_an_onnx_model_that_agrees_goes_with_the_model(place: Path) -> None:
    """Where it is possible is enough; model.json says that it was checked."""
    read = reads(checkpoint="QF2", exported="QF2", onnx="QF2")
    exported = made(place, make_trainer(place / "ocr"), read=read, onnx=Onnx.WHERE_POSSIBLE)
    assert exported.model["backends"] == ["paddle", "onnx"]
    assert exported.model["checked"]["onnx"]["differences"] == 0


@pytest.mark.usefixtures("converts")
def test_an_onnx_model_that_answers_otherwise_is_left_out_where_it_need_not_be(place: Path) -> None:
    """The model itself agrees and is handed over; why there is no model.onnx is said. Asked for, it is a failure."""
    said: list[str] = []
    read = reads(checkpoint="QF2", exported="QF2", onnx="QF24")
    exported = made(place, make_trainer(place / "ocr"), read=read, onnx=Onnx.WHERE_POSSIBLE, said=said)
    assert exported.model["backends"] == ["paddle"]
    assert set(exported.model["checked"]) == {"images", "seed", "paddle"}
    assert not (exported.folder / "model.onnx").exists()
    assert "no model.onnx: it does not give the checkpoint's answers on 2 image(s)" in said
    shutil.rmtree(exported.folder)
    with pytest.raises(TrainingFailed, match="onnx: 'QF24'"):
        made(
            place,
            make_trainer(place / "again"),
            source=make_source(place / "b"),
            read=read,
            onnx=Onnx.REQUIRED,
        )


def test_a_trainer_without_onnxruntime_makes_no_onnx_model_and_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is possible: the export is as good without. Asked for, it is an error."""

    def lacks(*_: object, **__: object) -> None:
        raise SetupError("python has no onnxruntime", hint="pip install onnxruntime")

    monkeypatch.setattr("ocr_train.models.export.run.to_onnx", lacks)
    said: list[str] = []
    exported = made(place, make_trainer(place / "ocr"), onnx=Onnx.WHERE_POSSIBLE, said=said)
    assert exported.model["backends"] == ["paddle"]
    assert "no model.onnx: python has no onnxruntime" in said
    shutil.rmtree(exported.folder)
    with pytest.raises(SetupError, match="no onnxruntime"):
        made(place, make_trainer(place / "c"), source=make_source(place / "d"), onnx=Onnx.REQUIRED)


def test_an_unchecked_model_says_so(place: Path) -> None:
    """Without images nothing is read; model.json and README tell whoever gets the folder."""
    exported = made(place, make_trainer(place / "ocr"), images=[], read=None)
    assert exported.model["checked"] == {"images": 0}
    assert "**Not checked**" in (exported.folder / "README.md").read_text()


def test_a_folder_that_is_there_is_not_written_over(place: Path) -> None:
    """Whatever it holds; an empty one may be filled."""
    (place / "model").mkdir()
    (place / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        made(place, make_trainer(place / "ocr"))
    (place / "model" / "notes.txt").unlink()
    assert made(place, make_trainer(place / "ocr"), source=make_source(place / "other")).folder.is_dir()


def test_a_harmful_checkpoint_reaches_no_trainer(place: Path) -> None:
    """The pickle is screened before PaddleOCR loads it."""
    source = make_source(place / "checkpoint")
    Path(f"{source.path}.pdparams").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    ran = place / "ran"
    with pytest.raises(DataError, match=r"os\.system|posix"):
        made(place, make_trainer(place / "ocr", f"Path({str(ran)!r}).touch()"), source=source)
    assert not ran.exists()


def test_a_checkout_travels_with_the_model(place: Path) -> None:
    """ppocr and tools, without what Python compiled."""
    trainer = make_trainer(place / "ocr")
    (place / "ocr" / "ppocr" / "__pycache__").mkdir()
    (place / "ocr" / "LICENSE").write_text("Apache")
    folder = made(place, trainer, carry=True).folder / "paddleocr"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert {"LICENSE", "ppocr/code.py", "tools/export_model.py"} <= set(found)
    assert not [name for name in found if "__pycache__" in name]


def test_what_a_checkout_imports_is_in_the_model(place: Path) -> None:
    """In the versions of the interpreter that exported, and by name where it has none."""
    trainer = make_trainer(place / "ocr")
    with (place / "ocr" / "ppocr" / "data" / "imaug" / "__init__.py").open("a") as operators:
        operators.write("import cv2, yaml, no_such_package\n")
    model = made(place, trainer, carry=True).model
    assert model["requires"]["PyYAML"] == yaml.__version__
    assert {"opencv-python", "no_such_package"} <= set(model["requires"])
    assert model["requires"]["no_such_package"] == ""


def test_of_several_networks_the_student_becomes_the_model(place: Path) -> None:
    """A distillation's export has a folder for each network; the model says nothing of the others."""
    source = make_source(place / "checkpoint")
    config = yaml.safe_load(source.config.read_text())
    network = {"algorithm": "SVTR_LCNet", "Head": {"name": "CTCHead"}}
    config["Architecture"] = {
        "model_type": "rec",
        "algorithm": "Distillation",
        "Models": {
            "Teacher": {**network, "pretrained": "/gone/teacher"},
            "Student": {**network, "freeze_params": False, "return_all_feats": True},
        },
    }
    config["PostProcess"] = {
        "name": "DistillationCTCLabelDecode",
        "model_name": ["Student"],
        "key": "head_out",
    }
    config["Metric"] = {"name": "DistillationMetric", "base_metric_name": "RecMetric", "key": "Student"}
    source.config.write_text(yaml.safe_dump(config))
    said: list[str] = []
    exported = made(place, make_trainer(place / "ocr", NETWORKS), source=source, said=said)
    assert (exported.folder / "inference.pdmodel").read_text() == "net of Student"
    assert not any(path.is_dir() for path in exported.folder.iterdir())
    assert "the exported model is Student" in "\n".join(said)
    plain = yaml.safe_load((exported.folder / "config.yml").read_text())
    assert plain["Architecture"] == {"model_type": "rec", **network}
    assert plain["PostProcess"] == {"name": "CTCLabelDecode"}
    assert plain["Metric"] == {"name": "RecMetric"}
    inference = yaml.safe_load((exported.folder / "inference.yml").read_text())
    assert inference["PostProcess"]["name"] == "CTCLabelDecode"


def test_a_paddleocr_that_writes_the_new_format_is_taken_at_its_word(place: Path) -> None:
    """It went well: nothing is exported a second time, and no line of its log is called a reason."""
    said: list[str] = []
    exported = made(place, make_trainer(place / "ocr", "pir = True"), said=said)
    assert exported.model["network"] == "inference.json"
    assert [line for line in said if line.startswith("exporting")] == ["exporting with Paddle 3.0.0 ..."]
    assert "this PaddleOCR writes Paddle's new format (inference.json)" in said


def test_what_is_exported_already_is_not_exported_again(place: Path) -> None:
    """An exported folder has no checkpoint to start from."""
    with pytest.raises(ConfigError, match="exported already"):
        made(place, make_trainer(place / "ocr"), source=make_source(place / "checkpoint", kind="exported"))
