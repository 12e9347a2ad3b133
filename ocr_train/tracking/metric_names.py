"""Names and values as MLflow takes them: made legal and cut here and nowhere else, and never two names the same."""

from __future__ import annotations

import re

NAME_LIMIT = 250
PARAM_LIMIT = 6000
TAG_LIMIT = 8000


def legal_name(name: str) -> str:
    """`name` with what MLflow refuses replaced: letters, digits and `_ - . : /` and spaces stay."""
    cleaned = re.sub(r"[^\w\-. :/]", "_", name)
    cleaned = re.sub(r"/{2,}", "/", cleaned).strip("/ ")
    parts = [
        part if part not in (".", "..", "") else "_" for part in cleaned[:NAME_LIMIT].rstrip("/").split("/")
    ]
    return "/".join(parts)


class MetricNames:
    """Legal names, one for each name that was asked for: no two share one.

    Names that differ in nothing but case count as the same: MLflow on MySQL would make one curve of them.
    """

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def legal(self, name: str) -> str:
        """The legal name of `name`; a second name that would become the same gets a number."""
        if name not in self._given:
            legal = wanted = legal_name(name)
            number = 2
            while legal.casefold() in self._taken:
                end = f"_{number}"
                legal = wanted[: NAME_LIMIT - len(end)] + end
                number += 1
            self._given[name] = legal
            self._taken.add(legal.casefold())
        return self._given[name]

    def renamed(self, name: str) -> bool:
        """Whether `name` had to give way to another one and has a number now."""
        return self._given.get(name, "") != legal_name(name)


def cut(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, marked where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
