"""A stand-in for an S3 server, over real HTTP on loopback, for what a real one does not do on demand.

It keeps any key (`../x` too), checks no signature, and misbehaves as told: each fault is used once, in order,
by the next GET of that object or by the next listing.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "fake-bucket"
LISTING = "<listing>"


class FakeS3:
    """The server as a context manager: fill `objects` and `faults`, read `requests` afterwards.

    Faults: an HTTP status ("500", "503", "403"), "cut" (the connection breaks within the body), "short" (a
    whole answer with fewer bytes), "corrupt" (other bytes, same length), "slow" (0.3 s late), "other"
    (another ETag). `etags` replaces the true ETag of an object, `kms` says which ones are under SSE-KMS.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: defaultdict[str, list[str]] = defaultdict(list)
        self.requests: list[tuple[str, str]] = []
        self.etags: dict[str, str] = {}
        self.kms: set[str] = set()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self.endpoint = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> FakeS3:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def etag(self, key: str) -> str:
        """The ETag that the server shows, without quotes."""
        return self.etags.get(key) or hashlib.md5(self.objects[key], usedforsecurity=False).hexdigest()

    def next_fault(self, key: str) -> str:
        """The fault to show now, "" for none."""
        return self.faults[key].pop(0) if self.faults[key] else ""

    def gets(self, key: str) -> int:
        """How often an object's body was asked for."""
        return self.requests.count(("GET", key))

    def listing(self, prefix: str) -> bytes:
        """All objects below a prefix as one page of ListObjectsV2."""
        items = "".join(
            f"<Contents><Key>{escape(quote(key, safe='/'))}</Key><Size>{len(body)}</Size>"
            f"<ETag>&quot;{self.etag(key)}&quot;</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, body in self.objects.items()
            if key.startswith(prefix)
        )
        return (
            f"<ListBucketResult><Name>{BUCKET}</Name><EncodingType>url</EncodingType>"
            f"<IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        ).encode()


def _handler(fake: FakeS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            _, bucket, key = [*unquote(url.path).split("/", 2), ""][:3]
            listing = not key
            name = LISTING if listing else key
            fake.requests.append(("GET", name))
            fault = fake.next_fault(name)
            if bucket != BUCKET:
                self.answer(404, error("NoSuchBucket"))
            elif fault.isdigit():
                self.answer(
                    int(fault), error({"403": "AccessDenied", "503": "SlowDown"}.get(fault, "InternalError"))
                )
            elif listing:
                self.answer(200, fake.listing(parse_qs(url.query).get("prefix", [""])[0]))
            elif key not in fake.objects:
                self.answer(404, error("NoSuchKey"))
            else:
                self.body(key, fault)

        def do_HEAD(self) -> None:
            key = [*unquote(urlsplit(self.path).path).split("/", 2), ""][2]
            fake.requests.append(("HEAD", key))
            if key not in fake.objects:
                self.answer(404, b"", {"Content-Length": "0"})
                return
            headers = {"ETag": f'"{fake.etag(key)}"', "Content-Length": str(len(fake.objects[key]))}
            if key in fake.kms:
                headers["x-amz-server-side-encryption"] = "aws:kms"
            self.answer(200, b"", headers)

        def do_PUT(self) -> None:
            key = unquote(urlsplit(self.path).path).split("/", 2)[2]
            fake.requests.append(("PUT", key))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = fake.next_fault(key)
            if fault.isdigit():
                self.answer(int(fault), error("AccessDenied" if fault == "403" else "InternalError"))
                return
            fake.objects[key] = body[:-1] + b"!" if fault == "corrupt" else body
            self.answer(200, b"", {"ETag": f'"{fake.etag(key)}"'})

        def body(self, key: str, fault: str) -> None:
            content = fake.objects[key]
            status, headers = (
                200,
                {"ETag": f'"{fake.etag(key)}"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"},
            )
            if fault == "other":
                headers["ETag"] = '"0123456789abcdef0123456789abcdef"'
            if span := self.headers.get("Range"):
                start, end = (int(number) for number in span.removeprefix("bytes=").split("-"))
                headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
                status, content = 206, content[start : end + 1]
            if fault == "slow":
                time.sleep(0.3)
            if fault == "short":
                content = content[:-1]
            if fault == "corrupt":
                content = bytes([content[0] ^ 1]) + content[1:]
            if fault == "cut":
                headers["Content-Length"] = str(len(content))
                content = content[: len(content) // 2]
                self.close_connection = True
            self.answer(status, content, headers)

        def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def error(code: str) -> bytes:
    """An S3 error document."""
    return f"<Error><Code>{code}</Code><Message>as told by the test</Message></Error>".encode()
