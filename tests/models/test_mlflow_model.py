"""A trained model in MLflow: what is logged of it, and that another environment serves it over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.cli.models import serve_command
from ocr_train.errors import ConfigError, DataError, TrackingError
from ocr_train.models import mlflow_model
from ocr_train.models.inference import read_images
from ocr_train.models.metadata import MODEL_FILE
from tests.builders import MLFLOW_WARNING
from tests.cli_run import command, jpeg
from tests.commands import artifacts, client, environment
from tests.exported_models import DIGEST, exported_folder, run_with
from tests.lively_kit import Kit

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


@pytest.fixture
def uri(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store, which is MLflow's own, too; the current folder is beside it."""
    uri = f"sqlite:///{store_folder / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(store_folder)
    return uri


@pytest.fixture
def store(uri: str) -> Any:
    """A client on it."""
    return client(uri)


def downloaded(model: mlflow_model.LoggedModel, folder: Path) -> Path:
    """The model as `mlflow models serve` gets it."""
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(artifact_uri=model.uri, dst_path=str(folder)))


def test_a_logged_model_is_whole(store: Any, tmp_path: Path) -> None:
    """READY; it holds the exported folder with its dictionary, the code that reads it, and pinned requirements."""
    run_id = run_with(store, hmean=0.5)
    model = mlflow_model.log_model(store, run_id, [exported_folder(tmp_path / "det", run_id=run_id)])
    assert str(store.get_logged_model(model.model_id).status) in ("READY", "LoggedModelStatus.READY")
    folder = downloaded(model, tmp_path / "got")
    assert (folder / "data/exported/det/dict.txt").read_text(encoding="utf-8") == "ก\nข\na\n"
    assert (folder / "code/ocr_engine/pyfunc.py").is_file()
    assert "paddlepaddle==3.0.0" in (folder / "requirements.txt").read_text().splitlines()
    described = (folder / "MLmodel").read_text()
    assert f"run_id: {run_id}" in described
    assert f"model_id: {model.model_id}" in described
    assert not list(folder.rglob("*.pkl"))
    assert not list(folder.rglob("__pycache__"))


def test_a_logged_model_is_an_output_of_its_run(store: Any, tmp_path: Path) -> None:
    """At the checkpoint's step; the run stays as it ended."""
    run_id = run_with(store)
    before = store.get_run(run_id).info
    model = mlflow_model.log_model(store, run_id, [exported_folder(tmp_path / "det", run_id=run_id, step=30)])
    run = store.get_run(run_id)
    assert [(one.model_id, one.step) for one in run.outputs.model_outputs] == [(model.model_id, 30)]
    assert (run.info.status, run.info.end_time) == ("FINISHED", before.end_time)


def test_metrics_are_tied_to_the_model_and_curves_stay(store: Any, tmp_path: Path) -> None:
    """MLflow's list of models can be sorted by them; no point is there twice."""
    run_id = run_with(store, hmean=0.75)
    model = mlflow_model.log_model(
        store, run_id, [exported_folder(tmp_path / "det", run_id=run_id, metrics={"hmean": 0.75})]
    )
    [metric] = store.get_logged_model(model.model_id).metrics
    assert (metric.key, metric.value, metric.step, metric.dataset_digest) == ("eval/hmean", 0.75, 10, DIGEST)
    assert len(store.get_metric_history(run_id, "eval/hmean")) == 1


def test_no_credential_goes_along(store: Any, tmp_path: Path) -> None:
    """Not even one that stands in a configuration."""
    run_id = run_with(store)
    folder = downloaded(
        mlflow_model.log_model(store, run_id, [exported_folder(tmp_path / "det")]), tmp_path / "got"
    )
    assert "very-secret" not in (folder / "data/exported/det/config.yml").read_text()


def test_an_input_example_is_small(store: Any, tmp_path: Path) -> None:
    """A page is shrunk; it lies beside the model as a request that can be sent."""
    page = tmp_path / "page.jpg"
    page.write_bytes(jpeg(2000, 1000))
    run_id = run_with(store)
    model = mlflow_model.log_model(store, run_id, [exported_folder(tmp_path / "det")], input_example=page)
    request = json.loads((downloaded(model, tmp_path / "got") / "serving_input_example.json").read_text())
    [[text]] = request["dataframe_split"]["data"]
    assert len(text) < 50_000
    import cv2
    import numpy as np

    assert cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), 1).shape == (320, 640, 3)


