"""The line between a training and the process that started it as one of many: how it goes, and whether it is to stop.

    training -> who started it   {"run": ...}, {"evaluation": ...}, {"ended": ...}
    who started it -> training   {"stop": {"reason": "pruned", "why": "..."}}

One JSON document a line over a socket that the training inherits. Neither end ever waits for the other: what cannot be
sent at once is kept and sent later, and an end that is gone is not missed.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocr_train.ocr_engine.documents import parse_json
from ocr_train.trainer.failures import BUDGET, PRUNED

VARIABLE = "OCR_TRAIN_SUPERVISOR"
"""Set for a training by who supervises it, never by hand: the socket, and what the run is called and tagged with."""
MOST_BYTES = 1 << 20
"""A message, or what waits to be sent, is far smaller; beyond that the other end does not read, or is not one of ours."""
_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class StopOrder:
    """A wish that the training ends now: `reason` is `PRUNED` or `BUDGET`, `why` a sentence for people."""

    reason: str
    why: str


class MessageLink:
    """One end of the line; it owns the socket `end`."""

    def __init__(self, end: socket.socket) -> None:
        self._end: socket.socket | None = end
        end.setblocking(False)
        self._unsent = self._unread = b""

    @property
    def open(self) -> bool:
        """Whether the other end was there when it was last tried."""
        return self._end is not None

    def fileno(self) -> int:
        """For `select`; -1 where the line is closed."""
        return -1 if self._end is None else self._end.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send `message` now or with the next one; never waits, never raises."""
        self._unsent += json.dumps(message).encode() + b"\n"
        self._push()

    def received(self) -> list[dict[str, Any]]:
        """The messages that have come since the last call; what is no message is passed over."""
        self._push()
        while self._end is not None:
            try:
                chunk = self._end.recv(_CHUNK)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            if not chunk or len(self._unread) > MOST_BYTES:
                self.close()
                break
            self._unread += chunk
        *lines, self._unread = self._unread.split(b"\n")
        return [message for line in lines if (message := _message(line)) is not None]

    def close(self) -> None:
        """Close this end; may be called twice."""
        if self._end is not None:
            self._end.close()
            self._end = None

    def _push(self) -> None:
        while self._end is not None and self._unsent:
            try:
                sent = self._end.send(self._unsent)
            except BlockingIOError:
                break
            except OSError:
                self.close()
                break
            self._unsent = self._unsent[sent:]
        if self._end is None or len(self._unsent) > MOST_BYTES:
            self._unsent = b""


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """Who started this training, as the training sees it: the `link`, and the `name` and `tags` that its run gets."""

    link: MessageLink
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def order(self) -> StopOrder | None:
        """The wish that the training ends, where one has come."""
        for message in self.link.received():
            stop = message.get("stop")
            if isinstance(stop, dict):
                reason = str(stop.get("reason", ""))
                return StopOrder(
                    reason=reason if reason in (PRUNED, BUDGET) else "stopped", why=str(stop.get("why", ""))
                )
        return None


def supervised_environment(end: socket.socket, *, name: str, tags: Mapping[str, str]) -> dict[str, str]:
    """What the environment of a training must have that inherits `end` (`pass_fds`)."""
    return {VARIABLE: json.dumps({"fd": end.fileno(), "name": name, "tags": dict(tags)})}


def supervisor_of(environ: Mapping[str, str]) -> Supervisor | None:
    """Who started this process as one of many; None where nobody did, or where the line cannot be used."""
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    with contextlib.suppress(ValueError, TypeError, KeyError, OSError):
        given = parse_json(text)
        end = socket.socket(fileno=int(given["fd"]))
        os.set_inheritable(end.fileno(), False)
        tags = {str(key): str(value) for key, value in dict(given["tags"]).items()}
        return Supervisor(link=MessageLink(end), name=str(given["name"]), tags=tags)
    return None


def _message(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        found = parse_json(line)
        if isinstance(found, dict):
            return found
    return None
