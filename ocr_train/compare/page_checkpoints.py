"""Checkpoints of each run with the command to go on from each, and which run went on from which."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ocr_train.checkpoints import Manifest
from ocr_train.compare.going_on import resume_command
from ocr_train.compare.markup import Html, el
from ocr_train.compare.page_parts import SHORT_ID, Shown, dollars, duration, name_of, section, table
from ocr_train.compare.scale import figure
from ocr_train.compare.values import RunData
from ocr_train.disk import human

MAX_ROWS = 12
_METRICS = ("hmean", "acc", "precision", "recall", "norm_edit_dis")


def checkpoints(runs: Shown) -> Html:
    """The section: one table a run."""
    parts: list[Html] = []
    for place, run in enumerate(runs.runs):
        parts.append(el("h3", name_of(runs, place)))
        parts += _of_run(runs, run)
    return section(
        "checkpoints",
        "Checkpoints",
        *parts,
        sub="A command goes on from its checkpoint, with what the run was launched with; it trains twice the epochs "
        "where the run has had all of its own. Values that were hidden (***) have to be filled in.",
    )


def _of_run(runs: Shown, run: RunData) -> list[Html]:
    found = run.checkpoints
    parts: list[Html] = []
    if found.problem:
        return [el("p", f"They cannot be listed: {found.problem}", class_="empty")]
    if found.best_elsewhere:
        text = f"The best of its line is still a checkpoint of {runs.label(found.best_elsewhere)}."
        parts.append(el("p", text, class_="sub"))
    kept = to_show(found.manifests, found.aliases.values())
    if not kept:
        return [*parts, el("p", "It has no whole checkpoint.", class_="empty")]
    rows = [_row(run, manifest, _aliases(manifest.folder, found.aliases)) for manifest in kept]
    head: list[Html | str] = [
        *(el("th", name, class_="num", scope="col") for name in ("Step", "Epoch")),
        *("Scores", "Size", "Go on from it"),
    ]
    parts.append(table(head, rows))
    if len(kept) < len(found.manifests):
        text = f"{len(found.manifests) - len(kept)} older ones are not shown."
        parts.append(el("p", text, class_="sub"))
    return parts


def to_show(manifests: Sequence[Manifest], named: Collection[str]) -> list[Manifest]:
    """The newest ones, newest first, and whatever an alias names."""
    newest = sorted(manifests, key=lambda one: (one.step, one.place), reverse=True)
    return [one for place, one in enumerate(newest) if place < MAX_ROWS or one.folder in named]


def _aliases(folder: str, aliases: Mapping[str, str]) -> list[str]:
    return [alias for alias, named in aliases.items() if named == folder]


def _row(run: RunData, manifest: Manifest, aliases: Sequence[str]) -> Html:
    badges: list[Html | str] = []
    for alias in aliases:
        badges += [" ", el("span", alias, class_="badge" if alias == "best" else "badge quiet")]
    scores = [f"{name} {figure(manifest.metrics[name])}" for name in _METRICS if name in manifest.metrics]
    return el(
        "tr",
        el("td", f"{manifest.step:,}", class_="num"),
        el("td", str(manifest.epoch), class_="num"),
        el("td", ", ".join(scores) or "–", *badges),
        el("td", human(sum(entry.size for entry in manifest.files)), class_="num"),
        el("td", el("code", resume_command(run, manifest), class_="cmd")),
    )


def lineage(runs: Shown) -> Html:
    """Which run went on from which; nothing where none did."""
    resumed = [place for place, run in enumerate(runs.runs) if run.parent]
    if not resumed:
        return Html("")
    rows = []
    for place in resumed:
        line = line_of(runs, runs.runs[place])
        hours = sum(run.hours for run in line)
        costs = [run.cost_usd for run in line]
        cost = dollars(sum(known for known in costs if known is not None)) if None not in costs else "–"
        run = runs.runs[place]
        known = any(one.run_id == run.parent for one in runs.runs)
        parent = runs.label(run.parent) if known else f"{run.parent[:SHORT_ID]} (not compared here)"
        rows.append(
            el(
                "tr",
                el("th", name_of(runs, place), scope="row", class_="run"),
                el("td", f"{parent}, step {run.parent_step:,}"),
                el("td", run.tags.get("param_drift", "nothing"), class_="diff"),
                el("td", duration(hours), class_="num"),
                el("td", cost, class_="num"),
            )
        )
    head: list[Html | str] = ["Run", "Went on from", "Changed since"]
    head += [el("th", name, class_="num", scope="col") for name in ("Time of the line", "Cost of the line")]
    sub = "The line is the run and those before it that are compared here."
    return section("lineage", "Resumed runs", table(head, rows), sub=sub)


def line_of(runs: Shown, run: RunData) -> list[RunData]:
    """The run and, one by one, those that it went on from, as far as they are here."""
    known = {one.run_id: one for one in runs.runs}
    found = [run]
    while (parent := known.get(found[-1].parent)) is not None and parent not in found:
        found.append(parent)
    return found
