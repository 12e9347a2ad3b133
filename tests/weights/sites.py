"""A site on loopback that misbehaves as told, and weights to serve there."""

from __future__ import annotations

import hashlib
import io
import pickle
import socket
import struct
import tarfile
import threading
from collections import defaultdict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import numpy as np

EVIL = b"cos\nsystem\n(S'true'\ntR."


def weights(seed: int = 0, size: int = 200_000) -> bytes:
    """A pickle like PaddleOCR's, of about four times `size` bytes."""
    values = np.random.default_rng(seed).random(size, np.float32)
    return pickle.dumps({"fc.weight": values}, protocol=4)


def tar(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return stream.getvalue()


class Site:
    """The site as a context manager: fill `files` (by path) and `faults`, read `asked` afterwards.

    `asked` are path, Range and If-Range of each request. Each fault is used once, in order, by the next request for
    the path; after the last, the site does as it should:

        503                   an answer of that status
        > ADDRESS             a redirect
        cut N, reset N        the connection ends, or is torn, after N bytes of the body
        hang N                nothing comes after N bytes of the body, until the other side has gone
        whole                 Range is ignored
        says N                the length is N by the server's words, whatever comes
        elsewhere             as many bytes as were asked for, and other ones
        chunks N              no Content-Length; the connection ends after N bytes

    `unnamed`: no ETag and no date, so that a version has no name.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: defaultdict[str, list[str]] = defaultdict(list)
        self.asked: list[tuple[str, str, str]] = []
        self.unnamed = False
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self.address = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def etag(self, path: str) -> str:
        """The name of the version that is there now."""
        return f'"{hashlib.sha256(self.files[path]).hexdigest()[:16]}"'

    @property
    def ranges(self) -> list[str]:
        """The Range of each request, "" for none."""
        return [span for _, span, _ in self.asked]


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            span, condition = self.headers.get("Range", ""), self.headers.get("If-Range", "")
            site.asked.append((self.path, span, condition))
            kind, _, value = (site.faults[path].pop(0) if site.faults[path] else "").partition(" ")
            self.close_connection = True
            if kind == ">":
                self.answer(302, b"", {"Location": value})
            elif kind.isdigit() or path not in site.files:
                self.answer(int(kind or 404), b"")
            else:
                self.give(path, span if not condition or condition == site.etag(path) else "", kind, value)

        def give(self, path: str, span: str, kind: str, value: str) -> None:
            body, status = site.files[path], 200
            headers = {} if site.unnamed else {"ETag": site.etag(path)}
            if span and kind != "whole":
                start = int(span.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self.answer(416, b"")
                    return
                before = kind == "elsewhere"
                start -= before
                total = int(value) if kind == "says" else len(body)
                headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
                headers["Content-Length"] = str(total - start - before)
                body, status = body[start : len(body) - before], 206
            headers.setdefault("Content-Length", value if kind == "says" else str(len(body)))
            if kind == "chunks":
                headers = {"Transfer-Encoding": "chunked", "ETag": site.etag(path)}
                body = b"%x\r\n%b" % (len(body), body[: int(value)])
            if kind in ("cut", "reset", "hang"):
                body = body[: int(value)]
            self.answer(status, body, headers)
            if kind == "hang":
                self.wfile.flush()
                self.connection.recv(1)
            if kind == "reset":
                self.wfile.flush()
                now = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                self.connection.close()

        def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
