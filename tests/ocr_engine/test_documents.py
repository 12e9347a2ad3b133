"""YAML and JSON from elsewhere, and files that are none: read within limits, and nobody ever waits for them."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.analysis.pictures import open_upright
from ocr_train.analysis.sampling import validation_set
from ocr_train.checkpoints.manifest import CheckpointManifest
from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.checkpoints.states_file import read_states
from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.overrides import parse_overrides
from ocr_train.config.parameters import Launch
from ocr_train.data.boxes import read_boxes
from ocr_train.data.checks.detection import parse_boxes
from ocr_train.data.dictionary import read_dictionary
from ocr_train.data.files.image_files import read_or_none
from ocr_train.data.labels import read_labels
from ocr_train.data.manifest import read_manifest
from ocr_train.errors import ConfigError, DataError, OcrTrainError
from ocr_train.models.metadata import read_part
from ocr_train.models.source import read_config
from ocr_train.ocr_engine import documents
from ocr_train.ocr_engine.documents import DocumentError, parse_json, parse_yaml, read_json, read_yaml
from ocr_train.ocr_engine.files import open_regular, read_regular
from ocr_train.ocr_engine.images import ImageError
from ocr_train.ocr_engine.images import read_image as read_served_image
from ocr_train.ocr_engine.settings import read_settings
from ocr_train.runs.uncopied import main_metric
from ocr_train.storage.archive import extract_archive
from ocr_train.tracking.run_folder import read_facts
from ocr_train.trainer.configurations import require_plain_file
from ocr_train.weights.head import Characters

LAUGHS = "a0: &a0 [lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)


class TestYaml:
    """`parse_yaml`, `read_yaml`."""

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (LAUGHS, "more than 100,000 values"),
            (MERGES, "more than 100,000 values"),
            ("[x, " * 100_000, "nested more than 60 deep"),
            ("[" * 100_000, "nested more than 60 deep"),
            ("{a: " * 100_000, "nested more than 60 deep"),
            ("- " * 100_000, "nested more than 60 deep"),
            ("a: &a [*a]", "contains itself"),
            ("a: &a {b: [{c: *a}]}", "contains itself"),
            ("- x\n" * 300_000, "more than 100,000 values"),
            ("a: " + "9" * 5000, "number with more than 200 digits"),
            ("a: 1" + ":59" * 5000, "number with more than 200 digits"),
            ("a: 0x" + "f" * 5000, "number with more than 200 digits"),
            ("x" * 2_000_001, "more than 2,000,000 characters"),
            ("a: 2020-13-01", "a value that is not valid"),
            ("a: !!timestamp x", "a value that is not valid"),
            ("a: !!float [x]", "expected a scalar|a value that is not valid"),
            ("a: !!int x", "a value that is not valid"),
            ("a: !!python/object/apply:os.system ['touch CANARY']", "could not determine a constructor"),
            ("? [a]\n: b", "unhashable"),
            ("a: *b", "undefined alias"),
            ("a: [", "expected"),
            ("\x00", "not allowed|unacceptable"),
        ],
    )
    def test_what_is_too_much_or_not_yaml_is_refused(self, text: str, message: str) -> None:
        """One sentence, within seconds, whatever it is."""
        started = time.monotonic()
        with pytest.raises(DocumentError, match=message) as caught:
            parse_yaml(text)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - started < 20

    @pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
    def test_what_people_write_is_read_as_ever(self, loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Aliases, merges, dates, numbers, another alphabet; by the parser in C and by the one in Python."""
        monkeypatch.setattr(documents, "_LOADER", loader)
        text = "a: &a {x: [1, 2.5], y: น้ำ}\nb: {<<: *a, z: *a}\nc: 2026-01-02\nd: !!set {k}\ne: 1_000\nf:"
        assert parse_yaml(text) == yaml.safe_load(text)
        with pytest.raises(DocumentError, match="more than"):
            parse_yaml(LAUGHS)

    def test_a_file_is_read_with_a_mark_of_its_byte_order(self, tmp_path: Path) -> None:
        """Editors on Windows write one."""
        path = tmp_path / "a.yml"
        path.write_bytes(b"\xef\xbb\xbfa: 1\n")
        assert read_yaml(path) == {"a": 1}

    def test_a_file_that_is_too_large_is_not_read(self, tmp_path: Path) -> None:
        """Nor is one that is not UTF-8."""
        path = tmp_path / "a.yml"
        with path.open("wb") as file:
            file.truncate(5_000_000_000)
        with pytest.raises(OSError, match="more than 2,000,000 bytes"):
            read_yaml(path)
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(OSError, match="not UTF-8"):
            read_yaml(path)

    def test_a_signal_is_answered_while_a_document_is_read(self) -> None:
        """The largest one that is read at all holds a signal up for a moment only."""
        text = "".join(f"key{n}: [value, {n}]\n" for n in range(8_000))
        answered: list[float] = []
        before = signal.signal(signal.SIGUSR1, lambda *_: answered.append(time.monotonic()))
        sent: list[float] = []

        def send() -> None:
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGUSR1)

        timer = threading.Timer(0.05, send)
        try:
            timer.start()
            parse_yaml(text)
            timer.join()
            time.sleep(0.01)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert answered[0] - sent[0] < 10


