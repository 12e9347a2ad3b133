"""The look at the sample while training goes on: when it is taken, what it leaves, and what it never does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from callbacks.samples import MAX_FAILURES, SampleCallback
from ocr_train.analysis import mlflow_images, tables
from ocr_train.analysis.predictions import Reading
from ocr_train.errors import DataError, SetupError, TrackingError
from ocr_train.events import CheckpointSaved, EvalCompleted, RunFinished, Tick, TrainProgress
from ocr_train.models.inference import CHECKPOINT, Model, ReadingProcess
from ocr_train.ocr_engine.paddleocr import find_ppocr
from ocr_train.run import Results, Run
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.tracker import Tracker
from tests.analysis.builders import answer, box_at, write_validation
from tests.builders import MLFLOW_WARNING, make_run, mlflow_store

TIMEOUT_S = 20.0


class Sink:
    """Notes what it is given; `table` is what the run has already."""

    def __init__(self, table: str = "") -> None:
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.files: list[str] = []
        self.tags: dict[str, object] = {}
        self.tables: list[str] = []
        self._table = table

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note them."""
        assert time_ms > 0
        self.metrics.append((step, dict(metrics)))

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Note them."""
        self.tags.update(tags)

    def log_file(self, local: Path, folder: str = "") -> None:
        """Note where it goes; keep the table as it is now."""
        assert local.is_file()
        self.files.append(f"{folder}/{local.name}".lstrip("/"))
        if not folder:
            self.tables.append(local.read_text("utf-8"))

    def download(self, path: str, folder: Path) -> Path:
        """The table, where there is one."""
        if not self._table or path != "samples.json":
            raise TrackingError(f"there is no artifact {path!r}.")
        (folder / path).write_text(self._table, encoding="utf-8")
        return folder / path

    @property
    def steps(self) -> list[int]:
        """The steps that were looked at."""
        return [step for step, _ in self.metrics]


class Readings:
    """Stands for the reading processes: each waits for `go`, then answers, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = threading.Event()
        self.error = error
        self.weights: list[bytes] = []
        self.running = self.most = self.closed = 0

    def start(self, prefix: Path, config: Path, images: Sequence[Path]) -> Readings:
        """Read what the process would have read."""
        assert config.parent == prefix.parent
        self.weights.append(Path(f"{prefix}.pdparams").read_bytes())
        self.count = len(images)
        self.running += 1
        self.most = max(self.most, self.running)
        return self

    def poll(self) -> bool:
        """Whether the test let it go."""
        return self.go.is_set()

    def result(self) -> list[Reading]:
        """Nothing found anywhere."""
        if self.error is not None:
            raise self.error
        return [answer()] * self.count

    def close(self) -> None:
        """One less."""
        self.running -= 1
        self.closed += 1


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A detection run on three validation images."""
    truths = {f"{name}.png": [box_at(0, 0)] for name in "abc"}
    folder = tmp_path / "run"
    return make_run(folder, config=write_validation(folder, truths))


class Training:
    """A callback in a training that saves what it is told to."""

    def __init__(self, run: Run, sink: Sink, readings: Readings, **options: Any) -> None:
        self.run = run
        self.said: list[str] = []
        self.callback = SampleCallback(sink, readings.start, self.said.append, **options)
        self.callback.open(run)

    def evaluate(self, step: int) -> None:
        """An evaluation at `step`."""
        self.callback.handle(TrainProgress(epoch=1, epochs=4, step=step))
        self.callback.handle(EvalCompleted(metrics={"eval/hmean": 0.5}, step=step, time_ms=1700))

    def save(self, kind: str, weights: bytes = b"weights", step: int | None = None) -> None:
        """A checkpoint, in place of the one before, as PaddleOCR writes them."""
        if step is not None:
            self.callback.handle(TrainProgress(epoch=1, epochs=4, step=step))
        prefix = self.run.folder / "trainer" / kind
        prefix.parent.mkdir(exist_ok=True)
        Path(f"{prefix}.pdparams").write_bytes(weights)
        self.callback.handle(CheckpointSaved(name=kind, kind=kind, prefix=str(prefix)))

    def tick_until(self, reached: Callable[[], bool]) -> None:
        """Tick until it is so."""
        deadline = time.monotonic() + TIMEOUT_S
        while not reached():
            assert time.monotonic() < deadline
            self.callback.handle(Tick())
            time.sleep(0.01)


@pytest.fixture
def sink() -> Sink:
    """Where everything goes."""
    return Sink()


@pytest.fixture
def readings() -> Readings:
    """Readings that answer at once."""
    ready = Readings()
    ready.go.set()
    return ready


def test_an_evaluation_is_looked_at_with_the_checkpoint_that_follows(
    run: Run, sink: Sink, readings: Readings
) -> None:
    """Metrics, files, table and tags, at the step of the evaluation."""
    training = Training(run, sink, readings)
    training.evaluate(20)
    training.save("best", b"the best")
    training.tick_until(lambda: bool(sink.metrics))
    assert readings.weights == [b"the best"]
    assert sink.metrics == [(20, {"sample/recall": 0.0, "sample/precision": 0.0, "sample/hmean": 0.0})]
    assert "samples/step_00000020/samples.json" in sink.files
    assert sum(name.startswith("images/") for name in sink.files) == 6
    assert sink.tags == {**mlflow_images.TAG, **tables.table_tag(["samples.json"])}
    training.callback.close()
    assert training.callback.results(Results()).samples == 1


def test_a_later_checkpoint_has_its_own_step(run: Run, sink: Sink, readings: Readings) -> None:
    """`latest` is saved at the epoch's end: its weights are older than no evaluation, but newer than this."""
    training = Training(run, sink, readings)
    training.evaluate(20)
    training.save("latest", step=24)
    training.save("latest", step=30)
    training.callback.close()
    assert sink.steps == [24]


