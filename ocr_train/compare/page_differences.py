"""What differs: data first, because scores hang on it, then configuration, launch, code and environment."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_train.compare.differences import DIGEST, Differences, Row
from ocr_train.compare.markup import Html, el
from ocr_train.compare.page_parts import Shown, name_of, section, table

_LONG = 240
_DIGEST_SHOWN = 16
Group = tuple[str, str, Sequence[Row]]


def what_differs(runs: Shown, found: Differences) -> Html:
    """The section; of one run alone, what it was made with."""
    alone = len(runs.runs) == 1
    config, launch = ([], []) if alone else (found.config, found.launch)
    groups: list[Group] = [
        ("Data", "", found.data),
        ("Configuration", _same(found.same_config, config, "settings", alone=alone), config),
        ("Launch parameters", _same(found.same_launch, launch, "parameters", alone=alone), launch),
        ("Code version", "" if found.code else "no run says which commit it was started from", found.code),
        ("Environment", "" if found.environment else "no run says its versions", found.environment),
    ]
    head: list[Html | str] = ["", *(name_of(runs, place) for place in range(len(runs.runs)))]
    rows = [row for group in groups for row in _group(group, len(runs.runs))]
    sub = (
        "What the run was made with."
        if alone
        else "Of configuration and launch only what differs; of the rest everything, what is the same in grey. A run's "
        "own folder is written <run>."
    )
    title = "Made with" if alone else "What differs"
    return section("differences", title, table(head, rows, class_="matrix"), sub=sub)


def _same(count: int, rows: Sequence[Row], what: str, *, alone: bool) -> str:
    if alone:
        return f"{count} {what}: they are in MLflow"
    if not rows:
        return f"nothing differs: {count} {what} are the same" if count else f"no run has {what}"
    return f"{count} other {what} are the same"


def _group(group: Group, columns: int) -> list[Html]:
    title, note, rows = group
    small = [el("small", note)] if note else []
    head = el("tr", el("th", title, *small, colspan=columns + 1, scope="colgroup"), class_="group")
    return [head, *(_row(row) for row in rows)]


def _row(row: Row) -> Html:
    same = not row.differs and len(row.values) > 1
    cells = [_cell(row.name, value, same=same) for value in row.values]
    return el("tr", el("th", row.name, scope="row"), *cells)


def _cell(name: str, value: str | None, *, same: bool) -> Html:
    if value is None:
        return el("td", "–", class_="same")
    most = _DIGEST_SHOWN if name == DIGEST else _LONG
    short = value if len(value) <= most else f"{value[:most]}…"
    cut = value if short != value else None
    return el("td", short or "not given", class_="diff same" if same or not value else "diff", title=cut)
