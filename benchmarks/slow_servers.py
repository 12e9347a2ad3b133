"""`python -m benchmarks.slow_servers MLFLOW S3`: slow ways to an MLflow server and to an S3 server that are there.

MLFLOW and S3 are HOST:PORT. Every request to MLflow waits for `--delay-s` first; what goes to and comes from S3 shares
`--bytes-per-s`, whatever number of connections it takes. One line of JSON says where the slow ways are, as HOST:PORT;
the end of the standard input ends the program. It is a process of its own, so that its work is nobody else's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import SHUT_WR, create_connection, create_server, socket

from ocr_train.server.ports import LOOPBACK
from tests.faults import slow_line

CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SlowWays:
    """The addresses, as HOST:PORT."""

    mlflow: str
    s3: str


@contextmanager
def slow_ways(mlflow: str, s3: str, *, delay_s: float, bytes_per_s: float) -> Iterator[SlowWays]:
    """The program, for as long as the block lasts."""
    options = ["--delay-s", str(delay_s), "--bytes-per-s", str(bytes_per_s)]
    argv = [sys.executable, "-m", "benchmarks.slow_servers", mlflow, s3, *options]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin is not None  # noqa: S101 - for mypy: both are pipes
        assert process.stdout is not None  # noqa: S101
        yield SlowWays(**json.loads(process.stdout.readline()))
        process.stdin.close()


class Rate:
    """Lets bytes pass at `bytes_per_s` in all."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, size: int) -> None:
        """Until `size` bytes more may pass."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._bytes_per_s
            pause = self._free_at - now
        time.sleep(pause)


def relay(listener: socket, target: tuple[str, int], rate: Rate) -> None:
    """Pass connections on for ever: bytes and not requests, since a signature names the host that was asked."""
    while True:
        client, _ = listener.accept()
        server = create_connection(target)
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=(source, sink, rate), daemon=True).start()


def _pump(source: socket, sink: socket, rate: Rate) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            rate.wait(len(data))
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(SHUT_WR)


def main() -> None:
    """Open both ways and wait for the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_servers", description=__doc__)
    parser.add_argument("mlflow")
    parser.add_argument("s3")
    parser.add_argument("--delay-s", type=float, required=True)
    parser.add_argument("--bytes-per-s", type=float, required=True)
    arguments = parser.parse_args()
    host, _, port = arguments.s3.rpartition(":")
    listener = create_server((LOOPBACK, 0))
    rate = Rate(arguments.bytes_per_s)
    threading.Thread(target=relay, args=(listener, (host, int(port)), rate), daemon=True).start()
    with slow_line(f"http://{arguments.mlflow}", lambda _path: arguments.delay_s) as mlflow:
        s3 = f"{LOOPBACK}:{listener.getsockname()[1]}"
        print(json.dumps({"mlflow": mlflow.removeprefix("http://"), "s3": s3}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
