"""Keeping credentials out of everything that is logged, stored or printed.

Three things are replaced by `***`, each where it can be told for sure, and the rest of a text stays as it is:

    values   what this process knows to be secret: the environment, MLflow's and AWS' files of credentials, passwords in
             addresses, secret settings of the launch. Wherever they occur, in any text
    shapes   what can be nothing else: a private key, a JWT, `ghp_...`, `AKIA...`, `Bearer ...`. In any text
    names    what stands under a name that says so: in structured data, and as `NAME=value` in settings and logs

Values are replaced before they are rendered: never in HTML, JSON or YAML that is finished. Labels, predictions,
dictionaries and manifests are the user's data, and are never changed, whatever they hold.
"""

from __future__ import annotations

import json
import re
import shlex
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_bytes
from ocr_train.redaction.addresses import redacted, secrets_in
from ocr_train.redaction.names import HIDDEN, can_be_secret, is_secret_name, is_secret_variable
from ocr_train.redaction.shapes import hide_shapes

MIN_LENGTH = 6
"""Shorter values are not worth hiding, and would be found in every other word."""
USER_DATA = frozenset({"character_dict", "character", "label_list"})
"""Keys of a configuration under which a dictionary or labels stand."""
OVERRIDES = "overrides"
"""The parameter that holds settings as `KEY=VALUE KEY=VALUE`."""
_LINE_LENGTH = 20
"""A line of a secret of several lines (a private key) that is long enough to be told from others."""
_STEM = r"(?:secret|token|pass|pwd|credential|key|auth)"
_QUOTED = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_PLAIN = r"(?:[^\s'\"<>`&,;\\]|[,;](?!\s|[\w.\-]+\s*[=:]))*[^\s'\"<>`&,;.)\]}\\]"
"""A value without quotes: it ends before what ends a sentence, a bracket, or the next setting."""
_SETTING = re.compile(
    rf"(?<![\w.\-])(?P<name>[\w.\-]{{0,100}}{_STEM}[\w\-]{{0,60}})"
    rf"(?P<sign>\\?['\"]?\s{{0,20}}[=:]\s{{0,20}}\\?)(?P<value>{_QUOTED}|['\"]?{_PLAIN})",
    re.IGNORECASE,
)
_OPTION = re.compile(
    rf"(?<!\S)--(?P<name>[\w.\-]{{0,100}}{_STEM}[\w\-]{{0,60}})(?P<sign>[ =])(?P<value>{_QUOTED}|{_PLAIN})",
    re.IGNORECASE,
)
_CREDENTIALS_LINE = re.compile(r"^\s*(?P<name>\w+)\s*=\s*(?P<value>\S.*?)\s*$", re.MULTILINE)
_remembered: set[str] = set()


