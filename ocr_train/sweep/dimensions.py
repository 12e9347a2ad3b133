"""What a sweep varies: a range of numbers or a list of choices under the name of a parameter or of a PaddleOCR setting."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocr_train.config.overrides import nearest

if TYPE_CHECKING:
    from optuna.trial import Trial

RANGE_KEYS = ("low", "high", "log", "step")
MOST_CHOICES = 100
MOST_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class NumberRange:
    """Numbers from `low` to `high`, both of which can be drawn: whole ones, or every `step` of them, or evenly on a
    logarithmic scale (`log`)."""

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def draw(self, trial: Trial) -> float:
        """The value of the trial."""
        if self.whole:
            return trial.suggest_int(
                self.name, int(self.low), int(self.high), log=self.log, step=int(self.step or 1)
            )
        return trial.suggest_float(self.name, self.low, self.high, log=self.log, step=self.step)

    @property
    def corners(self) -> tuple[float, ...]:
        """The values at its ends: what is wrong with a value is wrong with one of them."""
        return self._typed(self.low), self._typed(self.high)

    @property
    def points(self) -> tuple[float, ...]:
        """All of its values; none where they are not to be counted."""
        step = self.step or (1 if self.whole and not self.log else 0)
        if not step or self.log:
            return ()
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return tuple(self._typed(self.low + number * step) for number in range(min(count, MOST_STEPS)))

    def __str__(self) -> str:
        how = ", log" if self.log else f", step {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{how}"

    def _typed(self, value: float) -> float:
        # 0.1 + 2 * 0.1 is another number than the 0.3 that Optuna means.
        return int(value) if self.whole else float(f"{value:.12g}")


@dataclass(frozen=True, kw_only=True)
class ChoiceList:
    """A few texts, as they are given to `train`."""

    name: str
    texts: tuple[str, ...]

    def draw(self, trial: Trial) -> str:
        """The text of the trial."""
        return trial.suggest_categorical(self.name, self.texts)

    @property
    def corners(self) -> tuple[str, ...]:
        """All of them."""
        return self.texts

    points = corners

    def __str__(self) -> str:
        return ", ".join(text or "''" for text in self.texts)


Dimension = NumberRange | ChoiceList


def parse_dimension(name: str, value: Any, problems: list[str]) -> Dimension | None:
    """The dimension that a space file describes with `value`; None, and what is wrong with it, where it is none."""
    where = f"space.{name}"
    if isinstance(value, Mapping):
        return _range(name, value, where, problems)
    if isinstance(value, list):
        return _choices(name, value, where, problems)
    problems.append(
        f"{where}: {value!r} is neither a range such as {{low: 0.0001, high: 0.01, log: true}} nor a list of choices; "
        "what is the same for all trials belongs under `train`"
    )
    return None


def setting_text(value: Any) -> str:
    """A value as the command line of `train` and the words of `overrides` take it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else repr(value)


def drawn_text(value: Any) -> str:
    """The same of a value that was drawn: four digits of a number, as every table shows it, are what is trained with."""
    return repr(float(f"{value:.4g}")) if isinstance(value, float) else setting_text(value)


def _choices(name: str, value: Sequence[Any], where: str, problems: list[str]) -> ChoiceList | None:
    texts = tuple("null" if one is None and "." in name else setting_text(one) for one in value)
    if len(texts) < 2:
        problems.append(
            f"{where}: {len(texts)} choice(s): give two or more, or put the one value under `train`"
        )
    elif len(texts) > MOST_CHOICES:
        problems.append(f"{where}: {len(texts)} choices are more than {MOST_CHOICES}: give a range")
    elif twice := sorted({text for text in texts if texts.count(text) > 1}):
        problems.append(f"{where}: {', '.join(map(repr, twice))} is there more than once")
    else:
        return ChoiceList(name=name, texts=texts)
    return None


def _range(name: str, value: Mapping[Any, Any], where: str, problems: list[str]) -> NumberRange | None:
    found = [
        f"{where}: unknown key {key!r}{nearest(str(key), list(RANGE_KEYS))}"
        for key in value
        if key not in RANGE_KEYS
    ]
    found += [f"{where}: {key!r} is missing" for key in ("low", "high") if key not in value]
    log = value.get("log", False)
    if not isinstance(log, bool):
        found.append(f"{where}: log: {log!r} is neither true nor false")
    numbers = {key: _number(value[key]) for key in ("low", "high", "step") if key in value}
    found += [
        f"{where}: {key}: {value[key]!r} is not a number" for key, number in numbers.items() if number is None
    ]
    if found:
        problems += found
        return None
    low, high, step = numbers["low"] or 0, numbers["high"] or 0, numbers.get("step")
    whole = all(isinstance(number, int) for number in numbers.values())
    made = NumberRange(name=name, low=low, high=high, log=log, step=step, whole=whole)
    wrong = _wrong_bounds(made)
    problems += [f"{where}: {each}" for each in wrong]
    return None if wrong else made


def _wrong_bounds(found: NumberRange) -> list[str]:
    if found.low == found.high:
        return [f"low and high are both {found.low:g}: one value belongs under `train`"]
    if found.low > found.high:
        return [f"low {found.low:g} is greater than high {found.high:g}: exchange them"]
    wrong = []
    if found.log and found.low <= 0:
        wrong.append(f"log: true needs low > 0, and it is {found.low:g}: there is no logarithm of it")
    if found.step is not None:
        count = (found.high - found.low) / found.step if found.step > 0 else -1.0
        if found.log:
            wrong.append("log: true and step exclude each other: leave out one of them")
        elif found.step <= 0:
            wrong.append(f"step {found.step:g} is not greater than 0")
        elif abs(count - round(count)) > 1e-6:
            last = found.low + math.floor(count) * found.step
            wrong.append(
                f"high {found.high:g} is not reached in steps of {found.step:g}: the last is {last:g}"
            )
    return wrong


def _number(value: Any) -> int | float | None:
    """A finite number, also one that YAML takes for text, such as 1e-4; whole ones stay whole."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
