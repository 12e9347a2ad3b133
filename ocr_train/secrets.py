"""Keeping credentials out of everything that is logged, stored or printed.

Secret is: the value of every environment variable whose name says so, the password in any address, and the value
of any setting whose name says so. What is secret is replaced by `***`; the rest of a text stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

HIDDEN = "***"
SECRET_NAME = re.compile(
    r"(secret|token|passw(or)?d|passphrase|credential|api_?key|access_?key|private_?key)", re.IGNORECASE
)
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]*://)[^/\s@'\"]+@", re.IGNORECASE)
_SETTING = re.compile(
    r"(?P<name>[\w.\-]*(?:secret|token|passw(?:or)?d|passphrase|credential|api_?key|access_?key|private_?key)[\w\-]*)"
    r"(?P<sign>['\"]?\s*[=:]\s*)(?P<quote>['\"]?)(?P<value>[^\s'\",}\]]+)",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset({"none", "null", "true", "false", "~", HIDDEN})
MIN_LENGTH = 6
"""Shorter values are no secrets worth hiding, and would be found in every other word."""


class Redactor:
    """Replaces what is secret on this machine in texts."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        values = {
            value
            for name, value in environment.items()
            if SECRET_NAME.search(name) and len(value) >= MIN_LENGTH and not _is_path(value)
        }
        values |= {
            password
            for value in environment.values()
            for password in re.findall(r"://[^/\s:@]*:([^/\s@]+)@", value)
            if len(password) >= MIN_LENGTH
        }
        # The longest first: one secret may be the beginning of another.
        self._values = sorted(values, key=len, reverse=True)

    def text(self, text: str) -> str:
        """`text` without secrets."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        text = _ADDRESS.sub(rf"\g<scheme>{HIDDEN}@", text)
        return _SETTING.sub(_hide_setting, text)

    def value(self, name: str, value: str) -> str:
        """The value of a setting called `name`, hidden whole where the name says that it is secret."""
        last = name.rpartition(".")[2].rpartition("/")[2]
        if SECRET_NAME.search(last) and value.strip().lower() not in _NOT_SECRET | {""}:
            return HIDDEN
        return self.text(value)

    def file(self, path: Path, scratch: Path) -> Path:
        """`path`, or a copy of it without secrets in `scratch` where it is a text that holds some."""
        if path.suffix.lower() not in (".txt", ".log", ".yml", ".yaml", ".json", ".jsonl", ".tsv", ".html"):
            return path
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        clean = self.text(text)
        if clean == text:
            return path
        copy = scratch / path.name
        copy.write_text(clean, encoding="utf-8", errors="surrogateescape")
        return copy


def _hide_setting(match: re.Match[str]) -> str:
    if match["value"].lower() in _NOT_SECRET:
        return match[0]
    return f"{match['name']}{match['sign']}{match['quote']}{HIDDEN}"


def _is_path(value: str) -> bool:
    """Variables such as AWS_WEB_IDENTITY_TOKEN_FILE name a file: the name is no secret."""
    return value.startswith(("/", "./", "~")) and "\n" not in value
