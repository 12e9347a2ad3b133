"""Weights at an address: fetched, screened and handed over as a file, or known to be out of reach within seconds."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_train.errors import DataError, MissingWeights
from ocr_train.trainer.outcome import failure_reason_of
from ocr_train.weights import download
from ocr_train.weights.download import fetch_weights

KEY = "Global.pretrained_model"
WHOLE = pickle.dumps({"fc.weight": np.zeros((2, 3), np.float32)}, protocol=4)
EVIL = b"cos\nsystem\n(S'true'\ntR."


class _Handler(BaseHTTPRequestHandler):
    """Serves files by what their names say; `asked` are the requests."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.rpartition("/")[2]
        body = EVIL if name.startswith("evil") else WHOLE
        self.send_response(404 if name.startswith("gone") else 200)
        self.send_header("Content-Length", str(len(body) * (2 if name.startswith("torn") else 1)))
        self.end_headers()
        if not name.startswith("gone"):
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A server on loopback, with `address` and `asked`; no proxy, and a home without a cache of PaddleOCR's."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "PADDLE_OCR_BASE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    _Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.address = f"http://127.0.0.1:{running.server_port}"  # type: ignore[attr-defined]
        running.asked = _Handler.asked  # type: ignore[attr-defined]
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


def test_weights_are_fetched_once_and_named_by_their_whole_address(server: Any, tmp_path: Path) -> None:
    """Two addresses that end in the same word are two files; the second start asks nobody."""
    said: list[str] = []
    addresses = {
        KEY: f"{server.address}/a/student.pdparams?token=secret",
        "Teacher": f"{server.address}/b/student.pdparams",
    }
    found = fetch_weights(addresses, tmp_path / "cache", said.append)
    assert [path.read_bytes() for path in found.values()] == [WHOLE, WHOLE]
    assert len(set(found.values())) == 2
    assert len(said) == 2
    assert "secret" not in "".join(said)
    assert sorted(found.values()) == sorted((tmp_path / "cache").iterdir())
    assert fetch_weights(addresses, tmp_path / "cache", said.append) == found
    assert len(server.asked) == 2


def test_what_paddleocr_has_downloaded_is_not_downloaded_again(server: Any, tmp_path: Path) -> None:
    """It keeps files by their name; they are screened like all others."""
    theirs = tmp_path / "home" / ".paddleocr" / "models" / "w.pdparams"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(WHOLE)
    address = {KEY: f"{server.address}/w.pdparams"}
    assert fetch_weights(address, tmp_path / "cache", print) == {KEY: theirs}
    theirs.write_bytes(EVIL)
    with pytest.raises(DataError, match=r"os\.system"):
        fetch_weights(address, tmp_path / "cache", print)
    assert server.asked == []


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("gone.pdparams", MissingWeights, "the server answers 404"),
        ("torn.pdparams", MissingWeights, "bytes"),
        ("evil.pdparams", DataError, r"evil\.pdparams would import 'os\.system'"),
    ],
)
def test_what_is_not_whole_and_harmless_leaves_nothing(
    server: Any, tmp_path: Path, name: str, error: type[Exception], words: str
) -> None:
    """No file that a second start would take for the weights."""
    with pytest.raises(error, match=words):
        fetch_weights({KEY: f"{server.address}/{name}"}, tmp_path / "cache", print)
    assert not list(tmp_path.glob("cache/*"))


def test_an_address_out_of_reach_is_known_at_once(server: Any, tmp_path: Path) -> None:
    """With the reason that a run is given, and what to do instead; every such address is named."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    started = time.monotonic()
    addresses = {KEY: f"http://user:pw@127.0.0.1:{port}/w.pdparams", "Teacher": f"{server.address}/gone"}
    with pytest.raises(MissingWeights) as raised:
        fetch_weights(addresses, tmp_path / "cache", print)
    assert time.monotonic() - started < 5
    assert failure_reason_of(raised.value) == "missing_weights"
    assert "Connection refused" in raised.value.problem
    assert "Teacher names weights at" in raised.value.problem
    assert "pw" not in str(raised.value)
    assert "Global.pretrained_model=/path" in raised.value.hint


def test_a_network_that_swallows_everything_costs_seconds(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where packets to the outside are dropped: neither a connection nor a look-up that hangs is waited for."""
    monkeypatch.setattr(download, "ANSWER_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/w.pdparams"
        started = time.monotonic()
        with pytest.raises(MissingWeights, match=r"no answer within 0\.5 s"):
            fetch_weights({KEY: address}, tmp_path / "cache", print)
        assert time.monotonic() - started < 5


def test_the_machines_proxy_is_used(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many a training machine reaches nothing without it; the stand-in answers for any host."""
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "")
    found = fetch_weights({KEY: "http://weights.invalid/w.pdparams"}, tmp_path / "cache", print)
    assert found[KEY].read_bytes() == WHOLE
    assert server.asked == ["http://weights.invalid/w.pdparams"]
