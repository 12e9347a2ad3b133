"""A configuration with code in it, beside a checkpoint or in an exported folder, on every way in: nothing of it runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.checkpoints.manifest import LATEST
from ocr_train.errors import ConfigError, DataError
from ocr_train.models.evaluate import evaluate
from ocr_train.models.export.run import ExportOptions, export
from ocr_train.models.source import find_source
from ocr_train.models.validation_data import ValidationData
from ocr_train.ocr_engine import pyfunc
from ocr_train.ocr_engine.errors import EngineError
from ocr_train.resume.resolve import resolve
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, snapshot_of, store_on, write_checkpoint
from tests.cli_run import command
from tests.lively_models import write_config
from tests.models.export.test_run import make_source, make_trainer
from tests.models.test_source import no_client, write_common, write_exported
from tests.resume.test_resolve import REQUEST, Runs, runs, store_uri
from tests.servers import running_s3

__all__ = ["runs", "store_uri"]
pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """The file that must not appear."""
    return tmp_path / "CANARY"


def poison(config: Path, canary: Path, key: str = "transform") -> Path:
    """Put code that makes the canary into the configuration: as an operator's name, or as the value of `key`."""
    code = f"__import__('pathlib').Path({str(canary)!r}).touch() or (lambda **k: (lambda d: d))"
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    if key == "transform":
        document.setdefault("Eval", {}).setdefault("dataset", {}).setdefault("transforms", []).insert(
            0, {code: {}}
        )
    else:
        document["Architecture"].setdefault("Backbone", {})[key] = code
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    return config


def rec_model(folder: Path, canary: Path) -> Path:
    """An exported folder with the whole configuration of a recogniser, poisoned."""
    poison(write_config("rec", folder), canary)
    for name in ("inference.pdmodel", "inference.pdiparams"):
        (folder / name).write_bytes(b"x")
    return folder


