"""Names and values as MLflow takes them: made legal and cut here and nowhere else, and never two names the same."""

from __future__ import annotations

import re

_SHOWN = {
    **{
        f"train/{name}": f"usage/{name}"
        for name in (
            *("epoch", "ips", "batch_cost_s", "reader_cost_s", "eta_s"),
            *("gpu_util_pct", "gpu_mem_reserved_mb", "gpu_mem_allocated_mb"),
        )
    },
    "eval/fps": "usage/eval_fps",
    "time/hours": "usage/hours",
    "time/reader_share": "usage/reader_share",
    "cost/usd": "usage/usd",
}
_SHOWN_PREFIX = {"sample/": "val_sample/"}
"""MLflow's page sorts the sections of charts by the part of the name before the slash, and the charts of one by the
rest: the score (best, eval) and the loss (train) come before what a run takes and before the pictures of a sample."""
_PLAIN = {shown: name for name, shown in _SHOWN.items()}
NAME_LIMIT = 250
PARAM_LIMIT = 6000
TAG_LIMIT = 8000


def shown_name(name: str) -> str:
    """The name under which MLflow's page has the metric `name`."""
    for prefix, shown in _SHOWN_PREFIX.items():
        if name.startswith(prefix):
            return shown + name.removeprefix(prefix)
    return _SHOWN.get(name, name)


def plain_name(shown: str) -> str:
    """Our own name of a metric of MLflow's page: runs of before have it there."""
    for prefix, other in _SHOWN_PREFIX.items():
        if shown.startswith(other):
            return prefix + shown.removeprefix(other)
    return _PLAIN.get(shown, shown)


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