class TestJson:
    """`parse_json`, and what reads JSON from elsewhere."""

    def test_what_is_nested_too_deep_is_an_error_of_the_document(self, tmp_path: Path) -> None:
        """Python's own reader raises RecursionError, which is not a ValueError."""
        with pytest.raises(ValueError, match="nested too deep"):
            parse_json("[" * 200_000)
        path = tmp_path / "a.json"
        path.write_text('{"a":' * 200_000)
        with pytest.raises(ValueError, match="nested too deep"):
            read_json(path)

    @pytest.mark.parametrize(
        ("name", "read"),
        [
            ("model.json", lambda path: read_part(path.parent)),
            ("run.json", lambda path: read_facts(path.parent)),
            ("manifest.jsonl", read_manifest),
            ("manifest.json", lambda path: CheckpointManifest.from_json(path.read_text())),
        ],
    )
    def test_a_deep_one_is_no_traceback(self, tmp_path: Path, name: str, read: Callable[[Path], Any]) -> None:
        """Each says which file is damaged."""
        path = tmp_path / name
        path.write_text("[" * 200_000)
        with pytest.raises(DataError):
            read(path)

    def test_a_deep_label_is_a_bad_label(self) -> None:
        """And costs the others nothing."""
        deep = "[" * 200_000
        assert read_boxes(deep).lost == {"bad_json": 1}
        assert parse_boxes(deep)[1][0].kind == "bad_json"
        assert json.loads("[]") == []


def pipe(folder: Path, name: str) -> Path:
    """A named pipe that nobody writes to: whoever opens it the usual way waits forever."""
    path = folder / name
    os.mkfifo(path)
    return path


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "labels": ("Label.txt", lambda path: list(read_labels(path))),
    "dictionary": ("dict.txt", lambda path: read_dictionary(path).problems[0]),
    "the dictionary of a checkpoint": ("dict.txt", lambda path: Characters.read(path, use_space_char=False)),
    "image": ("a.jpg", read_or_none),
    "image to predict": ("a.jpg", read_served_image),
    "picture": ("a.jpg", open_upright),
    "weights": ("model.pdparams", screen),
    "states": ("model.states", read_states),
    "config.yml of a model": ("config.yml", read_config),
    "config.yml of a served model": ("config.yml", lambda path: read_settings(path, "")),
    "config.yml beside a checkpoint": ("config.yml", require_plain_file),
    "config.yml of a killed run": ("config.yml", main_metric),
    "config.yml of a run that is looked at": (
        "config.yml",
        lambda path: validation_set(path, "det", limit=1),
    ),
    "experiment": ("mine.yml", lambda path: load_experiment(Launch(model=str(path)), EXPERIMENTS)),
    "manifest": ("manifest.jsonl", read_manifest),
    "model.json": ("model.json", lambda path: read_part(path.parent)),
    "run.json": ("run.json", lambda path: read_facts(path.parent)),
    "archive": ("data.tar.gz", lambda path: extract_archive(path, path.parent, parts=path.parent)),
    "zip": ("data.zip", lambda path: extract_archive(path, path.parent, parts=path.parent)),
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_waits_at_a_pipe(name: str, tmp_path: Path) -> None:
    """An error in our words, or nothing read; at once in any case."""
    file, read = READERS[name]
    path = pipe(tmp_path, file)
    done: list[object] = []

    def attempt() -> None:
        try:
            done.append(read(path))
        except (OcrTrainError, ImageError, OSError) as exc:
            done.append(exc)
        except Exception as exc:  # noqa: BLE001 - EngineError, which is of the engine's own
            done.append(exc)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=10)
    if not done:  # let it go: a writer comes and leaves
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    assert done, f"{name} waits at a pipe"
    assert not isinstance(done[0], (RecursionError, AttributeError, TypeError, KeyError)), done[0]


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """No pipe, no socket, no device, no folder; a link to a file is one."""
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(pipe(tmp_path, "pipe"))
    with pytest.raises(OSError, match="not a regular file"):
        read_regular("/dev/zero")
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match=r"No such device|regular"):
            open_regular(tmp_path / "s")
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"abc"
    with pytest.raises(OSError, match="more than 2 bytes"):
        read_regular(tmp_path / "link", 2)


def test_a_hostile_experiment_and_override_are_sentences(tmp_path: Path) -> None:
    """A user may have been sent them."""
    path = tmp_path / "mine.yml"
    path.write_text(LAUGHS)
    with pytest.raises(ConfigError, match="more than 100,000 values"):
        load_experiment(Launch(model=str(path)), EXPERIMENTS)
    assert parse_overrides(f"Global.a={'[' * 5000}")[1]
