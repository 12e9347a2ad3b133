"""The way to an MLflow server: certificates and proxies as MLflow's own client has them, and what is no MLflow."""

from __future__ import annotations

import http.client
import http.server
import socket
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ocr_train.errors import TrackingError
from ocr_train.server.serve import ServerAddress
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.preflight import check_answers

NAME = "mlflow.example"
"""A name that only the proxy of the test knows."""


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificate of this machine; what `connect` sets is gone after the test."""
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private authority (ca.pem), and what it signed: server.pem for 127.0.0.1 and client.pem, keys included."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ours", "-days", "2")
    for name in ("server", "client"):
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1", encoding="ascii")
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
        both = (folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text()
        (folder / f"{name}.pem").write_text(both, encoding="ascii")
    return folder


class _Handler(http.server.BaseHTTPRequestHandler):
    """Passes requests on to `target`, as a server in front of it and as a proxy that is asked by address."""

    target: ClassVar[str] = ""
    seen: ClassVar[list[str]] = []

    def _pass_on(self) -> None:
        self.seen.append(f"{self.command} {self.path}")
        parts = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(self.target, timeout=30)
        headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        connection.request(self.command, f"{parts.path}?{parts.query}", body, headers)
        answer = connection.getresponse()
        self._reply(answer.status, answer.read())
        connection.close()

    def _reply(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _pass_on  # noqa: N815 - http.server's names

    def do_CONNECT(self) -> None:
        """A tunnel, whose other end is always `target`."""
        self.seen.append(f"CONNECT {self.path}")
        host, port = self.target.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as other:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(other, self.connection))
            back.start()
            _pump(self.connection, other)
            back.join()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to the terminal."""


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def serving(
    handler: type[http.server.BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server on loopback; its host and port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def front(target: str, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server in front of `target`, or a proxy to it; its host and port, and the requests that it saw."""
    seen: list[str] = []
    with serving(type("Front", (_Handler,), {"target": target, "seen": seen}), tls) as place:
        yield place, seen


def tls_of(certificates: Path, *, asks: bool = False) -> ssl.SSLContext:
    """The server's side; `asks`: it wants to see a certificate of the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem")
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "ca.pem")
    return context


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_SERVER_CERT_PATH", "{}/ca.pem"),
        ("REQUESTS_CA_BUNDLE", "{}/ca.pem"),
        ("CURL_CA_BUNDLE", "{}/ca.pem"),
        ("MLFLOW_TRACKING_INSECURE_TLS", "true"),
    ],
)
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_private_authority_is_trusted_where_it_is_named(
    servers: ServerAddress, certificates: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A real MLflow server behind TLS; without the variable, one sentence says which there are."""
    with front(servers.tracking_uri.removeprefix("http://"), tls_of(certificates)) as (place, _):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://{place}")
        with pytest.raises(TrackingError, match=r"certificates .* are not accepted.*VERIFY_FAILED") as caught:
            connect()
        assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in caught.value.hint
        monkeypatch.setenv(name, value.format(certificates))
        assert connect().search_experiments(max_results=1)


def test_a_client_s_certificate_is_shown(
    servers: ServerAddress, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a server that asks for one."""
    with front(servers.tracking_uri.removeprefix("http://"), tls_of(certificates, asks=True)) as (place, _):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://{place}")
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificates / "ca.pem"))
        with pytest.raises(TrackingError):
            connect()
        monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", str(certificates / "client.pem"))
        assert connect().search_experiments(max_results=1)


def test_an_http_proxy_is_used(servers: ServerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone knows the server's name; NO_PROXY leaves it out."""
    with front(servers.tracking_uri.removeprefix("http://")) as (place, seen):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{NAME}")
        monkeypatch.setenv("HTTP_PROXY", f"http://{place}")
        assert connect().search_experiments(max_results=1)
        assert seen[0] == f"GET http://{NAME}/health"
        monkeypatch.setenv("NO_PROXY", NAME)
        with pytest.raises(TrackingError, match="no MLflow server answers"):
            connect()


def test_a_tunnel_through_a_proxy_is_used(
    servers: ServerAddress, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY with a private authority."""
    with (
        front(servers.tracking_uri.removeprefix("http://"), tls_of(certificates)) as (place, _),
        front(place) as (proxy, seen),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://127.0.0.1:5999")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificates / "ca.pem"))
        assert connect().search_experiments(max_results=1)
        assert seen[0] == "CONNECT 127.0.0.1:5999"


def test_a_proxy_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the server that is missing."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="the proxy on the way") as caught:
        check_answers(f"http://{NAME}")
    assert "NO_PROXY" in caught.value.hint


def test_a_file_of_certificates_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With its path."""
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "gone.pem"))
    with pytest.raises(TrackingError, match=r"gone\.pem"):
        check_answers("https://127.0.0.1:9")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:abc", "http://[::1", "http://127.0.0.1:99999"])
def test_what_is_no_address_is_said(uri: str) -> None:
    """Not as a server that is away."""
    with pytest.raises(TrackingError, match="is not the address of an MLflow server"):
        check_answers(uri)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, b'{"status": "ok"}'),
        (200, b"[]"),
        (200, b"<html><form>Sign in</form></html>"),
        (200, b"OK"),
        (302, b""),
        (401, b"You are not authenticated"),
    ],
)
def test_what_is_no_mlflow_is_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    """Another service, a login page, a redirect to one: a sentence, and nothing is started."""

    class Other(_Handler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if status == 302 and self.path != "/login":
                self.send_response(302)
                self.send_header("Location", "/login")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._reply(200 if status == 302 else status, body or b"<html>Sign in</html>")

        do_GET = do_POST = _answer  # noqa: N815 - http.server's names

    with serving(Other) as place:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{place}")
        with pytest.raises(TrackingError, match="does not answer as one"):
            connect()