def test_steps_go_on_after_a_resume(run: Run, sink: Sink, readings: Readings) -> None:
    """The trainer's own restart at 0."""
    training = Training(make_run(run.folder, config=run.config, step_offset=100), sink, readings)
    training.evaluate(20)
    training.save("best")
    training.callback.close()
    assert sink.steps == [120]


@pytest.mark.parametrize("kind", ["latest", "best"])
def test_without_an_evaluation_nothing_is_read(run: Run, sink: Sink, readings: Readings, kind: str) -> None:
    """Checkpoints come more often than evaluations."""
    training = Training(run, sink, readings)
    training.save(kind, step=20)
    training.callback.close()
    assert readings.weights == []


def test_with_no_images_it_is_off(run: Run, sink: Sink, readings: Readings) -> None:
    """0 switches it off."""
    training = Training(run, sink, readings, images=0)
    training.evaluate(20)
    training.save("best")
    training.callback.close()
    assert (readings.weights, sink.files, training.said) == ([], [], [])


def test_so_many_images_as_asked_for(run: Run, sink: Sink, readings: Readings) -> None:
    """Of three, two."""
    training = Training(run, sink, readings, images=2)
    training.evaluate(20)
    training.save("best")
    training.callback.close()
    assert readings.count == 2


def test_one_is_read_at_a_time_and_the_newest_waits(run: Run, sink: Sink) -> None:
    """While the first is read three more come: the last of them is next, the others never are."""
    readings = Readings()
    training = Training(run, sink, readings)
    for number in (1, 2, 3, 4):
        training.evaluate(10 * number)
        training.save("latest", f"weights {number}".encode())
        if number == 1:
            training.tick_until(lambda: readings.running == 1)
    assert len(list((run.folder / "look" / "weights").iterdir())) == 2
    readings.go.set()
    training.tick_until(lambda: len(sink.metrics) == 2)
    training.callback.close()
    assert readings.weights == [b"weights 1", b"weights 4"]
    assert (sink.steps, readings.most, readings.running) == ([10, 40], 1, 0)


