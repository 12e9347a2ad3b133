"""`python -m benchmarks.serving`: crops and pages a second of a served model, against bare onnxruntime.

    an exported folder with model.onnx -> an MLflow model -> predict(), and `mlflow models serve` -> rows

Bare onnxruntime decodes the same files with cv2, resizes as the Eval transforms say, runs model.onnx in one thread with
the batch that is fastest here, and decodes CTC: some twenty lines, nothing of ours. All take turns, and a ratio is taken
round by round. The texts of all must be the same.

Whole pages are read by detection and recognition, against their networks alone: what onnxruntime was given is recorded,
and run again in one thread. The models are those of `benchmarks.kept_models`.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.kept_models import KeptModel, kept_model
from benchmarks.program import Scene, run, say
from benchmarks.table import Bar, Row, at_least
from ocr_train.models.mlflow_model import save_model

Read = Callable[[Sequence[bytes]], Sequence[Any]]
COUNTS = (32, 256)
PAGES = 8
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def measure(scene: Scene) -> Iterator[Row]:
    """Crops in process and over HTTP, 32 and 256 a request; then pages in process and over HTTP."""
    rec = kept_model("rec", scene.folder)
    yield from _crop_rows(rec, scene)
    if not scene.quick:
        yield from _page_rows(kept_model("det", scene.folder), rec, scene)


def _crop_rows(rec: KeptModel, scene: Scene) -> Iterator[Row]:
    crops, served = _files(rec.images, max(COUNTS)), scene.folder / "served"
    save_model(served, [rec.folder])
    bare, batch = fastest(rec.folder, crops[: COUNTS[0]])
    readers: dict[str, tuple[Read, Bar]] = {
        "in process, one thread": (in_process(served, {"OMP_NUM_THREADS": "1"}), at_least(0.9)),
        "in process": (in_process(served, {}), at_least(0.9)),
    }
    with over_http(served, scene.folder) as http:
        readers["over HTTP"] = (http, at_least(0.7))
        for count in COUNTS[: 1 if scene.quick else None]:
            yield from _rows(crops[:count], bare, readers, scene.rounds, note=f"bare in batches of {batch}")


def _files(folder: Path, count: int) -> list[bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise SystemExit(f"{str(folder)!r} has no images")
    return [paths[number % len(paths)].read_bytes() for number in range(count)]


def _rows(
    crops: Sequence[bytes], bare: Read, readers: Mapping[str, tuple[Read, Bar]], rounds: int, *, note: str
) -> Iterator[Row]:
    expected = bare(crops)
    for name, (read, _) in readers.items():
        if list(read(crops)) != list(expected):
            raise AssertionError(f"{name} reads other texts than bare onnxruntime")
    speeds = _speeds({"bare": bare, **{name: read for name, (read, _) in readers.items()}}, crops, rounds)
    yield Row(
        name=f"{len(crops)} crops: bare onnxruntime, one thread", samples=speeds["bare"], unit="/s", note=note
    )
    yield from _ratio_rows(f"{len(crops)} crops", speeds, {name: bar for name, (_, bar) in readers.items()})


def _page_rows(det: KeptModel, rec: KeptModel, scene: Scene) -> Iterator[Row]:
    """Pages a second of the pair, as a ratio to its networks alone: the rest is decoding, post-processing and cutting."""
    pages, pair = _files(det.images, PAGES), scene.folder / "pair"
    save_model(pair, [det.folder, rec.folder])
    one_thread = in_process(pair, {"OMP_NUM_THREADS": "1"}, column="lines")
    alone = networks_alone(one_thread, pages)
    with over_http(pair, scene.folder, column="lines") as http:
        readers = {
            "in process, one thread": (one_thread, at_least(0.9)),
            "in process": (in_process(pair, {}, column="lines"), at_least(0.9)),
            "over HTTP": (http, at_least(0.7)),
        }
        expected = _texts(one_thread(pages))
        for name, (read, _) in readers.items():
            if _texts(read(pages)) != expected:
                raise AssertionError(f"the texts of the pages differ: {name}")
        every = {"bare": alone, **{name: read for name, (read, _) in readers.items()}}
        speeds = _speeds(every, pages, scene.rounds)
    what = f"{len(pages)} pages"
    note = f"{sum(map(len, expected))} lines"
    yield Row(name=f"{what}: networks alone, one thread", samples=speeds["bare"], unit="/s", note=note)
    yield from _ratio_rows(what, speeds, {name: bar for name, (_, bar) in readers.items()})


def _speeds(readers: Mapping[str, Read], files: Sequence[bytes], rounds: int) -> dict[str, list[float]]:
    """Files a second of each, in turns."""
    speeds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, read in readers.items():
            speeds[name].append(_speed(read, files))
    return speeds


def _ratio_rows(what: str, speeds: Mapping[str, Sequence[float]], bars: Mapping[str, Bar]) -> Iterator[Row]:
    for name, bar in bars.items():
        ratios = [one / other for one, other in zip(speeds[name], speeds["bare"], strict=True)]
        note = f"{sorted(speeds[name])[len(ratios) // 2]:.1f} a second"
        yield Row(name=f"{what}: {name} / bare", samples=ratios, unit="x", bar=bar, note=note)


def _texts(pages: Sequence[Any]) -> list[list[str]]:
    return [[line["text"] for line in lines] for lines in pages]


def networks_alone(read: Read, pages: Sequence[bytes]) -> Read:
    """Runs again what onnxruntime was given while `read` read the pages, and does nothing else."""
    onnxruntime: Any = importlib.import_module("onnxruntime")
    original, calls = onnxruntime.InferenceSession.run, list[Any]()

    def recording(session: Any, names: Any, feed: Any, *rest: Any) -> Any:
        calls.append((session, feed))
        return original(session, names, feed, *rest)

    onnxruntime.InferenceSession.run = recording
    try:
        read(pages)
    finally:
        onnxruntime.InferenceSession.run = original

    def run_again(_pages: Sequence[bytes]) -> list[str]:
        for session, feed in calls:
            session.run(None, feed)
        return []

    return run_again


def _speed(read: Read, crops: Sequence[bytes]) -> float:
    start = time.perf_counter()
    read(crops)
    return len(crops) / (time.perf_counter() - start)


def fastest(model: Path, crops: Sequence[bytes]) -> tuple[Read, int]:
    """Bare onnxruntime with the fastest of some batches, and that batch."""
    found = {batch: bare_onnxruntime(model, batch) for batch in (1, 4, 8, 16, 32)}
    speeds = {batch: max(_speed(read, crops) for _ in range(3)) for batch, read in found.items()}
    best = max(speeds, key=speeds.__getitem__)
    said = ", ".join(f"{speed:.0f}/s in batches of {batch}" for batch, speed in speeds.items())
    say(f"bare onnxruntime: {said}")
    return found[best], best


def bare_onnxruntime(model: Path, batch: int) -> Read:
    """The reference: decode, resize, run, CTC; for a recogniser whose Eval transforms are DecodeImage (BGR) and
    RecResizeImg, as those of PP-OCRv3 and v4."""
    import cv2
    import numpy as np

    onnxruntime: Any = importlib.import_module("onnxruntime")
    config: Any = yaml.safe_load((model / "config.yml").read_text(encoding="utf-8"))
    [shape] = [
        entry["RecResizeImg"]["image_shape"]
        for entry in config["Eval"]["dataset"]["transforms"]
        if "RecResizeImg" in entry
    ]
    characters = (model / "dict.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    characters = ["", *characters, *([" "] if config["Global"].get("use_space_char") else [])]
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(
        str(model / "model.onnx"), sess_options=options, providers=["CPUExecutionProvider"]
    )
    [entry] = session.get_inputs()
    height, width = shape[1:]

    def prepare(data: bytes) -> Any:
        picture: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        wide = min(width, -(-height * picture.shape[1] // picture.shape[0]))
        scaled = cv2.resize(picture, (wide, height)).astype(np.float32).transpose(2, 0, 1) / 255
        padded = np.zeros(shape, np.float32)
        padded[:, :, :wide] = (scaled - 0.5) / 0.5
        return padded

    def read(crops: Sequence[bytes]) -> list[str]:
        texts = []
        for start in range(0, len(crops), batch):
            images = np.stack([prepare(data) for data in crops[start : start + batch]])
            for steps in session.run(None, {entry.name: images})[0].argmax(axis=2):
                kept = steps[np.insert(steps[1:] != steps[:-1], 0, True)]
                texts.append("".join(characters[number] for number in kept))
        return texts

    return read


def in_process(model: Path, settings: Mapping[str, str], *, column: str = "text") -> Read:
    """predict() of the MLflow model, loaded under `settings` in the environment; a column of its answers."""
    import mlflow
    import pandas

    before = dict(os.environ)
    os.environ.update(settings)
    try:
        loaded = mlflow.pyfunc.load_model(str(model))
    finally:
        os.environ.clear()
        os.environ.update(before)

    def read(crops: Sequence[bytes]) -> list[Any]:
        texts = [base64.b64encode(data).decode() for data in crops]
        return list(loaded.predict(pandas.DataFrame({"image": texts}))[column])

    return read


@contextmanager
def over_http(model: Path, folder: Path, *, column: str = "text") -> Iterator[Read]:
    """`mlflow models serve` of this environment, asked as a client does: JSON with base64, one request."""
    from tests.models.test_mlflow_model import answers, free_port

    address = f"http://127.0.0.1:{free_port()}"
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    # MLflow starts uvicorn by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*words, "-p", address.rpartition(":")[2], "--timeout", "300"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
        )
        try:
            deadline = time.monotonic() + 120
            while not answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit((folder / "serve.log").read_text(errors="replace")[-2000:])
                time.sleep(0.3)
            yield lambda files: _ask(address, files, column)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _ask(address: str, files: Sequence[bytes], column: str) -> list[Any]:
    rows = [[base64.b64encode(data).decode()] for data in files]
    document = {"dataframe_split": {"columns": ["image"], "data": rows}}
    request = urllib.request.Request(  # noqa: S310 - an address of our own making
        f"{address}/invocations", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    with _DIRECT.open(request, timeout=300) as reply:
        return [row[column] for row in json.load(reply)["predictions"]]


if __name__ == "__main__":
    sys.exit(run("serving", __doc__, measure))