class Redactor:
    """Replaces what is secret: the values that it is given, and what shapes and names give away.

    `environment` are variables with their values, `known` further secret values.
    """

    def __init__(self, environment: Mapping[str, str], known: Iterable[str] = ()) -> None:
        values = {form for value in (*_of_environment(environment), *known) for form in _forms(value)}
        # The longest first: one secret may be the beginning of another.
        ordered = sorted((value for value in values if len(value) >= MIN_LENGTH), key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """A message or any other text, without secret values and shapes."""
        if self._values is not None:
            text = self._values.sub(HIDDEN, text)
        return hide_shapes(redacted(text))

    def log(self, text: str) -> str:
        """Plain text of settings, such as a log or a command line: `NAME=value` and `NAME: value` are hidden, too."""
        text = self.text(text)
        return _SETTING.sub(_hide_setting, _OPTION.sub(_hide_setting, text))

    def value(self, name: str, value: Any) -> Any:
        """The value of the setting or parameter `name`: a copy without secrets, all of the same types.

        A mapping or list is gone through; what is no text, or the user's data, stays.
        """
        if name.rpartition(".")[2] in USER_DATA:
            return value
        if isinstance(value, Mapping):
            return {key: self.value(f"{name}.{key}", one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(name, one) for one in value]
        if is_secret_name(name) and can_be_secret(name, value):
            return HIDDEN
        if not isinstance(value, str):
            return value
        return self._overrides(value) if name.rpartition(".")[2] == OVERRIDES else self.log(value)

    def mapping(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration without secrets: it is written after this, and means the same but for them."""
        return {key: self.value(str(key), one) for key, one in document.items()}

    def clean_file(self, path: Path) -> None:
        """Rewrite the log `path` without secrets, whole or not at all; raises `OSError`."""
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        clean = self.log(text)
        if clean == text:
            return
        write_bytes(path, clean.encode("utf-8", "surrogateescape"))

    def _overrides(self, text: str) -> str:
        """`KEY=VALUE KEY=VALUE`: what is under a secret key is hidden whole, whatever it holds."""
        try:
            words = shlex.split(text)
        except ValueError:
            return self.log(text)
        clean = [self._override(word) for word in words]
        return text if clean == words else shlex.join(clean)

    def _override(self, word: str) -> str:
        key, equals, value = word.partition("=")
        if not equals:
            return self.log(word)
        if is_secret_name(key) and can_be_secret(key, value):
            return f"{key}={HIDDEN}"
        return f"{key}={self.log(value)}"


def redactor() -> Redactor:
    """The one for this process, as it is now."""
    import os

    return _made(tuple(sorted(os.environ.items())), frozenset(_remembered))


def remember(values: Iterable[str]) -> None:
    """Have `values` hidden by every `redactor()` from now on: this process was given them as secrets."""
    _remembered.update(value for value in values if len(value) >= MIN_LENGTH)


def forget() -> None:
    """Have only the environment's hidden again."""
    _remembered.clear()


def secrets_of(name: str, value: Any) -> Iterator[str]:
    """The secret texts in the setting `name`, which may be a mapping: those under secret names, and in addresses."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from secrets_of(f"{name}.{key}", one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from secrets_of(name, one)
    elif is_secret_name(name) and can_be_secret(name, value):
        yield str(value)
    elif isinstance(value, str):
        yield from secrets_in(value)


@lru_cache(maxsize=2)
def _made(environment: tuple[tuple[str, str], ...], known: frozenset[str]) -> Redactor:
    variables = dict(environment)
    return Redactor(variables, (*known, *_of_files(variables)))


def _of_environment(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        # Whatever it is called, what stands in such a variable may be a number.
        if is_secret_variable(name) and can_be_secret("password", value) and not _is_path(value):
            yield value
            yield from (line for line in value.splitlines() if len(line) >= _LINE_LENGTH)
        yield from secrets_in(value)
        # As in "AccountName=x;AccountKey=..." of a connection string.
        yield from (_bare(match["value"]) for match in _settings_in(value))


def _settings_in(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _SETTING.finditer(text) if _is_secret(match))


def _of_files(environment: Mapping[str, str]) -> Iterator[str]:
    """The secrets of all profiles in AWS' and MLflow's files of credentials."""
    home = Path(environment.get("HOME") or "~").expanduser()
    aws = environment.get("AWS_SHARED_CREDENTIALS_FILE")
    for path in (Path(aws) if aws else home / ".aws" / "credentials", home / ".mlflow" / "credentials"):
        try:
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        except OSError:
            continue
        yield from (
            match["value"] for match in _CREDENTIALS_LINE.finditer(text) if is_secret_name(match["name"])
        )


def _forms(secret: str) -> Iterator[str]:
    """How `secret` may be written: as it is, in an address, in JSON, in a shell's quotes."""
    quoted = urllib.parse.quote(secret, safe="")
    yield from (secret, secret.strip(), quoted, urllib.parse.quote(secret), urllib.parse.quote_plus(secret))
    yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield urllib.parse.unquote(secret)
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield shlex.quote(secret).strip("'")


def _hide_setting(match: re.Match[str]) -> str:
    if not _is_secret(match):
        return match[0]
    quote = match["value"][0] if match["value"][0] in "'\"" else ""
    end = quote if len(match["value"]) > 1 and match["value"].endswith(quote) else ""
    lead = match[0][: -len(match["value"])]
    return f"{lead}{quote}{HIDDEN}{end}"


def _is_secret(match: re.Match[str]) -> bool:
    return is_secret_name(match["name"]) and can_be_secret(match["name"], _bare(match["value"]))


def _bare(value: str) -> str:
    return value.strip("'\"")


def _is_path(value: str) -> bool:
    """Variables such as AWS_WEB_IDENTITY_TOKEN_FILE or PWD name a file, which is not a secret. A key of AWS may begin with
    a slash as well."""
    if not value.startswith(("/", "./", "../", "~/")) or "\n" in value:
        return False
    plain = re.fullmatch(r"[~.]*(?:/[\w.\- ]+)*/?(?:\.\w{1,8})?", value) is not None
    return plain and (not re.search(r"[A-Za-z0-9]{20}", value) or Path(value).exists())
