"""A proxy in front of a real MLflow server that can be broken in many ways, and mended."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from ocr_train.server.ports import LOOPBACK
from tests.faults import Answer, Forward

_LOGIN = b"<!doctype html><html><head><title>Sign in</title></head><body><form>password</form></body></html>"
_WRITES = ("/create", "/log-batch", "/log-inputs", "/set-tag", "/update")
_JSON = {"Content-Type": "application/json"}
_HTML = {"Content-Type": "text/html"}
REFUSED = "refuses connections"


def _message(code: str, text: str) -> bytes:
    return json.dumps({"error_code": code, "message": text}).encode()


_SAYS: Mapping[str, Answer] = {
    "500 for everything": Answer(500, {"Content-Type": "text/plain"}, b"Internal Server Error"),
    "503 with Retry-After": Answer(503, {**_HTML, "Retry-After": "2"}, b"<html>upstream is away</html>"),
    "429 with Retry-After": Answer(
        429, {**_JSON, "Retry-After": "2"}, _message("REQUEST_LIMIT_EXCEEDED", "slow down")
    ),
    "{} with 200": Answer(200, _JSON, b"{}"),
    "a login page with 200": Answer(200, _HTML, _LOGIN),
    "302 to a login page": Answer(302, {"Location": "/login"}, b""),
    "401": Answer(401, {"WWW-Authenticate": "Basic"}, b"You are not authenticated"),
    "403": Answer(403, _JSON, _message("PERMISSION_DENIED", "Permission denied")),
}
"""Answers that are the same whatever is asked."""


class _Handler(Forward):
    """Passes requests on until its server is broken."""

    def pass_on(self) -> None:
        """Answer as the kind of the moment does."""
        kind = self._server.kind
        if self.path.startswith("/login"):
            self.reply(Answer(200, _HTML, _LOGIN))
        elif kind in _SAYS:
            self.body()
            self.reply(_SAYS[kind])
        else:
            _WAYS.get(kind, _Handler.as_it_is)(self)

    @property
    def _server(self) -> BrokenServer:
        server = self.server
        assert isinstance(server, _Listener)  # noqa: S101 - for mypy: nobody else starts it
        return server.broken

    def as_it_is(self) -> None:
        """As the real server answers."""
        answer = self.forwarded()
        self._server.saw(self.command, self.path)
        self.reply(answer)

    def silence(self) -> None:
        """Take the request and never answer."""
        self.body()
        self._server.over.wait()

    def cut(self) -> None:
        """Break off in the middle of the answer."""
        data = _raw(self.forwarded())
        self._send(data[: len(data) // 2 + 1])

    def swallow(self) -> None:
        """Have a write done, and end the connection without an answer."""
        if not self.path.split("?")[0].endswith(_WRITES) and self.command != "PUT":
            self.as_it_is()
            return
        self.forwarded()
        self._server.saw(self.command, self.path)

    def slow(self) -> None:
        """A byte a second, until the server is mended."""
        data, kind = _raw(self.forwarded()), self._server.kind
        for place in range(len(data)):
            if self._server.kind != kind:
                self._send(data[place:])
                return
            self._send(data[place : place + 1])
            if self._server.over.wait(1.0):
                return

    def garbage(self) -> None:
        """What is no HTTP."""
        self.body()
        self._send(os.urandom(300))

    def half_json(self) -> None:
        """Half a document, with the length of the half."""
        answer = self.forwarded()
        self.reply(Answer(answer.status, answer.headers, answer.content[: len(answer.content) // 2]))

    def long_length(self) -> None:
        """Promise 100 bytes more than there are, and keep the connection."""
        answer = self.forwarded()
        self._send(_raw(answer, more=100))
        self._server.over.wait()

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()


_WAYS: Mapping[str, Callable[[_Handler], None]] = {
    "accepts and never answers": _Handler.silence,
    "cuts the answer off": _Handler.cut,
    "does it, never says so": _Handler.swallow,
    "1 byte a second": _Handler.slow,
    "no HTTP at all": _Handler.garbage,
    "half a JSON document": _Handler.half_json,
    "a wrong Content-Length": _Handler.long_length,
}
KINDS = (REFUSED, *_WAYS, *_SAYS)
"""The names of all ways to be broken."""


def _raw(answer: Answer, *, more: int = 0) -> bytes:
    lines = [f"HTTP/1.0 {answer.status} OK", *(f"{key}: {value}" for key, value in answer.headers.items())]
    return (
        "\r\n".join([*lines, f"Content-Length: {len(answer.content) + more}", "", ""]).encode()
        + answer.content
    )


class _Listener(http.server.ThreadingHTTPServer):
    """Its threads may hang: nobody waits for them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[_Handler], broken: BrokenServer) -> None:
        self.broken = broken
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are part of it."""


class BrokenServer:
    """The proxy, as a context manager; `uri` is its address, `kind` how it is broken ("" for not at all).

    `saw` is called with the method and the path of each request that the real server has carried out.
    """

    def __init__(
        self, address: str, *, saw: Callable[[str, str], None] = lambda _method, _path: None
    ) -> None:
        self.kind = ""
        self.over = threading.Event()
        self.saw = saw
        self._handler = type("Handler", (_Handler,), {"target": address.removeprefix("http://")})
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None
        self._port = 0
        self._listen()

    @property
    def uri(self) -> str:
        """Where the proxy is, the same at all times."""
        return f"http://{LOOPBACK}:{self._port}"

    def break_as(self, kind: str) -> None:
        """Be broken in this way from now on."""
        if kind not in KINDS:
            raise ValueError(kind)
        self.kind = kind
        if kind == REFUSED:
            self._close()

    def mend(self) -> None:
        """Pass everything on again. A request that hangs goes on to hang, as with a server that was restarted."""
        self.kind = ""
        if self._listener is None:
            self._listen()

    def __enter__(self) -> BrokenServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._close()

    def _listen(self) -> None:
        self._listener = _Listener((LOOPBACK, self._port), self._handler, self)
        self._port = self._listener.server_port
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None and self._thread is not None:
            listener.shutdown()
            self._thread.join()
            listener.server_close()
