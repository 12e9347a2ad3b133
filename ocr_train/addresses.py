"""What may be printed of an address or of an exception, and which address holds from any folder."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

_SQLITE = "sqlite:///"


def without_password(uri: str) -> str:
    """`uri` without user name, password and query: what may be printed."""
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:
        return redacted(uri)
    if not parts.netloc:
        return uri
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def first_line(exc: BaseException) -> str:
    """The first line of an exception's text, for a message, without passwords."""
    return redacted((str(exc).strip().splitlines() or [type(exc).__name__])[0])


def redacted(text: str) -> str:
    """`text` without the user names and passwords of the addresses in it: MLflow's messages quote them."""
    return re.sub(r"(://)[^/\s]*@", r"\1", text)


def from_anywhere(uri: str) -> str:
    """`uri` without its password, and absolute where it is a file: it means the same from another folder."""
    if uri.startswith(_SQLITE) and not uri.startswith(f"{_SQLITE}/"):
        return f"{_SQLITE}{Path(uri.removeprefix(_SQLITE)).absolute()}"
    return without_password(uri)
