"""The whole page: one HTML file that needs no script, no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ocr_train.compare.differences import Differences, differences
from ocr_train.compare.markup import Html, el
from ocr_train.compare.page_checkpoints import checkpoints, lineage
from ocr_train.compare.page_curves import curves
from ocr_train.compare.page_differences import what_differs
from ocr_train.compare.page_parts import Shown, moment, shown
from ocr_train.compare.page_results import results, tiles
from ocr_train.compare.page_samples import samples
from ocr_train.compare.scores import scores, target
from ocr_train.compare.values import RunData

STYLE = Path(__file__).with_name("page.css")
MAX_PICTURES = 96
MAX_IMAGES = 8


def images_each(count: int) -> int:
    """How many validation images are shown of each of `count` runs."""
    return max(2, min(MAX_IMAGES, MAX_PICTURES // max(1, count)))


def make_page(runs: Sequence[RunData], *, notes: Sequence[str], source: str, now: float) -> str:
    """The page of `runs`, made at `now` (Unix seconds) from the server `source`; `notes` say what was left out."""
    all_runs = shown(runs)
    found = scores(runs)
    goal = target(runs, found)
    differ = differences(runs)
    body = el(
        "main",
        _header(all_runs, source, now),
        *banners(all_runs, differ, notes),
        tiles(all_runs, found, goal),
        results(all_runs, found, goal),
        curves(all_runs),
        what_differs(all_runs, differ),
        samples(all_runs, most=images_each(len(runs))),
        checkpoints(all_runs),
        lineage(all_runs),
        el(
            "footer",
            el("p", "Made by ocr_train from what the runs left in MLflow. Nothing here needs a network."),
        ),
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", _title(all_runs)),
        el("style", Html(STYLE.read_text(encoding="utf-8"))),
    )
    return f"<!doctype html>\n{el('html', head, el('body', body), lang='en')}\n"


def _title(runs: Shown) -> str:
    if len(runs.runs) == 1:
        return f"Report on {runs.labels[0]}"
    return f"{len(runs.runs)} runs compared"


def _header(runs: Shown, source: str, now: float) -> Html:
    models = sorted({run.model for run in runs.runs if run.model})
    places = sorted({run.experiment for run in runs.runs})
    said = [f"{'Model' if len(models) == 1 else 'Models'} {', '.join(models)}"] if models else []
    said += [f"experiment {', '.join(places)}", f"from {source}" if source else "", f"made {moment(now)}"]
    links = [("results", "Results"), ("curves", "Learning curves")]
    links += [("differences", "What differs" if len(runs.runs) > 1 else "Made with")]
    links += [("samples", "Validation images"), ("checkpoints", "Checkpoints")]
    links += [("lineage", "Resumed runs")] if any(run.parent for run in runs.runs) else []
    return el(
        "header",
        el("h1", _title(runs)),
        el("p", " · ".join(text for text in said if text), class_="lead"),
        el("nav", *(el("a", text, href=f"#{anchor}") for anchor, text in links)),
    )


def banners(runs: Shown, differ: Differences, notes: Sequence[str]) -> list[Html]:
    """What has to be known before anything else."""
    found = []
    if differ.digests_differ:
        found.append(_data_warning(runs))
    said = [*warnings(runs), *notes]
    if said:
        items = [el("li", text) for text in said]
        found.append(el("div", el("strong", "Good to know"), el("ul", *items), class_="banner", role="note"))
    return found


def warnings(runs: Shown) -> list[str]:
    """What makes the runs less than comparable, or figures less than final."""
    found = []
    metrics = sorted({run.main_metric for run in runs.runs if run.main_metric})
    tasks = sorted({run.task for run in runs.runs if run.task})
    if len(metrics) > 1 or len(tasks) > 1:
        what = f"tasks ({', '.join(tasks)})" if len(tasks) > 1 else f"main metrics ({', '.join(metrics)})"
        found.append(
            f"The runs have different {what}: they are compared in what they share, such as loss, time and cost; a best "
            "run is marked only among those with the same metric."
        )
    running = [runs.labels[place] for place, run in enumerate(runs.runs) if run.status == "RUNNING"]
    if running:
        found.append(f"Still running: {', '.join(running)}. Their figures are those of now.")
    bare = [runs.labels[place] for place, run in enumerate(runs.runs) if not run.series]
    if bare:
        found.append(f"Without metrics: {', '.join(bare)}.")
    return found


def _data_warning(runs: Shown) -> Html:
    digests: dict[str, list[str]] = {}
    for place, run in enumerate(runs.runs):
        digests.setdefault(run.digest, []).append(runs.labels[place])
    items = [
        el("li", el("span", digest[:16] or "no digest", class_="mono"), f": {', '.join(labels)}")
        for digest, labels in digests.items()
    ]
    return el(
        "div",
        el("strong", "⚠ These runs were not scored on the same data"),
        el(
            "p",
            "Their dataset digests differ: a higher score does not mean a better model. A best run is marked only among runs on the same data.",
        ),
        el("ul", *items),
        class_="banner loud",
        role="alert",
    )
