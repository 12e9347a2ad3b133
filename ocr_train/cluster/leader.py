"""The first machine's side: it waits for the others, hands them what the training is, and notices when one is gone."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.cluster.messages import Connection
from ocr_train.config.nodes import Nodes
from ocr_train.errors import DataError, SetupError
from ocr_train.trainer.device import Rendezvous

OnMetrics = Callable[[Mapping[str, float]], None]
_GOODBYE_S = 20.0
_RECEIVED = "workers"


@dataclass(kw_only=True)
class _Follower:
    """One other machine: `digest` of its data once it is ready, `failed` what it could not do, `ended` how its processes
    ended."""

    connection: Connection
    digest: str = ""
    failed: str = ""
    ended: Mapping[str, Any] | None = None


class Leader:
    """Listens from the moment it is made; `close` tells the others how the training ended."""

    def __init__(self, nodes: Nodes, addresses: Sequence[str]) -> None:
        """Raises `SetupError` where the port cannot be listened on."""
        self.addresses = tuple(addresses)
        self._nodes = nodes
        self._followers: dict[int, _Follower] = {}
        self._lock = threading.Lock()
        self._logs: Path | None = None
        self._on_metrics: OnMetrics | None = None
        self._training = self._closed = False
        try:
            self._server = socket.create_server((self.addresses[0], nodes.port))
        except OSError as exc:
            raise SetupError(
                f"nodes: this machine cannot listen on {self.addresses[0]}:{nodes.port}: {exc.strerror}.",
                hint="End what uses that port, or name another one on every machine: "
                f"nodes={nodes.hosts[0]}:{nodes.port + 100},...",
            ) from exc
        threading.Thread(target=self._accept, name="node-accept", daemon=True).start()

    @property
    def rendezvous(self) -> Rendezvous:
        """Where this machine's launcher waits for the others'."""
        return rendezvous(self._nodes, self.addresses, 0)

    def name(self, rank: int) -> str:
        """`node 1 (10.0.0.2)`."""
        return node_name(self.addresses, rank)

    def wait_for_all(self, digest: str, folder: Path, echo: Callable[[str], None]) -> None:
        """Wait until every machine is there and has the data of `digest`; what they send later goes below `folder`.

        A machine that is there may take its time; one that is not is waited for `timeout_s`. Raises `SetupError` with
        every machine that is missing, that failed or is lost, `DataError` where one has other data.
        """
        self._logs = folder / _RECEIVED
        waited_for = range(1, len(self.addresses))
        deadline = time.monotonic() + self._nodes.timeout_s
        said: set[int] = set()
        while True:
            if found := self.problem():
                raise SetupError(found, hint="That machine's own output says more.")
            followers = dict(self._followers)
            ready = {rank for rank, follower in followers.items() if follower.digest}
            for rank in sorted(ready - said):
                echo(f"nodes: {self.name(rank)} is ready ({len(ready) + 1} of {len(self.addresses)})")
            said |= ready
            if len(ready) == len(waited_for):
                break
            missing = [self.name(rank) for rank in waited_for if rank not in followers]
            if missing and time.monotonic() > deadline:
                raise SetupError(
                    f"{', '.join(missing)} did not come within {self._nodes.timeout_s:g} s.",
                    hint="Start the same command there, and let this machine be reached on port "
                    f"{self._nodes.port} and above; peers_timeout_s= waits longer.",
                )
            time.sleep(0.1)
        other = [self.name(rank) for rank, one in sorted(self._followers.items()) if one.digest != digest]
        if other:
            raise DataError(
                f"{', '.join(other)}: the data there are not those of node 0 (another digest).",
                hint="Give every machine the same data, such as one s3:// address, and the same seed.",
            )

    def start(self, job: Mapping[str, Any], files: Mapping[str, Path], on_metrics: OnMetrics) -> None:
        """Hand out the training: `files` by the name that they have on the other side, then `job`.

        `on_metrics` gets what the machines measure of themselves.
        """
        self._on_metrics = on_metrics
        for follower in self._followers.values():
            for name, path in files.items():
                follower.connection.send_file(path, name)
            follower.connection.send({"job": dict(job)})
        self._training = True

    def problem(self) -> str:
        """What is wrong with another machine, in one sentence; empty where nothing is."""
        for rank, follower in sorted(self._followers.items()):
            found = self._problem_of(follower)
            if found:
                return f"{self.name(rank)} {found}"
        return ""

    def cause(self, *, wait_s: float) -> str:
        """The same, after a failure of this machine's own trainer: news of another one may still be on its way."""
        deadline = time.monotonic() + wait_s
        while not (found := self.problem()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def close(self, status: str, why: str) -> None:
        """Tell the others how the training ended, let them send their logs, and stop listening. May be called twice."""
        if self._closed:
            return
        self._closed = True
        followers = self._followers.values()
        for follower in followers:
            follower.connection.send({"end": status, "why": why})
        deadline = time.monotonic() + (_GOODBYE_S if self._training else 0)
        while time.monotonic() < deadline and any(
            not (one.ended or one.connection.gone) for one in followers
        ):
            time.sleep(0.1)
        with contextlib.suppress(OSError):
            # A thread in accept() is woken by this, and not by a close.
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for follower in followers:
            follower.connection.close()

    def _problem_of(self, follower: _Follower) -> str:
        if follower.failed:
            return f"could not start: {follower.failed}"
        ended = follower.ended
        if ended is not None:
            bad = ended.get("how") != "exit code 0"
            return f"ended with {ended.get('how')}:\n{_lines(ended.get('lines'))}" if bad else ""
        return f"is gone: {how}" if (how := follower.connection.gone) else ""

    def _accept(self) -> None:
        while not self._closed:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Connection(link),), name="node", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        """Take one machine in, and note what it says until it is gone."""
        try:
            # Whoever reaches the port may greet: nothing of theirs is written.
            greeting = connection.receive(lambda: None)
            rank = (greeting or {}).get("hello")
            refusal = self._refusal(rank)
            if greeting is None or refusal or not isinstance(rank, int):
                connection.send({"refused": refusal})
                connection.close()
                return
            follower = _Follower(connection=connection)
            with self._lock:
                self._followers[rank] = follower
            connection.send({"welcome": rank})
            while (message := connection.receive(lambda: self._place_of(rank))) is not None:
                self._note(rank, follower, message)
        except SetupError:
            # Whoever else talks to this port.
            connection.close()

    def _place_of(self, rank: int) -> Path | None:
        """Where the logs of a machine go, which sends them at the end of its training."""
        return self._logs / f"node_{rank}" if self._logs else None

    def _refusal(self, rank: object) -> str:
        count = len(self.addresses)
        if not isinstance(rank, int) or not 0 < rank < count:
            return f"there is no node {rank!r} among {count}"
        if rank in self._followers:
            return f"there is a {self.name(rank)} already: node_rank must differ on every machine"
        return ""

    def _note(self, rank: int, follower: _Follower, message: Mapping[str, Any]) -> None:
        if "ready" in message:
            follower.digest = str(message["ready"])
        elif "failed" in message:
            follower.failed = str(message["failed"])
        elif isinstance(message.get("ended"), dict):
            follower.ended = message["ended"]
        elif isinstance(message.get("metrics"), dict) and self._on_metrics is not None:
            values = {
                str(name).replace("system/", f"system/node_{rank}/", 1): float(value)
                for name, value in message["metrics"].items()
                if isinstance(value, int | float)
            }
            self._on_metrics(values)


def node_name(addresses: Sequence[str], rank: int) -> str:
    """`node 1 (10.0.0.2)`."""
    return f"node {rank} ({addresses[rank]})"


def rendezvous(nodes: Nodes, addresses: Sequence[str], rank: int) -> Rendezvous:
    """Where Paddle's launchers meet: the port after ours, on the first machine."""
    return Rendezvous(master=f"{addresses[0]}:{nodes.port + 1}", host=addresses[rank], rank=rank)


def _lines(found: object) -> str:
    lines = found if isinstance(found, list) else []
    return "\n".join(f"  | {str(line)[:300]}" for line in lines)
