"""Whether anything answers at MLflow's address, asked once and soon: before MLflow is loaded, and without its retries.

The way there is MLflow's own: `requests`, with the same variables for certificates and proxies as MLflow's client.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import redacted, without_password

CONNECT_TIMEOUT_S = 5.0
_BODY_BYTES = 100
_VERSION = re.compile(r"\d+\.\d[\w.+-]{0,30}", re.ASCII)
_CERTIFICATE_HINT = (
    "Name the file of the authority that signed it in MLFLOW_TRACKING_SERVER_CERT_PATH or REQUESTS_CA_BUNDLE, your own "
    "certificate, where the server asks for one, in MLFLOW_TRACKING_CLIENT_CERT_PATH; "
    "MLFLOW_TRACKING_INSECURE_TLS=true trusts any."
)
_START_HINT = (
    "Start it (`python -m ocr_train server --dir server`), or correct MLFLOW_TRACKING_URI; "
    "unset, runs go to sqlite:///mlflow.db in the current folder."
)


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What an MLflow server tells without being asked for anything of a run: its `version`, empty where it does not, and
    its clock in Unix seconds, None where it does not."""

    version: str = ""
    clock_s: float | None = None


def check_answers(uri: str) -> None:
    """Raise `TrackingError` unless something speaks HTTP at `uri`; addresses of other kinds are not asked."""
    if is_http(uri):
        _ask(uri, "health")


def server_facts(uri: str) -> ServerFacts:
    """The version and the clock of the server at `uri`, an address with http; raises `TrackingError`."""
    body, headers = _ask(uri, "version")
    version = body.strip()
    try:
        clock_s = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        clock_s = None
    return ServerFacts(version=version if _VERSION.fullmatch(version) else "", clock_s=clock_s)


def _ask(uri: str, path: str) -> tuple[str, Mapping[str, str]]:
    """The beginning of what `path` of the server answers, and the headers of the answer."""
    import requests

    shown = without_password(uri)
    try:
        with requests.get(
            f"{uri.rstrip('/')}/{path}",
            timeout=CONNECT_TIMEOUT_S,
            allow_redirects=False,
            stream=True,
            verify=_verify(),
            cert=os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
        ) as answer:
            body = next(answer.iter_content(_BODY_BYTES), b"") if answer.ok and path == "version" else b""
            return body.decode("utf-8", "replace"), answer.headers
    except requests.exceptions.SSLError as exc:
        raise TrackingError(
            f"the certificates of the MLflow server at {shown} are not accepted: {_innermost(exc)}",
            hint=_CERTIFICATE_HINT,
        ) from exc
    except requests.exceptions.ProxyError as exc:
        raise TrackingError(
            f"the proxy on the way to {shown} does not allow the connection: {_innermost(exc)}",
            hint="Correct HTTP_PROXY and HTTPS_PROXY, or name the server in NO_PROXY.",
        ) from exc
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as exc:
        raise TrackingError(
            f"no MLflow server answers at {shown}: {_innermost(exc)}", hint=_START_HINT
        ) from exc
    except ValueError as exc:
        raise _no_address(uri, exc) from exc
    except requests.exceptions.RequestException as exc:
        raise TrackingError(f"no MLflow server answers at {shown}: {exc}", hint=_START_HINT) from exc
    except OSError as exc:
        # A file of certificates that is not there.
        raise TrackingError(
            f"the MLflow server at {shown} could not be asked: {exc}", hint=_CERTIFICATE_HINT
        ) from exc


def is_http(uri: str) -> bool:
    """Whether `uri` is the address of a server; raises `TrackingError` where it is none of any kind."""
    try:
        parts = urllib.parse.urlsplit(uri)
        _ = parts.port
    except ValueError as exc:
        raise _no_address(uri, exc) from exc
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _verify() -> bool | str:
    """As MLflow's client has it; True leaves REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE to `requests`."""
    if named := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH", ""):
        return named
    return os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() not in ("true", "1")


def _no_address(uri: str, exc: Exception) -> TrackingError:
    return TrackingError(
        f"{without_password(uri)!r} is not the address of an MLflow server: {redacted(str(exc))}",
        hint="Correct MLFLOW_TRACKING_URI, as in http://host:5000.",
    )


def _innermost(exc: BaseException) -> str:
    """What the system reported, without what `requests` and urllib3 wrap around it."""
    while exc.__context__ is not None:
        exc = exc.__context__
    return redacted(str(exc) or type(exc).__name__)
