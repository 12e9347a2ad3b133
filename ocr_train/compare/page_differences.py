"""What differs: data first, because scores hang on it, then configuration, launch, code and environment."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_train.compare.differences import Differences, Row
from ocr_train.compare.markup import Html, el
from ocr_train.compare.page_parts import Shown, matrix, section

_LONG = 240


def what_differs(runs: Shown, found: Differences) -> Html:
    """The section; of one run alone, what it was made with."""
    alone = len(runs.runs) == 1
    parts = [
        el("h3", "Data"),
        _rows(runs, found.data),
        el("h3", "Configuration"),
        _differing(runs, found.config, found.same_config, "settings", alone=alone),
        el("h3", "Launch parameters"),
        _differing(runs, found.launch, found.same_launch, "parameters", alone=alone),
        el("h3", "Code version"),
        _rows(runs, found.code) if found.code else _none("No run says which commit it was started from."),
        el("h3", "Environment"),
        _rows(runs, found.environment) if found.environment else _none("No run says its versions."),
    ]
    sub = (
        "What the run was made with."
        if alone
        else "Of configuration and launch only what differs; of the rest everything, what is the same in grey. A run's "
        "own folder is written <run>."
    )
    return section("differences", "Made with" if alone else "What differs", *parts, sub=sub)


def _none(text: str) -> Html:
    return el("p", text, class_="empty")


def _differing(runs: Shown, rows: Sequence[Row], same: int, what: str, *, alone: bool) -> Html:
    if alone:
        return _none(f"{same} {what}: they are in MLflow.")
    if not rows:
        return _none(f"Nothing differs: {same} {what} are the same." if same else f"No run has {what}.")
    return el("div", _rows(runs, rows), el("p", f"{same} other {what} are the same.", class_="sub"))


def _rows(runs: Shown, rows: Sequence[Row]) -> Html:
    def cell(row: int, place: int) -> Html:
        value = rows[row].values[place]
        same = not rows[row].differs and len(runs.runs) > 1
        if value is None:
            return el("td", "–", class_="same")
        short = value if len(value) <= _LONG else f"{value[:_LONG]} …"
        return el("td", short or "(empty)", class_="diff same" if same else "diff")

    return matrix(runs, "", [row.name for row in rows], cell)
