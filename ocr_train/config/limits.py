"""When a training has had enough: no better for a while, or what it may cost is spent."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_train.config import parameter_values as read
from ocr_train.config.parameters import Launch


@dataclass(frozen=True, kw_only=True)
class TrainingLimits:
    """`patience` evaluations in a row that are not better than the best one by more than `min_delta`; hours and dollars
    of the run, with what it took before it was resumed. None is no limit."""

    patience: int | None = None
    min_delta: float = 0.0
    max_hours: float | None = None
    max_usd: float | None = None


def parse_limits(launch: Launch, problems: list[str]) -> TrainingLimits:
    """The limits among the parameters; what is wrong with them goes to `problems`."""
    if launch.max_usd and not launch.hourly_usd:
        problems.append("max_usd: give hourly_usd, too: what an hour of this machine costs")
    if launch.min_delta and not launch.patience:
        problems.append("min_delta: means nothing without patience")
    return TrainingLimits(
        patience=read.maybe_number(launch.patience, "patience", int, problems, least=1),
        min_delta=read.maybe_number(launch.min_delta, "min_delta", float, problems, least=0) or 0.0,
        max_hours=read.maybe_number(launch.max_hours, "max_hours", float, problems, least=0),
        max_usd=read.maybe_number(launch.max_usd, "max_usd", float, problems, least=0),
    )
