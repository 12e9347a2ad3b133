"""YAML and JSON from elsewhere, read within limits: size, depth, and what aliases repeat.

    path -> bytes (a regular file, not too large) -> events, counted -> values made of YAML's plain tags

A document of a kilobyte may stand for a billion values, and a deep one end the process. PyYAML's parser in C, where it is
there, cannot be interrupted: within these limits it takes a second at most.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import yaml

from .files import read_regular

MAX_BYTES = 2_000_000
MAX_DEPTH = 60
MAX_VALUES = 100_000
MAX_DIGITS = 200
"""A longer number takes minutes to convert, or cannot be printed."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(ValueError):
    """It is not a document, or it is too large; the message is what is wrong with it."""


def read_yaml(path: str | Path) -> Any:
    """What the YAML file `path` holds; raises `OSError` where it cannot be read, `DocumentError`."""
    data = read_regular(path, MAX_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise OSError(errno.EILSEQ, f"it is not UTF-8: {exc}", str(path)) from exc
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """What the YAML `text` holds, of plain tags only; raises `DocumentError`."""
    if len(text) > MAX_BYTES:
        raise DocumentError(f"it has more than {MAX_BYTES:,} characters")
    try:
        _Limits().check(text)
        return _values(text)
    except DocumentError:
        raise
    except yaml.YAMLError as exc:
        raise DocumentError(" ".join(str(exc).split())) from exc
    except Exception as exc:
        # A date such as 2020-13-01, a tag on a value of another kind.
        raise DocumentError(f"it has a value that is not valid: {exc or type(exc).__name__}") from exc


def _values(text: str) -> Any:
    loader = _LOADER(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Limits:
    """Counts the values of a document as they will be once its aliases are replaced by what they name."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._open: list[list[Any]] = [["", 0]]

    def check(self, text: str) -> None:
        """Raise `DocumentError` where the document is too deep or too large, or holds itself."""
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                if any(anchor == event.anchor for anchor, _ in self._open):
                    raise DocumentError("it contains itself (an alias inside what it names)")
                self._add(self._sizes.get(str(event.anchor), 1))
            elif isinstance(event, yaml.ScalarEvent):
                self._number(event)
                if event.anchor:
                    self._sizes[event.anchor] = 1
                self._add(1)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open.append([event.anchor or "", 1])
                if len(self._open) > MAX_DEPTH + 1:
                    raise DocumentError(f"it is nested more than {MAX_DEPTH} deep")
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, size = self._open.pop()
                if anchor:
                    self._sizes[anchor] = size
                self._add(size)

    def _add(self, size: int) -> None:
        self._open[-1][1] += size
        if self._open[-1][1] > MAX_VALUES:
            raise DocumentError(f"it has more than {MAX_VALUES:,} values, aliases replaced by what they name")

    def _number(self, event: Any) -> None:
        if len(event.value) > MAX_DIGITS and event.implicit[0] and event.value[:1] in "0123456789+-.":
            raise DocumentError(f"it has a number with more than {MAX_DIGITS} digits")


def parse_json(text: str | bytes) -> Any:
    """What the JSON `text` holds; raises `ValueError`, also for one that is nested too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError as exc:
        raise DocumentError("it is nested too deep") from exc


def read_json(path: str | Path, limit: int = 0) -> Any:
    """What the JSON file `path` holds; raises `OSError`, `ValueError`; `limit` as for `read_regular`."""
    return parse_json(read_regular(path, limit))
