"""What may be printed of an address or of an exception, and which address holds from any folder."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from ocr_train.redaction.names import HIDDEN, can_be_secret, is_secret_query

_SQLITE = "sqlite:///"
_USER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.\-]{0,30}://)"
    # As it should be; or a password that was not quoted and has a slash in it. A number is a port.
    r"(?P<user>[^\s/?#'\"<>`]*|[^\s/?#'\"<>`@:]*:(?!\d*(?:[/?#]|$))[^\s'\"<>`@]*)@",
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"(?P<lead>[?&;])(?P<name>[\w.\-]{1,80})=(?P<value>[^\s'\"<>`&#,;\\)\]}]+)",
)
_WHOLE = re.compile(r"[a-z][a-z0-9+.\-]*:[^\s'\"<>`]+", re.IGNORECASE)


def without_password(uri: str) -> str:
    """`uri` without user name, password and query: what may be printed."""
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:
        return redacted(uri)
    if not parts.netloc:
        return redacted(uri)
    return redacted(
        urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    )


def first_line(exc: BaseException) -> str:
    """The first line of an exception's text, for a message, without passwords; in words where an MLflow server
    does not know a call: its own answer is a page of HTML."""
    if is_unknown_call(exc):
        call = re.search(r"/api/[\w./-]+", str(exc))
        return f"this MLflow server does not know the call {call[0] if call else ''}: it is older than the client"
    return redacted((str(exc).strip().splitlines() or [type(exc).__name__])[0])


def is_unknown_call(exc: BaseException) -> bool:
    """Whether an MLflow server reports that it does not know a call, such as those about logged models, which came
    with MLflow 3."""
    return getattr(exc, "error_code", "") == "ENDPOINT_NOT_FOUND"


def redacted(text: str) -> str:
    """`text` without what is secret in the addresses in it: user names, passwords, signatures.

    MLflow's and other libraries' messages quote them.
    """
    if "://" in text:
        text = _USER.sub(rf"\g<scheme>{HIDDEN}@", text)
    if "=" not in text:
        return text
    # Nothing follows: a value may hold what ends one in a sentence.
    if _WHOLE.fullmatch(text):
        return re.sub(r"(?P<lead>[?&;])(?P<name>[^=?&;]{1,80})=(?P<value>[^&;#]+)", _hide, text)
    return _PARAMETER.sub(_hide, text)


def secrets_in(text: str) -> Iterator[str]:
    """The passwords and signatures in the addresses of `text`, as they are written there."""
    for match in _USER.finditer(text):
        user, colon, password = match["user"].partition(":")
        # A long name without a password is a token, as in https://TOKEN@host.
        yield password if colon else user if len(user) >= _LEAST_TOKEN else ""
    for match in _PARAMETER.finditer(text):
        if _is_secret(match):
            yield match["value"]


_LEAST_TOKEN = 16


def _hide(match: re.Match[str]) -> str:
    return f"{match['lead']}{match['name']}={HIDDEN}" if _is_secret(match) else match[0]


def _is_secret(match: re.Match[str]) -> bool:
    return is_secret_query(match["name"]) and can_be_secret(match["name"], match["value"])


def from_anywhere(uri: str) -> str:
    """`uri` without its password, and absolute where it is a file: it means the same from another folder."""
    if uri.startswith(_SQLITE) and not uri.startswith(f"{_SQLITE}/"):
        return f"{_SQLITE}{Path(uri.removeprefix(_SQLITE)).absolute()}"
    return without_password(uri)