def test_the_weights_are_a_copy(run: Run, sink: Sink) -> None:
    """The trainer writes over its file in place while ours is read; afterwards ours is gone."""
    readings = Readings()
    training = Training(run, sink, readings)
    training.evaluate(10)
    training.save("latest", b"old")
    training.tick_until(lambda: readings.running == 1)
    (copy,) = (run.folder / "look" / "weights").glob("*/model.pdparams")
    training.save("latest", b"new")
    assert copy.read_bytes() == b"old"
    readings.go.set()
    training.callback.close()
    assert list((run.folder / "look" / "weights").iterdir()) == []


def test_the_table_grows_by_step(run: Run, sink: Sink, readings: Readings) -> None:
    """One artifact with all steps, the newest first."""
    training = Training(run, sink, readings)
    for step in (10, 20):
        training.evaluate(step)
        training.save("best")
        training.tick_until(lambda step=step: step in sink.steps)  # type: ignore[misc]
    training.callback.close()
    assert [row[0] for row in json.loads(sink.tables[-1])["data"]] == [20] * 3 + [10] * 3


def test_a_run_that_goes_on_keeps_its_table_and_looks_at_no_step_twice(
    run: Run, readings: Readings, tmp_path: Path
) -> None:
    """Its rows are fetched, and steps that it has are passed over."""
    row = [10, tables.image_cell("a", "b"), "a.png", "1 box", "0 boxes", 0.0, 0.0, 0.0, 1, 0, ""]
    old = tables.write_table(tmp_path / "old.json", tables.COLUMNS["det"], [row]).read_text("utf-8")
    sink = Sink(table=old)
    again = make_run(run.folder, config=run.config, logged_until={"sample/hmean": 10, "train/loss": 14})
    training = Training(again, sink, readings)
    for step in (10, 20):
        training.evaluate(step)
        training.save("best")
    training.callback.close()
    assert sink.steps == [20]
    assert [row[0] for row in json.loads(sink.tables[-1])["data"]] == [20, 20, 20, 10]


def test_a_failure_is_said_once_and_three_in_a_row_end_it(run: Run, sink: Sink) -> None:
    """The training goes on; so does not the look."""
    readings = Readings(SetupError("the process that reads images failed: no paddle"))
    readings.go.set()
    training = Training(run, sink, readings)
    for number in range(MAX_FAILURES + 2):
        training.evaluate(10 * (number + 1))
        training.save("best")
        wanted = min(number + 1, MAX_FAILURES)
        training.tick_until(lambda wanted=wanted: training.callback._failures >= wanted)  # type: ignore[misc]
    training.callback.close()
    assert len(readings.weights) == MAX_FAILURES
    assert len(training.said) == 1
    assert "no paddle" in training.said[0]
    assert "no paddle" in training.callback.results(Results()).samples_error


def test_a_look_after_a_failure_counts_anew(run: Run, sink: Sink) -> None:
    """One bad checkpoint is no reason to give up."""
    readings = Readings(SetupError("once"))
    readings.go.set()
    training = Training(run, sink, readings)
    training.evaluate(10)
    training.save("best")
    training.tick_until(lambda: readings.closed == 1)
    training.tick_until(lambda: training.callback._failures == 1)
    readings.error = None
    training.evaluate(20)
    training.save("best")
    training.tick_until(lambda: sink.steps == [20])
    assert training.callback._failures == 0
    training.callback.close()


def test_weights_that_are_not_there_are_a_failure_like_another(
    run: Run, sink: Sink, readings: Readings
) -> None:
    """The event names a prefix without files: no exception leaves the callback."""
    training = Training(run, sink, readings)
    training.evaluate(10)
    training.callback.handle(CheckpointSaved(name="best_accuracy", kind="best", prefix="/nowhere/best"))
    training.callback.close()
    assert len(training.said) == 1


