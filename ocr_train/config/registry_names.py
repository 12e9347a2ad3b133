"""What a model is registered as: NAME or NAME@ALIAS, checked before anything is trained, exported or uploaded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocr_train.errors import ConfigError

_NAME = re.compile(r"[^/:@'\"`\\\x00-\x1f]{1,200}")
_ALIAS = re.compile(r"[\w-]{1,200}")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class RegistryTarget:
    """What a model is registered as: a name, and the alias that is to point to it ("" for none)."""

    name: str
    alias: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.alias}" if self.alias else self.name


def parse_target(text: str) -> RegistryTarget:
    """Read NAME or NAME@ALIAS; raises `ConfigError` for what the registry would refuse.

    MLflow refuses "/" and ":" in a name, and as an alias "latest" and "v1"; names with quotes and "@" could not
    be asked for again.
    """
    name, at, alias = text.strip().partition("@")
    hint = "Give NAME or NAME@ALIAS, such as ocr-det@challenger."
    if not _NAME.fullmatch(name) or name.strip() != name or name in (".", ".."):
        raise ConfigError(f"{text!r}: {name!r} cannot be the name of a registered model.", hint=hint)
    if at and (not _ALIAS.fullmatch(alias) or _RESERVED.fullmatch(alias)):
        raise ConfigError(
            f"{text!r}: {alias!r} cannot be an alias: letters, digits, _ and - are allowed; latest and v1 are "
            "MLflow's own.",
            hint=hint,
        )
    return RegistryTarget(name=name, alias=alias)
