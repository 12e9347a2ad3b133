"""What can be broken on purpose: an MLflow server that is killed and comes back, an S3 server, a bad line."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocr_train.server import (
    ServerAddress,
    find_weed,
    probe_mlflow,
    probe_s3,
    remove_sockets,
    server_environment,
    weed_arguments,
)
from ocr_train.server_ports import LOOPBACK, Ports, choose_ports
from ocr_train.server_process import ServerProcess, spawn
from tests.servers import ACCESS_KEY, SECRET_KEY

EXPERIMENT = "outages"
"""One that the server makes itself: the store's first experiment keeps its artifacts where the store was made."""


class Servers:
    """A real MLflow server on one store, and, where wanted, a real S3 server for its artifacts.

    Both can be killed and started again, on the same data and the same ports.
    """

    def __init__(self, folder: Path, template: Path, *, s3: bool = False) -> None:
        self.folder = folder
        self._with_s3 = s3
        self._ports: Ports = choose_ports(0, 0, {})
        self.address = ServerAddress(
            s3_endpoint=f"http://{LOOPBACK}:{self._ports.s3}",
            tracking_uri=f"http://{LOOPBACK}:{self._ports.mlflow}",
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            bucket="ocr-train",
        )
        self._running: dict[str, ServerProcess] = {}
        (folder / "s3").mkdir(parents=True)
        shutil.copyfile(template, folder / "mlflow.db")

    @property
    def uri(self) -> str:
        """Where MLflow is."""
        return self.address.tracking_uri

    @property
    def env(self) -> dict[str, str]:
        """What a run needs to find them, with little patience at its end."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
            "OCR_TRAIN_PATIENCE_S": "2",
        }

    def start(self) -> None:
        """Both, until they answer."""
        if self._with_s3:
            self.start_s3()
        self.start_mlflow()

    def start_mlflow(self) -> None:
        """The MLflow server, until it answers."""
        artifacts = "s3://ocr-train/mlflow" if self._with_s3 else str(self.folder / "artifacts")
        argv = [
            *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--workers", "1"),
            *("--port", str(self._ports.mlflow), "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"),
            *("--serve-artifacts", "--artifacts-destination", artifacts),
        ]
        self._spawn("mlflow", argv, lambda: probe_mlflow(self.address))

    def start_s3(self) -> None:
        """The S3 server, until it answers."""
        argv = weed_arguments(find_weed(), self.folder / "s3", self._ports)
        self._spawn("s3", argv, lambda: probe_s3(self.address))

    def kill(self, name: str) -> None:
        """End "mlflow" or "s3" with SIGKILL."""
        self._running.pop(name).stop(terminate_s=0)

    def stop(self) -> None:
        """End what runs."""
        for name in list(self._running):
            self.kill(name)
        remove_sockets(self._ports)

    def _spawn(self, name: str, argv: list[str], probe: Callable[[], str]) -> None:
        env = {**server_environment(os.environ, self.address), "AWS_MAX_ATTEMPTS": "1"}
        child = spawn(name, argv, log=self.folder / f"{name}.log", cwd=self.folder, env=env)
        self._running[name] = child
        deadline = time.monotonic() + 60
        while complaint := probe():
            assert child.exit_status() is None, child.log_tail(40)
            assert time.monotonic() < deadline, f"{complaint}\n{child.log_tail(40)}"
            time.sleep(0.1)


class _Forward(http.server.BaseHTTPRequestHandler):
    """Passes requests on; what is uploaded as an artifact may be spoilt on the way."""

    target = ""
    spoil: Callable[[bytes], bytes] = bytes
    delay_s: Callable[[str], float] = staticmethod(lambda _path: 0.0)
    left = 0
    lock = threading.Lock()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = type(self)
        time.sleep(kind.delay_s(self.path))
        with kind.lock:
            spoilt = self.command == "PUT" and "mlflow-artifacts" in self.path and kind.left > 0
            kind.left -= spoilt
        if spoilt:
            body = kind.spoil(body)
        connection = http.client.HTTPConnection(kind.target, timeout=30)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "content-length", "transfer-encoding")
        }
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "Content-Disposition"):
            if answer.getheader(name):
                self.send_header(name, str(answer.getheader(name)))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _chunked_pass_on(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            self.send_error(501)
            return
        self._pass_on()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _chunked_pass_on  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to the terminal."""


@contextmanager
def bad_line(address: str, spoil: Callable[[bytes], bytes], *, times: int) -> Iterator[str]:
    """A proxy in front of the MLflow server at `address` that spoils the first `times` uploads; its own address."""
    with _line(address, spoil=staticmethod(spoil), left=times) as (proxy, handler):
        yield proxy
        assert handler.left == 0, "fewer uploads came this way than were to be spoilt"


@contextmanager
def slow_line(address: str, delay_s: Callable[[str], float]) -> Iterator[str]:
    """A proxy in front of the MLflow server at `address` that holds every call up; its own address.

    `delay_s` takes the path of the call.
    """
    with _line(address, delay_s=staticmethod(delay_s)) as (proxy, _):
        yield proxy


@contextmanager
def _line(address: str, **ways: Any) -> Iterator[tuple[str, type[_Forward]]]:
    handler = type("Handler", (_Forward,), {"target": address.removeprefix("http://"), **ways})
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path | None]:
    """A control group below our own that holds `limit_bytes` of memory, gone at the end; None where none can be
    made. What writes its process id to the file `cgroup.procs` in it is in it."""
    group = _new_memory_group(limit_bytes)
    try:
        yield group
    finally:
        if group is not None:
            deadline = time.monotonic() + 10
            while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            group.rmdir()


def _new_memory_group(limit_bytes: int) -> Path | None:
    """In the hierarchy of version 1 or of version 2, wherever ours is and may be divided."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        tops = ["memory"] if "memory" in controllers.split(",") else [] if controllers else [".", "unified"]
        for top in tops:
            ours = Path("/sys/fs/cgroup") / top / path.lstrip("/")
            group = ours / f"ocr-train-test-{os.getpid()}"
            limit = group / ("memory.limit_in_bytes" if controllers else "memory.max")
            with contextlib.suppress(OSError):
                if (ours / "cgroup.procs").is_file():  # else it is no control group but a folder
                    group.mkdir()
                    if limit.is_file():
                        limit.write_text(str(limit_bytes), encoding="ascii")
                        return group
                    group.rmdir()
    return None
