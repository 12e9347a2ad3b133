"""What two machines of a training tell each other: one line of JSON a message, a file's bytes after its message.

The port is for machines that trust each other, like that of Paddle's own launcher: it must not be open to others.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.errors import SetupError

BEAT_S = 2.0
LOST_S = 20.0
"""A machine that has said nothing for so long is lost: it says something every `BEAT_S`."""
_LONGEST = 4 << 20
_CHUNK = 1 << 20


class Connection:
    """Messages over one socket. Any thread may send; one receives."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._received = bytearray()
        self._sending = threading.Lock()
        self._closed = threading.Event()
        self._heard = time.monotonic()
        self._timed_out = False
        # The other side may be gone without a word: sending must not wait for ever.
        link.settimeout(LOST_S)
        threading.Thread(target=self._beat, name="node-beat", daemon=True).start()

    @property
    def silent_s(self) -> float:
        """For how long nothing has been heard."""
        return time.monotonic() - self._heard

    @property
    def gone(self) -> str:
        """How the other side shows that it is gone, empty while it does not."""
        if self._timed_out or self.silent_s > LOST_S:
            return f"nothing was heard of it for {self.silent_s:.0f} s"
        return "its connection was closed" if self._closed.is_set() else ""

    def send(self, message: dict[str, Any]) -> bool:
        """Send a message; whether it went out."""
        return self._send(json.dumps(message).encode() + b"\n")

    def send_file(self, path: Path, name: str) -> bool:
        """Send a file, which the other side will call `name`."""
        with self._sending:
            left = 1
            with contextlib.suppress(OSError), path.open("rb") as stream:
                left = path.stat().st_size
                self._link.sendall(json.dumps({"file": name, "size": left}).encode() + b"\n")
                # Exactly as many bytes as were announced: a log may grow meanwhile.
                while left and (chunk := stream.read(min(_CHUNK, left))):
                    self._link.sendall(chunk)
                    left -= len(chunk)
        if left:
            self.close()
        return not left

    def receive(self, folder: Callable[[], Path | None]) -> dict[str, Any] | None:
        """The next message that is no beat, None where nothing more comes. Files that come before it are put into `folder`
        (asked for when they come), or refused where there is none.

        Raises `SetupError` for what is no message of ours.
        """
        while True:
            line = self._line()
            if line is None:
                return None
            message = _parsed(line)
            self._heard = time.monotonic()
            if "file" in message:
                place = folder()
                if place is None:
                    raise SetupError("another machine sent a file that nobody asked for.", hint=_SAME_VERSION)
                if not self._take_file(place, message):
                    return None
            elif message != {"beat": 1}:
                return message

    def close(self) -> None:
        """End it; may be called twice, and while another thread receives."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._link.close()

    def _line(self) -> bytes | None:
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > _LONGEST or not self._more():
                self.close()
                return None
        return self._take(end + 1)

    def _more(self) -> bool:
        """Receive what there is; whether anything came."""
        try:
            chunk = self._link.recv(_CHUNK)
        except TimeoutError:
            # How long it was silent says more than that the connection is closed.
            self._timed_out = True
            return False
        except OSError:
            return False
        self._received += chunk
        return bool(chunk)

    def _take(self, size: int) -> bytes:
        found = bytes(self._received[:size])
        del self._received[:size]
        return found

    def _take_file(self, folder: Path, message: dict[str, Any]) -> bool:
        name, left = _inside(message.get("file")), message.get("size")
        if not isinstance(left, int) or left < 0:
            raise SetupError("another machine sent a file without a size.", hint=_SAME_VERSION)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            while left:
                if not self._received and not self._more():
                    self.close()
                    return False
                left -= stream.write(self._take(min(left, len(self._received))))
                self._heard = time.monotonic()
        return True

    def _send(self, data: bytes) -> bool:
        with self._sending:
            try:
                self._link.sendall(data)
            except OSError:
                self.close()
                return False
        return True

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_S):
            self._send(b'{"beat": 1}\n')


_SAME_VERSION = (
    "Check that nothing else uses this port, and that all machines run the same version of this program."
)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise SetupError("what another machine sent is no message of this program.", hint=_SAME_VERSION)
    return message


def _inside(name: object) -> str:
    """The name of a file that is sent; raises `SetupError` for one that leads out of its folder."""
    path = PurePosixPath(str(name))
    if not isinstance(name, str) or not name or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise SetupError(f"another machine sent a file called {str(name)[:80]!r}.", hint=_SAME_VERSION)
    return str(path)


def reach(address: str, port: int, *, timeout_s: float, ended: Callable[[], bool]) -> Connection | None:
    """A connection to a machine, which may not listen yet; None where it does not within `timeout_s`, or at once where
    `ended` says so."""
    deadline = time.monotonic() + timeout_s
    while not ended():
        try:
            link = socket.create_connection((address, port), timeout=min(5.0, timeout_s))
        except OSError:
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.5)
            continue
        return Connection(link)
    return None
