"""What benchmarks of runs need: an MLflow server whose artifacts lie in S3, and a count of the bytes that are sent to a server."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ocr_train.server.ports import LOOPBACK, choose_ports
from ocr_train.server.process import spawn
from ocr_train.server.serve import ServerAddress, probe_mlflow, server_environment

_BLOCK_BYTES = 1 << 18


@contextlib.contextmanager
def running_mlflow(folder: Path, s3: ServerAddress, *, timeout_s: float = 120.0) -> Iterator[ServerAddress]:
    """A real MLflow server with its database in `folder`; whoever has a run of it stores artifacts in S3 directly."""
    folder.mkdir(parents=True, exist_ok=True)
    port = choose_ports(0, 0, {}).mlflow
    address = replace(s3, tracking_uri=f"http://{LOOPBACK}:{port}")
    argv = [
        *(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            LOOPBACK,
            "--port",
            str(port),
            "--workers",
            "1",
        ),
        *("--backend-store-uri", "sqlite:///mlflow.db", "--no-serve-artifacts"),
        *("--default-artifact-root", f"s3://{s3.bucket}/mlflow"),
    ]
    child = spawn(
        "mlflow", argv, log=folder / "mlflow.log", cwd=folder, env=server_environment(os.environ, address)
    )
    try:
        deadline = time.monotonic() + timeout_s
        while complaint := probe_mlflow(address):
            if child.exit_status() is not None or time.monotonic() > deadline:
                raise SystemExit(f"MLflow does not start: {complaint}\n{child.log_tail(20)}")
            time.sleep(0.2)
        yield address
    finally:
        child.stop(terminate_s=2)


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with `values` and without other settings of AWS's and MLflow's, for a while."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("AWS_", "MLFLOW_")):
            del os.environ[name]
    os.environ.update(values, NO_PROXY=LOOPBACK, no_proxy=LOOPBACK)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Counter:
    """Passes connections on to the server at `endpoint` and counts the bytes that clients send; a context manager."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._server = (parts.hostname or LOOPBACK, parts.port or 80)
        self._listening = socket.create_server((LOOPBACK, 0))
        self._lock = threading.Lock()
        self.sent_bytes = 0
        self.endpoint = f"http://{LOOPBACK}:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Counter:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                for source, target, counted in ((client, server, True), (server, client, False)):
                    arguments = (source, target, counted)
                    threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK_BYTES):
                target.sendall(block)
                if counted:
                    with self._lock:
                        self.sent_bytes += len(block)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
