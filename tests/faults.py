"""What can be broken on purpose: an MLflow server that is killed and comes back, an S3 server, a bad line."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.server.ports import LOOPBACK, Ports, choose_ports
from ocr_train.server.process import ServerProcess, spawn
from ocr_train.server.serve import (
    ServerAddress,
    find_weed,
    probe_mlflow,
    probe_s3,
    remove_sockets,
    server_environment,
    weed_arguments,
)
from tests.commands import environment
from tests.servers import ACCESS_KEY, SECRET_KEY

EXPERIMENT = "outages"
"""One that the server makes itself: the store's first experiment keeps its artifacts where the store was made."""


class Servers:
    """A real MLflow server on one store, and, where wanted, a real S3 server for its artifacts.

    Both can be killed and started again, on the same data and the same ports. `template` is an empty database, which
    saves the seconds of making one; None where the server is to make its own. `python` has the server's MLflow.
    """

    def __init__(
        self, folder: Path, template: Path | None, *, s3: bool = False, python: Path = Path(sys.executable)
    ) -> None:
        self.folder = folder
        self._python = python
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
        if template is not None:
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
            *(str(self._python), "-m", "mlflow", "server", "--host", LOOPBACK, "--workers", "1"),
            *("--port", str(self._ports.mlflow), "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"),
            *("--serve-artifacts", "--artifacts-destination", artifacts),
        ]
        self._spawn("mlflow", argv, lambda: probe_mlflow(self.address))

    def start_s3(self) -> None:
        """The S3 server, until it answers."""
        argv = weed_arguments(find_weed(), self.folder / "s3", self._ports)
        self._spawn("s3", argv, lambda: probe_s3(self.address))

    def runs(self, name: str) -> bool:
        """Whether "mlflow" or "s3" was started and not killed."""
        return name in self._running

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


@dataclass(frozen=True)
class Answer:
    """What a server answers."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Forward(http.server.BaseHTTPRequestHandler):
    """Passes requests on to `target`, a host and port; `pass_on` is what a kind of its own may do otherwise."""

    target = ""

    def pass_on(self) -> None:
        """Answer the request."""
        self.reply(self.forwarded())

    def body(self) -> bytes:
        """What came with the request; once."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def forwarded(self, change: Callable[[bytes], bytes] = bytes) -> Answer:
        """What the server behind answers to this request; `change` is what happens to the body on the way."""
        body = change(self.body())
        connection = http.client.HTTPConnection(self.target, timeout=30)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "content-length", "transfer-encoding")
        }
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        kept = {
            name: str(answer.getheader(name))
            for name in ("Content-Type", "Content-Disposition")
            if answer.getheader(name)
        }
        return Answer(answer.status, kept, content)

    def reply(self, answer: Answer) -> None:
        """Send it."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def _pass_on_if_it_can(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            self.send_error(501)
            return
        self.pass_on()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on_if_it_can  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to the terminal."""


class _BadLine(Forward):
    """What is uploaded as an artifact may be spoilt on the way, and every call may take its time."""

    spoil: Callable[[bytes], bytes] = bytes
    delay_s: Callable[[str], float] = staticmethod(lambda _path: 0.0)
    left = 0
    lock = threading.Lock()

    def pass_on(self) -> None:
        """Answer the request late, or with a spoilt body."""
        kind = type(self)
        time.sleep(kind.delay_s(self.path))
        with kind.lock:
            spoilt = self.command == "PUT" and "mlflow-artifacts" in self.path and kind.left > 0
            kind.left -= spoilt
        self.reply(self.forwarded(kind.spoil if spoilt else bytes))


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
def _line(address: str, **ways: Any) -> Iterator[tuple[str, type[_BadLine]]]:
    handler = type("Handler", (_BadLine,), {"target": address.removeprefix("http://"), **ways})
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fill(pipe: int) -> None:
    """Write to the pipe until it takes no more."""
    # A descriptor of our own: whether it blocks is a matter of the open file, which others share.
    own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while os.write(own, b"\n"):
            pass
    os.close(own)


def may_mount() -> bool:
    """Whether this system lets us mount a tmpfs in a name space of our own."""
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


def on_a_small_disk(
    folder: Path, size: str, command: list[str], cwd: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `command` where `folder` is a tmpfs of that size; what is in it is copied to `folder`.copy at the end."""
    script = (
        'mount -t tmpfs -o size="$2" tmpfs "$1" || exit 99; copy="$1.copy"; disk="$1"; shift 2; "$@"; code=$?; '
        'cp -r "$disk" "$copy"; exit $code'
    )
    folder.mkdir()
    return subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, "-", str(folder), size, *command],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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
