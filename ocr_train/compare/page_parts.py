"""What the sections of the page have in common: the runs with their labels and colours, tables, and figures."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocr_train.compare.chart import COLOURS, colour_class
from ocr_train.compare.markup import Html, el
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


def shown(runs: Sequence[RunData]) -> Shown:
    """The runs; of those with the same name the beginning of the id is part of the label."""
    names = [run.name for run in runs]
    labels = [
        name if names.count(name) == 1 else f"{name} · {run.run_id[:SHORT_ID]}"
        for name, run in zip(names, runs, strict=True)
    ]
    return Shown(runs=tuple(runs), labels=tuple(labels))


def key(place: int) -> Html:
    """The piece of line that stands for the run at `place`."""
    dashes = f" d{min(2, place // COLOURS)}" if place >= COLOURS else ""
    return el("span", class_=f"key {colour_class(place)}{dashes}", aria_hidden="true")


def name_of(runs: Shown, place: int) -> Html:
    """The run at `place`, with its line."""
    return el("span", key(place), runs.labels[place])


def legend(runs: Shown) -> Html:
    """All runs with their lines."""
    return el("div", *(name_of(runs, place) for place in range(len(runs.runs))), class_="legend")


def section(anchor: str, title: str, *content: Html | str, sub: str = "") -> Html:
    """A section with its heading and a line on what it shows."""
    said = [el("p", sub, class_="sub")] if sub else []
    return el("section", el("h2", title), *said, *content, id=anchor)


def table(head: Sequence[Html | str], rows: Sequence[Html], *, class_: str = "") -> Html:
    """A table that scrolls by itself where it is too wide; cells of `head` may be whole `<th>` elements."""
    cells = [
        one if isinstance(one, Html) and one.startswith("<th") else el("th", one, scope="col") for one in head
    ]
    whole = el("table", el("thead", el("tr", *cells)), el("tbody", *rows), class_=class_ or None)
    return el("div", whole, class_="scroll")


def matrix(
    runs: Shown, first: str, names: Sequence[str], places: Sequence[int], cell: Callable[[int, int], Html]
) -> Html:
    """A table of a row for each of `names` and a column for each of the runs at `places`."""
    head = [first, *(name_of(runs, place) for place in places)]
    rows = [
        el("tr", el("th", name, scope="row"), *(cell(row, place) for place in places))
        for row, name in enumerate(names)
    ]
    return table(head, rows, class_="matrix")


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
