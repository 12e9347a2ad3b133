"""The trials of a sweep as a table: for the terminal, as CSV, as Markdown for MLflow's page and as a page of its own."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence

from ocr_train.sweep.dimensions import setting_text
from ocr_train.sweep.plan import SweepPlan
from ocr_train.sweep.rows import FINISHED, TrialRow, best_first, tried_rows

BEST_SHOWN = 5
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2em;color:#222;background:#fff}table{border-collapse:collapse}"
    "th,td{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums}tr.best{background:#e8f5e9}tr.off td{color:#777}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}th,td{border-color:#444}"
    "tr.best{background:#1f3a24}tr.off td{color:#999}}"
)


def value_text(value: object) -> str:
    """A value for people: four digits of a number say enough."""
    return f"{value:.4g}" if isinstance(value, float) else setting_text(value)


def shown_score(score: float | None) -> str:
    """A score for people."""
    return "-" if score is None else f"{score:.4f}"


def short_names(plan: SweepPlan) -> dict[str, str]:
    """The last part of each dotted name, where no other dimension ends with it."""
    names = [one.name for one in plan.dimensions]
    last = [name.rpartition(".")[2] for name in names]
    return {name: end if last.count(end) == 1 else name for name, end in zip(names, last, strict=True)}


def trial_columns(plan: SweepPlan) -> list[str]:
    """The headings of the table."""
    return ["trial", plan.metric, "epoch", *short_names(plan).values(), "state", "minutes", "run"]


def cells(row: TrialRow, plan: SweepPlan, *, whole: bool = False) -> list[str]:
    """The same of a trial; `whole`: ids and why it ended in full."""
    state = f"{row.state}: {row.reason}" if row.reason and row.reason != row.state else row.state
    return [
        str(row.number),
        shown_score(row.score),
        "-" if row.epoch is None else str(row.epoch),
        *(value_text(row.values.get(one.name, "")) for one in plan.dimensions),
        f"{state}: {row.why}" if whole and row.why else state,
        f"{row.seconds / 60:.1f}",
        row.run_id if whole else row.run_id[:8],
    ]


def in_order(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """The best first, then those that did not finish, by number."""
    best = best_first(rows)
    return [*best, *(row for row in tried_rows(rows) if row.state != FINISHED or row.score is None)]


def as_csv(rows: Sequence[TrialRow], plan: SweepPlan) -> str:
    """All that is known of each trial, by number, with names and values in full."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [one.name for one in plan.dimensions]
    writer.writerow(
        ["trial", "state", plan.metric, "epoch", *names, "seconds", "run_id", "reason", "why", "scores"]
    )
    for row in tried_rows(rows):
        scores = " ".join(f"{epoch}:{score:.6g}" for epoch, score in sorted(row.scores.items()))
        values = [_safe(setting_text(row.values.get(name))) for name in names]
        score = "" if row.score is None else f"{row.score:.6g}"
        end = [f"{row.seconds:.1f}", row.run_id, row.reason, _safe(row.why), scores]
        writer.writerow([row.number, row.state, score, row.epoch or "", *values, *end])
    return stream.getvalue()


def as_markdown(rows: Sequence[TrialRow], plan: SweepPlan, *, most: int = 20) -> str:
    """For the description on MLflow's page."""
    lines = ["| " + " | ".join(trial_columns(plan)) + " |", "|" + "---|" * len(trial_columns(plan))]
    for row in in_order(rows)[:most]:
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells(row, plan)) + " |")
    return "\n".join(lines)


def as_page(rows: Sequence[TrialRow], plan: SweepPlan, *, title: str) -> str:
    """One HTML file that needs nothing else."""
    best = best_first(rows)[:1]
    lines = []
    for row in in_order(rows):
        kind = "best" if row in best else "" if row.state == FINISHED else "off"
        marked = "".join(f"<td>{html.escape(text)}</td>" for text in cells(row, plan, whole=True))
        lines.append(f'<tr class="{kind}">{marked}</tr>')
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in trial_columns(plan))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></html>\n"
    )


def _safe(text: str) -> str:
    """A spreadsheet takes what begins like this for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