class TestPredict:
    """`predict`, as a user runs it."""

    def test_the_case_is_refused_by_name_and_nothing_runs(
        self,
        tmp_path: Path,
        shared: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Exit code 3; file, key and value are in the message."""
        monkeypatch.chdir(tmp_path)
        folder = write_exported(tmp_path / "exported", "rec")
        case = shared / "cases" / "security" / "01-config-yml-code-execution" / "config.yml"
        shutil.copyfile(case, folder / "config.yml")
        ran = command(capsys, "predict", folder, tmp_path / "image.jpg")
        assert ran.code == 3
        for part in ("config.yml", "Eval.dataset.transforms[0]", "__import__", "Do not use it"):
            assert part in ran.err
        assert not list(tmp_path.rglob("PWNED*"))

    def test_what_only_its_paddleocr_can_tell_is_refused_in_the_child(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A plain word that PaddleOCR does not define as an operator."""
        folder = rec_model(tmp_path / "rec", tmp_path / "canary")
        config = yaml.safe_load((folder / "config.yml").read_text())
        config["Eval"]["dataset"]["transforms"][0] = {"Popen": {"args": "ls"}}
        (folder / "config.yml").write_text(yaml.safe_dump(config))
        ran = command(capsys, "predict", folder, tmp_path / "image.jpg")
        assert ran.code == 3
        assert "Eval.dataset.transforms[0]: 'Popen' is not an operator of PaddleOCR" in ran.err

    def test_code_that_lies_in_the_folder_is_not_imported(
        self,
        tmp_path: Path,
        canary: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither a PaddleOCR that came with it, nor modules of its own by an empty entry of PYTHONPATH."""
        folder = tmp_path / "rec"
        write_config("rec", folder)
        for name in ("inference.pdmodel", "inference.pdiparams"):
            (folder / name).write_bytes(b"x")
        touch = f"open({str(canary)!r}, 'w')\n"
        for module in (
            "paddleocr/ppocr/__init__.py",
            "yaml.py",
            "sitecustomize.py",
            "numpy.py",
            "ppocr/__init__.py",
        ):
            (folder / module).parent.mkdir(parents=True, exist_ok=True)
            (folder / module).write_text(touch)
        monkeypatch.setenv("PYTHONPATH", f":{Path(__file__).parents[1]}")
        assert command(capsys, "predict", folder, tmp_path / "image.jpg").code in (3, 5)
        assert not canary.exists()


class TestSources:
    """Wherever a model comes from."""

    @pytest.mark.parametrize("key", ["transform", "norm_layer"])
    def test_from_a_path(self, tmp_path: Path, canary: Path, key: str) -> None:
        """A checkpoint, and an exported folder."""
        write_checkpoint(tmp_path / "there" / "model")
        poison(write_common(tmp_path / "there")[0], canary, key)
        poison(write_exported(tmp_path / "exported") / "config.yml", canary, key)
        for name in ("there", "exported"):
            with pytest.raises(DataError, match="would run as code"):
                find_source(str(tmp_path / name), no_client, tmp_path / f"found-{name}")

    def test_from_a_run_and_from_the_registry(self, runs: Runs, canary: Path, request: Any) -> None:
        """RUN, runs:/ and models:/."""
        run_id = str(runs.client.create_run(runs.experiment_id).info.run_id)
        tracker = Tracker(runs.client, run_id, runs.experiment_id, runs.folder / run_id)
        common = write_common(runs.folder / "common")
        poison(common[0], canary)
        store = store_on(tracker.artifacts, common=common, model="rec")
        snapshot = snapshot_of(tracker.folder, epoch=1, step=10, metrics={"acc": 0.1}, seed=1)
        store.point(LATEST, store.put(snapshot, step=10, epoch=1))
        assert tracker.finish("FINISHED").status_set
        poison(write_exported(runs.folder / "stored" / "rec", "rec") / "config.yml", canary)
        name = request.node.name
        runs.client.create_registered_model(name)
        runs.client.create_model_version(name, str(runs.folder / "stored"), None)
        for number, text in enumerate((run_id, f"runs:/{run_id}", f"models:/{name}/1")):
            with pytest.raises(DataError, match="would run as code"):
                find_source(text, lambda: runs.client, runs.folder / f"found{number}")

    def test_from_s3(self, tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Fetched, and refused."""
        import boto3

        folder = rec_model(tmp_path / "rec", canary)
        with running_s3(tmp_path / "s3") as address:
            for name, value in address.env().items():
                monkeypatch.setenv(name, value)
            s3 = boto3.client("s3", endpoint_url=address.s3_endpoint, region_name="us-east-1")
            for path in folder.iterdir():
                s3.upload_file(str(path), address.bucket, f"models/rec/{path.name}")
            with pytest.raises(DataError, match="would run as code"):
                find_source(f"s3://{address.bucket}/models/rec", no_client, tmp_path / "found")


class TestTools:
    """PaddleOCR's own tools are never started with it."""

    def test_export_and_evaluate_refuse_what_their_paddleocr_does_not_know(
        self, tmp_path: Path, canary: Path
    ) -> None:
        """Also where the name is plain, and only that PaddleOCR's source tells."""
        trainer = make_trainer(tmp_path / "ocr", f"Path({str(canary)!r}).touch()")
        (tmp_path / "ocr" / "tools" / "eval.py").write_text(f"open({str(canary)!r}, 'w')")
        source = make_source(tmp_path / "checkpoint")
        config = yaml.safe_load(source.config.read_text())
        config["Eval"]["dataset"]["transforms"] = [{"Popen": {}}]
        source.config.write_text(yaml.safe_dump(config))
        data = ValidationData(
            images=tmp_path, labels=tmp_path / "val.txt", samples=1, digest="d", origin="x", own=True
        )
        with pytest.raises(DataError, match="'Popen' is not an operator"):
            export(
                source,
                tmp_path / "out",
                trainer=trainer,
                options=ExportOptions(images=[]),
                echo=lambda _: None,
            )
        with pytest.raises(DataError, match="'Popen' is not an operator"):
            evaluate(source, data, trainer=trainer, use_gpu=False, work=tmp_path, echo=lambda _: None)
        assert not canary.exists()
        assert not (tmp_path / "out").exists()

    def test_no_other_weights_are_loaded_and_nothing_is_sent(self, tmp_path: Path) -> None:
        """A backbone's `pretrained` is an unscreened pickle or an address; wandb is another server."""
        from ocr_train.trainer.configurations import for_a_tool

        config: dict[str, Any] = {
            "Global": {"checkpoints": "/evil", "use_wandb": True, "pretrained_model": "/evil"},
            "Architecture": {
                "Backbone": {"pretrained": "https://evil.example/x.pdparams", "checkpoints": "/evil"},
                "Models": {"Teacher": {"pretrained": "/evil", "freeze_params": True}},
            },
            "Loss": {"name": "CenterLoss", "center_file_path": "/evil.pkl"},
            "wandb": {"entity": "evil"},
        }
        document = for_a_tool(config, tmp_path / "model", use_gpu=False)
        assert "evil" not in str(document)
        assert document["Global"]["use_wandb"] is False
        assert document["Global"]["pretrained_model"] == str(tmp_path / "model")
        assert config["Global"]["checkpoints"] == "/evil"

    def test_samples_in_a_pickle_are_not_evaluated_on(self, tmp_path: Path) -> None:
        """`LaTeXOCRDataSet` loads what its configuration names."""
        source = make_source(tmp_path / "checkpoint")
        config = yaml.safe_load(source.config.read_text())
        config["Eval"]["dataset"].update(name="LaTeXOCRDataSet", data="/evil.pkl")
        source.config.write_text(yaml.safe_dump(config))
        data = ValidationData(
            images=tmp_path, labels=tmp_path / "val.txt", samples=1, digest="d", origin="x", own=True
        )
        trainer = make_trainer(tmp_path / "ocr")
        (tmp_path / "ocr" / "tools" / "eval.py").write_text("raise SystemExit('started')")
        with pytest.raises(DataError, match="pickle with samples"):
            evaluate(source, data, trainer=trainer, use_gpu=False, work=tmp_path, echo=lambda _: None)


@pytest.mark.parametrize("weights_only", [False, True])
def test_a_resume_refuses_the_checkpoint_beside_it(tmp_path: Path, canary: Path, weights_only: bool) -> None:
    """Whole, and for its weights alone."""
    write_checkpoint(tmp_path / "there" / "model")
    poison(write_common(tmp_path / "there")[0], canary)
    request = replace(REQUEST, text=str(tmp_path / "there"), weights_only=weights_only)
    with pytest.raises(DataError, match="would run as code"):
        resolve(request, None, tmp_path / "resume")
    assert not canary.exists()


def test_a_served_model_does_not_load_with_it(tmp_path: Path, canary: Path) -> None:
    """MLflow loads a model without us: the package that lies in it refuses."""
    rec_model(tmp_path / "data" / "rec", canary)
    with pytest.raises(EngineError, match=r"Eval\.dataset\.transforms\[0\]"):
        pyfunc._load_pyfunc(str(tmp_path / "data"))
    assert not canary.exists()


def test_a_user_s_own_configuration_is_told_what_paddleocr_does_not_know(tmp_path: Path) -> None:
    """All at once, as an error of the configuration; a PaddleOCR of another kind is not asked."""
    from ocr_train.ocr_engine.paddleocr import find_ppocr
    from ocr_train.trainer.configurations import require_own_words

    config: dict[str, Any] = {
        "Train": {"dataset": {"name": "LMDBDataSet", "transforms": [{"DecodeImag": None}]}},
        "Architecture": {"Backbone": {"name": "os.system"}},
    }
    with pytest.raises(
        ConfigError, match=r"(?s)'os\.system' is not a network.*'DecodeImag' is not an operator"
    ):
        require_own_words(config, Path("mine.yml"), find_ppocr("").parent)
    require_own_words(config, Path("mine.yml"), tmp_path)
    assert config["Train"]["dataset"]["name"] == "LMDBDataSet"