def test_a_disk_that_has_room_for_checkpoints_only_gets_no_copy(
    run: Run, sink: Sink, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints come first."""
    monkeypatch.setattr("callbacks.samples.free_bytes", lambda folder: 20)
    training = Training(run, sink, readings)
    training.evaluate(10)
    training.save("best", b"0123456789")
    training.callback.close()
    assert readings.weights == []
    assert "room" in training.said[0]


def test_data_without_labels_of_ours_is_said_and_nothing_more(
    tmp_path: Path, sink: Sink, readings: Readings
) -> None:
    """An LMDB set, for one."""
    (tmp_path / "config.yml").write_text("Eval: {dataset: {name: LMDBDataSet}}", encoding="utf-8")
    training = Training(make_run(tmp_path), sink, readings)
    training.evaluate(10)
    training.save("best")
    training.callback.close()
    assert len(training.said) == 1
    assert readings.weights == []


def test_closing_waits_for_the_last_look(run: Run, sink: Sink) -> None:
    """The final weights are the ones people ask about; what waited is read, too."""
    readings = Readings()
    training = Training(run, sink, readings)
    for step in (10, 20):
        training.evaluate(step)
        training.save("best")
    timer = threading.Timer(0.3, readings.go.set)
    timer.start()
    training.callback.handle(RunFinished(status="FINISHED"))
    training.callback.close()
    timer.join()
    assert sink.steps == [10, 20]


@pytest.mark.parametrize("status", ["FINISHED", "KILLED"])
def test_closing_ends_what_takes_too_long(
    run: Run, sink: Sink, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that is given, or at once where somebody stopped the training."""
    monkeypatch.setattr("callbacks.samples.STOPPED_TIMEOUT_S", 0.2)
    readings = Readings()
    limit_s = 0.2 if status == "FINISHED" else 60.0
    training = Training(run, sink, readings, close_timeout_s=limit_s)
    for step in (10, 20):
        training.evaluate(step)
        training.save("best")
    training.callback.handle(RunFinished(status=status))
    started = time.monotonic()
    training.callback.close()
    assert time.monotonic() - started < 5
    assert (readings.running, readings.closed, sink.files) == (0, 1, [])
    assert list((run.folder / "look" / "weights").iterdir()) == []


@pytest.mark.filterwarnings(MLFLOW_WARNING)
def test_mlflow_has_what_was_logged_and_loads_the_table(
    run: Run,
    readings: Readings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Through the real tracker: images by step, the table, the samples and the metric."""
    import mlflow

    uri = mlflow_store(tmp_path, tmp_path_factory.getbasetemp() / "mlflow-template.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = connect()
    monkeypatch.setenv(
        "MLFLOW_EXPERIMENT_ID",
        client.create_experiment("look", artifact_location=str(tmp_path / "artifacts")),
    )
    tracker = Tracker.start(client, tmp_path / "outputs", name="det")
    folder = tracker.folder
    shutil.copytree(run.folder, folder, dirs_exist_ok=True)
    callback = SampleCallback(tracker, readings.start, print)
    training = Training(make_run(folder, config=run.config), Sink(), readings)
    training.callback = callback
    callback.open(training.run)
    training.evaluate(20)
    training.save("best")
    callback.close()
    assert tracker.finish("FINISHED").complete
    names = {item.path for item in client.list_artifacts(tracker.run_id, "images")}
    assert len(names) == 6
    assert all("+step+20+" in name for name in names)
    mlflow.set_tracking_uri(uri)
    try:
        table = client.load_table(tracker.experiment_id, "samples.json", run_ids=[tracker.run_id])
    finally:
        mlflow.set_tracking_uri(None)
    assert sorted(table["name"]) == ["a.png", "b.png", "c.png"]
    assert {cell["filepath"] for cell in table["image"]} <= names
    stored = client.get_run(tracker.run_id).data
    assert stored.tags["mlflow.loggedImages"] == "True"
    assert stored.metrics["val_sample/hmean"] == 0.0


BUILD = """
import sys, yaml, paddle
sys.path[:0] = sys.argv[3:]
from ppocr.modeling.architectures import build_model
config = yaml.safe_load(open(sys.argv[1]))
paddle.seed(0)
config["Architecture"]["Head"]["out_channels"] = 12
paddle.save(build_model(config["Architecture"]).state_dict(), sys.argv[2] + ".pdparams")
"""
"""Writes the weights of a network as it is before training."""


@pytest.mark.slow
def test_real_weights_are_read_in_a_process_of_low_priority(tmp_path: Path, sink: Sink) -> None:
    """PaddleOCR's own network, its own transforms: an untrained CRNN reads something, or nothing, but no error."""
    paddleocr = find_ppocr("").parent
    folder = tmp_path / "run"
    config = write_validation(folder, {"a.png": "012", "b.png": "7"})
    _complete(config, folder)
    (folder / "trainer").mkdir()
    prefix = folder / "trainer" / "best_accuracy"
    command = [sys.executable, "-c", BUILD, str(config), str(prefix), str(paddleocr)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    niceness: list[int] = []

    def start(weights: Path, settings: Path, images: Sequence[Path]) -> ReadingProcess:
        model = Model(
            kind=CHECKPOINT, path=weights, config=settings, python=Path(sys.executable), root=paddleocr
        )
        process = ReadingProcess.start(model, images, nice=19)
        deadline = time.monotonic() + 30
        while 19 not in niceness and not process.poll() and time.monotonic() < deadline:
            niceness.append(psutil.Process(process.pid).nice())
            time.sleep(0.05)
        return process

    said: list[str] = []
    callback = SampleCallback(sink, start, said.append)
    callback.open(make_run(folder, task="rec", config=config, dictionary=folder / "dict.txt"))
    callback.handle(EvalCompleted(metrics={"eval/acc": 0.0}, step=20, time_ms=1700))
    callback.handle(CheckpointSaved(name="best_accuracy", kind="best", prefix=str(prefix)))
    callback.close()
    assert said == []
    assert sink.steps == [20]
    assert 19 in niceness
    document = json.loads((folder / "look/samples/step_00000020/samples.json").read_text("utf-8"))
    assert [image.get("error") for image in document["images"]] == [None, None]


def _complete(config: Path, folder: Path) -> None:
    """A CRNN with the ten digits, as PaddleOCR wants it described."""
    import yaml

    document = yaml.safe_load(config.read_text("utf-8"))
    (folder / "dict.txt").write_text("\n".join("0123456789") + "\n", encoding="utf-8")
    document["Global"] = {
        "use_gpu": False,
        "character_dict_path": str(folder / "dict.txt"),
        "max_text_length": 25,
        "use_space_char": True,
        "infer_mode": False,
    }
    document["Architecture"] = {
        "model_type": "rec",
        "algorithm": "CRNN",
        "Transform": None,
        "Backbone": {
            "name": "MobileNetV3",
            "scale": 0.5,
            "model_name": "small",
            "small_stride": [1, 2, 2, 2],
        },
        "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 16},
        "Head": {"name": "CTCHead", "fc_decay": 0.0004},
    }
    document["PostProcess"] = {"name": "CTCLabelDecode"}
    document["Eval"]["dataset"] |= {
        "name": "SimpleDataSet",
        "transforms": [
            {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
            {"CTCLabelEncode": None},
            {"RecResizeImg": {"image_shape": [3, 32, 100]}},
            {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
        ],
    }
    config.write_text(yaml.safe_dump(document), encoding="utf-8")


def test_damaged_weights_are_refused_before_anything_loads_them(run: Run, sink: Sink, tmp_path: Path) -> None:
    """They are a pickle: the reading is not even started."""

    def start(weights: Path, settings: Path, images: Sequence[Path]) -> ReadingProcess:
        model = Model(
            kind=CHECKPOINT, path=weights, config=settings, python=tmp_path / "no-python", root=Path()
        )
        return ReadingProcess.start(model, images)

    said: list[str] = []
    training = Training(run, sink, Readings())
    training.callback = SampleCallback(sink, start, said.append)
    training.callback.open(run)
    training.evaluate(10)
    training.save("best", b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    training.callback.close()
    assert "system" in said[0]
    with pytest.raises(DataError):
        start(run.folder / "trainer" / "best", run.config, [])
