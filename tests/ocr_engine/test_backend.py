"""What runs the network of a served model: onnxruntime where model.onnx was checked, else Paddle."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ocr_train.ocr_engine import model, pyfunc
from ocr_train.ocr_engine.backend import backend_from, open_served, unchecked_onnx
from ocr_train.ocr_engine.errors import EngineError
from ocr_train.ocr_engine.networks import threads_from

ONNX = b"a network"
SHA256 = hashlib.sha256(ONNX).hexdigest()


def exported(folder: Path, **said: Any) -> Path:
    """An exported folder with a model.onnx that agreed, as far as that is looked at; `said` replaces parts of that."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(ONNX)
    document = {
        "checked": {"onnx": {"images": 32, "differences": 0}},
        "files": {"model.onnx": SHA256},
        **said,
    }
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


class Opened:
    """Stands for an engine."""

    max_pixels = 0
    batch_size = 32

    def __init__(self, backend: str) -> None:
        self.backend = backend


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are not loaded; onnxruntime is installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setattr(model, "open_onnx", lambda *_, **__: Opened("onnx"))
    monkeypatch.setattr(model, "open_exported", lambda *_: Opened("paddle"))


def test_a_model_that_agreed_may_answer(tmp_path: Path) -> None:
    """There is nothing to say against it."""
    assert unchecked_onnx(exported(tmp_path / "rec")) == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"checked": {"images": 0}}, "does not say"),
        ({"checked": {"images": 32, "paddle": {"images": 32, "differences": 0}}}, "does not say"),
        ({"checked": None}, "does not say"),
        ({"checked": {"onnx": {"images": "32", "differences": 0}}}, "does not say"),
        ({"checked": {"onnx": {"images": 32, "differences": 1}}}, "did not agree"),
        ({"checked": {"onnx": {"images": 0, "differences": 0}}}, "did not agree"),
        ({"files": {}}, "does not say"),
        ({"files": {"model.onnx": "0" * 64}}, "not the file"),
    ],
)
def test_a_model_that_nobody_has_checked_does_not_answer_by_itself(
    tmp_path: Path, said: dict[str, Any], why: str
) -> None:
    """Exported with --no-check, for Paddle alone, or replaced since."""
    assert why in unchecked_onnx(exported(tmp_path / "rec", **said))


def test_a_folder_without_one_says_so(tmp_path: Path) -> None:
    """Or without a model.json that can be read."""
    assert unchecked_onnx(tmp_path) == "there is no model.onnx"
    (tmp_path / "model.onnx").write_bytes(ONNX)
    assert "does not say" in unchecked_onnx(tmp_path)
    (tmp_path / "model.json").write_text("[")
    assert "does not say" in unchecked_onnx(tmp_path)


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("asked", "said", "backend", "sentence"),
    [
        ("auto", {}, "onnx", "agreed with the checkpoint"),
        ("auto", {"checked": {}}, "paddle", "Paddle reads, because model.json does not say"),
        ("onnx", {"checked": {}}, "onnx", "OCR_SERVE_BACKEND asks for it"),
        ("paddle", {}, "paddle", "OCR_SERVE_BACKEND asks for it"),
    ],
)
def test_the_checked_one_is_taken_unless_another_is_asked_for(
    tmp_path: Path, asked: str, said: dict[str, Any], backend: str, sentence: str
) -> None:
    """And it is said why."""
    engine, found = open_served(exported(tmp_path / "rec", **said), backend=asked)
    assert (engine.backend, sentence in found) == (backend, True), found


@pytest.mark.usefixtures("engines")
def test_where_onnxruntime_does_not_work_paddle_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not installed, or too old for the file; one that was asked for by name is an error instead."""
    folder = exported(tmp_path / "rec")

    def too_old(*_: Any, **__: Any) -> Any:
        raise EngineError("model.onnx cannot be loaded by onnxruntime")

    monkeypatch.setattr(model, "open_onnx", too_old)
    engine, sentence = open_served(folder)
    assert (engine.backend, "cannot be loaded by onnxruntime" in sentence) == ("paddle", True)
    with pytest.raises(EngineError, match="cannot be loaded"):
        open_served(folder, backend="onnx")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert open_served(folder)[1] == "Paddle reads, because onnxruntime is not installed"


@pytest.mark.usefixtures("engines")
def test_the_server_s_log_says_what_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For each part of the model; the variable is read when the model is loaded."""
    exported(tmp_path / "rec")
    # MLflow's own logger shows what is below it.
    assert pyfunc._LOG.name.startswith("mlflow.")
    monkeypatch.setattr(pyfunc, "_LOG", logging.getLogger("served"))
    caplog.set_level(logging.INFO, "served")
    pyfunc._load_pyfunc(str(tmp_path))
    monkeypatch.setenv("OCR_SERVE_BACKEND", "paddle")
    pyfunc._load_pyfunc(str(tmp_path))
    assert [record.getMessage().partition(" reads")[0] for record in caplog.records] == [
        "rec: onnxruntime",
        "rec: Paddle",
    ]


@pytest.mark.usefixtures("engines")
def test_threads_are_counted_before_paddle_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sets OMP_NUM_THREADS to 1, and PaddleOCR's transforms load it: the second part must not see that."""
    for task in ("det", "rec"):
        exported(tmp_path / task)
    given = []

    def opened(folder: Path, _root: str, *, threads: int) -> Any:
        given.append(threads)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        engine: Any = Opened("onnx")
        engine.task, engine.ignore_orientation = folder.name, False
        return engine

    monkeypatch.setattr(model, "open_onnx", opened)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    pyfunc._load_pyfunc(str(tmp_path))
    assert given == [3, 3]
    assert threads_from({}) == threads_from({"OMP_NUM_THREADS": "0"}) >= 1


def test_another_backend_is_reported() -> None:
    """When the server starts; upper case will do."""
    assert (backend_from({}), backend_from({"OCR_SERVE_BACKEND": " ONNX "})) == ("auto", "onnx")
    with pytest.raises(ValueError, match="OCR_SERVE_BACKEND='tensorrt' is none of auto, onnx, paddle"):
        backend_from({"OCR_SERVE_BACKEND": "tensorrt"})
