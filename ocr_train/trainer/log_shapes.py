"""Progress lines of a shape that was seen before: all their numbers by one regular expression.

The lines of one training differ in their numbers alone. `log_lines` and `log_values` read the first one, whatever its format is; what
stood between its numbers becomes a pattern, and a line that fits it from its first to its last character would be read in the same
way. That takes a fifth of the time. Every other line goes the long way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

_NUMBER = r"[+-]?\d{1,18}(?:\.\d{1,18})?(?:e[+-]?\d{1,3})?"
_ETA = r"(?:-?\d{1,6} days?, )?\d{1,4}:\d\d:\d\d"
_HEAD = re.compile(
    r"(?:\[(?P<slashes>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)\] [\w.]{1,40} INFO: |(?P<dashes>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})-INFO: )"
    r"epoch: (?:\[(?P<epoch>\d{1,9})/(?P<epochs>\d{1,9})\]|(?P<epoch_1x>\d{1,9})), {1,3}(?:global_step|iter): (?P<step>\d{1,18}), ",
    re.ASCII,
)
_PARTS = {
    "slashes": r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d",
    "dashes": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}",
    "epoch": r"(\d{1,9})",
    "epochs": r"(\d{1,9})",
    "epoch_1x": r"(\d{1,9})",
    "step": r"(\d{1,18})",
}
_FIELD = re.compile(
    rf"'?(?P<key>[A-Za-z_]\w{{0,60}})'?: (?:(?P<eta>{_ETA})|(?P<number>{_NUMBER})(?P<unit>(?: s| samples/s| MB)?))(?:,\s{{0,4}}|\s{{0,4}}$)",
    re.ASCII,
)
_KEPT = 8
"""So many shapes of one log are remembered."""


class ProgressNumbers(NamedTuple):
    """What a progress line says: the fields of `TrainProgress`."""

    epoch: int
    epochs: int | None
    step: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """`names` of the numbers in their order; `eta_at` is the place of the time that is left among them."""

    pattern: re.Pattern[str]
    names: tuple[str, ...]
    eta_at: int | None
    has_epochs: bool
    has_total: bool

    def read(self, text: str) -> ProgressNumbers | None:
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        epochs: int | None = None
        if self.has_epochs:
            epoch, count, step, *numbers = found.groups()
            epochs = int(count)
        else:
            epoch, step, *numbers = found.groups()
        eta = "" if self.eta_at is None else numbers.pop(self.eta_at)
        metrics = dict(zip(self.names, map(float, numbers), strict=True))
        if self.has_total:
            metrics.setdefault("train/loss", metrics["train/total_loss"])
        if eta:
            metrics["train/eta_s"] = eta_seconds(eta)
        return ProgressNumbers(int(epoch), epochs, int(step), metrics)


class ProgressShapes:
    """The shapes of the progress lines of one log."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names` are those of metrics that are not called as the trainer calls them."""
        self._names = names
        self._shapes: list[_Shape] = []

    def read(self, text: str) -> ProgressNumbers | None:
        """What the raw line says; None where its shape is not known."""
        for shape in self._shapes:
            found = shape.read(text)
            if found is not None:
                return found
        return None

    def learn(self, text: str, said: ProgressNumbers) -> None:
        """Remember the shape of a line that was read, unless it has anything unusual in it, or what it says would not come
        out the same."""
        shape = self._shape_of(text)
        if shape is not None and shape.read(text) == said:
            self._shapes = [shape, *self._shapes[: _KEPT - 1]]

    def _shape_of(self, text: str) -> _Shape | None:
        head = _HEAD.match(text)
        if head is None:
            return None
        pattern, at = "", 0
        for name, part in _PARTS.items():
            if head[name] is not None:
                pattern += re.escape(text[at : head.start(name)]) + part
                at = head.end(name)
        fields = _fields(text, head.end())
        if not fields:
            return None
        for number, field in enumerate(fields):
            group = "eta" if field["eta"] else "number"
            pattern += re.escape(text[at : field.start(group)])
            pattern += f"({_slot(field, last=number == len(fields) - 1)})"
            at = field.end(group)
        etas = [number for number, field in enumerate(fields) if field["eta"]]
        keys = [field["key"] for field in fields if not field["eta"]]
        if len(etas) > 1 or len(set(keys)) < len(keys):
            return None
        names = tuple(f"train/{self._names.get(key, key)}" for key in keys)
        return _Shape(
            pattern=re.compile(pattern + re.escape(text[at:].rstrip("\r\n")) + r"[\r\n]*", re.ASCII),
            names=names,
            has_total="train/total_loss" in names,
            eta_at=etas[0] if etas else None,
            has_epochs=head["epochs"] is not None,
        )


def _fields(text: str, at: int) -> list[re.Match[str]]:
    """The fields of a line from `at` on; none where there is anything else."""
    text = text.rstrip("\r\n")
    fields = []
    while at < len(text):
        field = _FIELD.match(text, at)
        if field is None or (field["key"] == "eta") != (field["eta"] is not None):
            return []
        fields.append(field)
        at = field.end()
    return fields


def _slot(field: re.Match[str], *, last: bool) -> str:
    """What a number may be. A last one without a unit has the same number of decimals: by these it is known to be whole."""
    if field["eta"]:
        return _ETA
    if not last or field["unit"]:
        return _NUMBER
    _, point, decimals = field["number"].partition(".")
    return rf"[+-]?\d{{1,18}}\.\d{{{len(decimals)}}}" if point else r"[+-]?\d{1,18}"


def eta_seconds(eta: str) -> float:
    """The seconds of what `datetime.timedelta` prints."""
    days, _, clock = eta.rpartition(", ")
    hours, minutes, seconds = clock.split(":")
    whole_days = int(days.partition(" ")[0]) if days else 0
    return float(((whole_days * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds))
