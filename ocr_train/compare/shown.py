"""The runs of a page with the names that tell them apart, and figures as people read them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from ocr_train.compare.values import RunData

SHORT_ID = 8


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The runs of the page with the names that tell them apart."""

    runs: Sequence[RunData]
    labels: Sequence[str]

    def label(self, run_id: str) -> str:
        """The run's label, or the beginning of the id of a run that is not here."""
        for run, label in zip(self.runs, self.labels, strict=True):
            if run.run_id == run_id:
                return label
        return run_id[:SHORT_ID]


def labelled(runs: Sequence[RunData]) -> Shown:
    """The runs; of those with the same name the beginning of the id is part of the label."""
    names = [run.name for run in runs]
    labels = [
        name if names.count(name) == 1 else f"{name} · {run.run_id[:SHORT_ID]}"
        for name, run in zip(names, runs, strict=True)
    ]
    return Shown(runs=tuple(runs), labels=tuple(labels))


def duration(hours: float) -> str:
    """Hours as people say them: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    minutes = round(hours * 60)
    if hours * 3600 < 90:
        return f"{hours * 3600:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def dollars(amount: float) -> str:
    """Dollars; cents where they count."""
    return f"${amount:,.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"


def moment(seconds: float) -> str:
    """A time of day in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