@pytest.mark.parametrize(("differences", "backend"), [(0, "onnx"), (1, "paddle")])
def test_a_model_says_what_reads_it(tmp_path: Path, differences: int, backend: str) -> None:
    """onnxruntime where model.onnx agreed; only then is it required."""
    import yaml

    (tmp_path / "model.onnx").write_bytes(b"a network")
    said = checked(tmp_path / "model.onnx")
    said["checked"]["onnx"]["differences"] = differences
    folder = exported_folder(tmp_path / "rec", "rec", **said)
    shutil.copy(tmp_path / "model.onnx", folder)
    mlflow_model.save_model(tmp_path / "model", [folder])
    described = yaml.safe_load((tmp_path / "model/MLmodel").read_text(encoding="utf-8"))
    assert described["metadata"]["backend"] == {"rec": backend}
    required = (tmp_path / "model/requirements.txt").read_text(encoding="utf-8")
    assert ("onnxruntime==" in required) == (backend == "onnx")


def test_an_upload_that_fails_leaves_no_model_that_looks_whole(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is FAILED, and nothing was registered."""
    run_id = run_with(store)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "log_model_artifacts", full)
    with pytest.raises(TrackingError, match="No space left"):
        mlflow_model.log_model(store, run_id, [exported_folder(tmp_path / "det")])
    [model] = store.search_logged_models(["0"])
    assert "FAILED" in str(model.status)


@pytest.mark.parametrize("tasks", [("det", "det"), ("rec", "cls"), ("det", "rec", "cls")])
def test_parts_that_do_not_go_together_are_refused(
    store: Any, tmp_path: Path, tasks: tuple[str, ...]
) -> None:
    """Before anything is made."""
    folders = [exported_folder(tmp_path / str(number), task) for number, task in enumerate(tasks)]
    with pytest.raises(DataError, match="one part"):
        mlflow_model.log_model(store, run_with(store), folders)
    assert not store.search_logged_models(["0"])


@pytest.mark.parametrize("text", [None, "", "[]", '{"task": "kie"}', "{"])
def test_a_folder_that_is_no_exported_model_is_refused(store: Any, tmp_path: Path, text: str | None) -> None:
    """With the command that makes one."""
    if text is not None:
        (tmp_path / MODEL_FILE).write_text(text)
    with pytest.raises(DataError, match="model"):
        mlflow_model.log_model(store, run_with(store), [tmp_path])


def test_a_model_needs_a_run_of_this_server(store: Any, tmp_path: Path) -> None:
    """Of a pair either will do."""
    lost = exported_folder(tmp_path / "det", run_id="0" * 32)
    with pytest.raises(ConfigError, match="not on this MLflow server"):
        mlflow_model.owner_of(store, [lost])
    run_id = run_with(store)
    assert (
        mlflow_model.owner_of(store, [lost, exported_folder(tmp_path / "rec", "rec", run_id=run_id)])
        == run_id
    )


def test_a_run_with_a_logged_model_is_registered_as_it_is(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is exported or logged again."""
    run_id = run_with(store)
    model = mlflow_model.log_model(store, run_id, [exported_folder(tmp_path / "det", run_id=run_id)])
    done = command(capsys, "register", run_id, "--name", "ocr-det@challenger", "--json", "-")
    assert done.code == 0, done.err
    assert (done.json["model_id"], done.json["uri"]) == (model.model_id, "models:/ocr-det@challenger")
    assert "mlflow models serve -m models:/ocr-det@challenger" in done.err
    assert len(store.search_logged_models(["0"])) == 1


@pytest.mark.parametrize(("programs", "manager"), [(["uv"], "uv"), ([], "local")])
def test_the_printed_command_names_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: list[str], manager: str
) -> None:
    """Without uv on PATH `--env-manager uv` would end in a traceback of MLflow's."""
    for name in programs:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = serve_command("models:/ocr@champion")
    assert said == f"mlflow models serve -m models:/ocr@champion --env-manager {manager}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["0" * 32, "--name", "a/b"], "NAME@ALIAS"),
        (["a", "b", "c", "--name", "ocr"], "3 models"),
        (["0" * 32, "--name", "ocr"], "no run"),
    ],
)
def test_what_cannot_be_registered_is_said(
    uri: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """With exit code 2."""
    done = command(capsys, "register", *arguments)
    assert (done.code, said in done.err) == (2, True), done.err


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(model_uri: str, folder: Path, store_uri: str, *, timeout_s: float = 300) -> Iterator[str]:
    """`mlflow models serve` in a fresh environment; its address."""
    port = free_port()
    env = environment({"MLFLOW_TRACKING_URI": store_uri, "MLFLOW_ENV_ROOT": str(folder / "envs")})
    del env["PYTHONPATH"]
    words = ["mlflow", "models", "serve", "-m", model_uri, "--env-manager", "uv"]
    log = folder / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*words, "-h", "127.0.0.1", "-p", str(port)],
            cwd=folder,
            env=env,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + timeout_s
        while not answers(address):
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            time.sleep(0.3)
        yield address
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(timeout=10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(address: str) -> bool:
    """Whether a server is ready there."""
    try:
        with _DIRECT.open(f"{address}/ping", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def ask(address: str, document: Mapping[str, Any]) -> tuple[int, Any]:
    """Status and JSON answer of a request."""
    request = urllib.request.Request(  # noqa: S310 - an address of our own making
        f"{address}/invocations", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    try:
        with _DIRECT.open(request, timeout=120) as reply:
            return int(reply.status), json.load(reply)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, json.load(exc)


def bomb(side: int = 20_000) -> str:
    """A PNG of some 50 KB with so many pixels that decoding it takes 1.2 GB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 1) * side), 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


def lines_of(reading: Reading) -> list[tuple[str, list[list[int]]]]:
    """Texts and rounded boxes."""
    return [(line.text, [[round(x), round(y)] for x, y in line.box]) for line in reading.lines]


def checked(onnx: Path) -> dict[str, Any]:
    """What model.json says of a model.onnx that agreed; nothing where there is none."""
    if not onnx.is_file():
        return {}
    sha256 = hashlib.sha256(onnx.read_bytes()).hexdigest()
    return {
        "checked": {"images": 32, "onnx": {"images": 32, "differences": 0}},
        "files": {onnx.name: sha256},
    }


@pytest.mark.slow
def test_a_fresh_environment_serves_detection_and_recognition(
    uri: str, kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two exported models become one, champion, and `mlflow models serve` answers with what we read ourselves.

    In an environment built from nothing but what the model carries; a broken row gets an error of its own.
    """
    if shutil.which("uv", path=environment()["PATH"]) is None:
        pytest.skip("uv is not installed: `make test` installs it")
    store, pages = client(uri), kit.images["det"][:3]
    models = {task: kit.model(task, "exported") for task in ("det", "rec")}
    folders = {}
    for task, model in models.items():
        said = checked(model.path / "model.onnx") if task == "rec" else {}
        folders[task] = exported_folder(tmp_path / task, task, run_id=run_with(store, task=task), **said)
        shutil.copytree(model.path, folders[task], dirs_exist_ok=True)
    done = command(
        *(capsys, "register", folders["rec"], folders["det"], "--name", "ocr@challenger"),
        *("--example", pages[0]),
    )
    assert done.code == 0, done.err
    done = command(capsys, "promote", "models:/ocr@challenger", "--if-better", "best/hmean")
    assert (done.code, "is champion now" in done.out) == (0, True), done.err
    expected = read_images(models["det"], pages, rec=models["rec"])
    assert sum(len(reading.lines) for reading in expected) > 3
    texts = [base64.b64encode(page.read_bytes()).decode() for page in pages]
    with served("models:/ocr@champion", tmp_path, uri) as address:
        rows = [[texts[0]], ["broken.jpg"], [f"data:image/jpeg;base64,{texts[1]}"], [bomb()], [texts[2]]]
        status, document = ask(address, {"dataframe_split": {"columns": ["image"], "data": rows}})
        assert status == 200, document
        one, broken, two, too_large, three = document["predictions"]
        for answer, reading in zip((one, two, three), expected, strict=True):
            assert answer["error"] == ""
            found = [
                (line["text"], [[round(x), round(y)] for x, y in line["box"]]) for line in answer["lines"]
            ]
            assert found == lines_of(reading)
        assert (broken["lines"], "not base64" in broken["error"]) == ([], True)
        assert (too_large["lines"], "20000x20000 pixels" in too_large["error"]) == ([], True)
        for request in (
            {"dataframe_records": [{"image": texts[0]}]},
            {"instances": [{"image": texts[0]}]},
            {"inputs": {"image": [texts[0]]}},
        ):
            assert ask(address, request) == (200, {"predictions": [one]})
        status, document = ask(address, {"dataframe_records": [{"picture": texts[0]}]})
        assert (status, "missing inputs ['image']" in document["message"]) == (400, True)
    log = (tmp_path / "serve.log").read_text(errors="replace")
    assert "det: Paddle reads" in log
    assert "rec: onnxruntime reads" in log or not (folders["rec"] / "model.onnx").is_file()
    [fresh] = (tmp_path / "envs").glob("mlflow-*")
    assert not list(fresh.glob("lib/python*/site-packages/boto3"))


def test_artifacts_of_the_run_are_left_alone(store: Any, uri: str, tmp_path: Path) -> None:
    """A logged model lies beside them, not among them."""
    run_id = run_with(store)
    mlflow_model.log_model(store, run_id, [exported_folder(tmp_path / "det")])
    assert artifacts(uri, run_id) == {}
