"""The whole page: one HTML file that needs no script, no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ocr_train.compare.chart import COLOURS, colour_class
from ocr_train.compare.curves import curve_notes, panels
from ocr_train.compare.differences import differences
from ocr_train.compare.results import results, tiles
from ocr_train.compare.scores import scores, target
from ocr_train.compare.sections import (
    checkpoint_rows,
    lineage,
    picture_names,
    pictures,
    shortened,
    topics,
)
from ocr_train.compare.shown import Shown, labelled, moment
from ocr_train.compare.values import RunData
from ocr_train.drawing.html_pages import render

TEMPLATE = Path(__file__).with_name("page.html.jinja")
MAX_PICTURES = 96
MAX_IMAGES = 8
_DIGEST_SHOWN = 16


def images_each(count: int) -> int:
    """How many validation images are shown of each of `count` runs."""
    return max(2, min(MAX_IMAGES, MAX_PICTURES // max(1, count)))


def make_page(runs: Sequence[RunData], *, notes: Sequence[str], source: str, now: float) -> str:
    """The page of `runs`, made at `now` (Unix seconds) from the server `source`; `notes` say what was left out."""
    together, found, differ = labelled(runs), scores(runs), differences(runs)
    goal = target(runs, found)
    columns, rows = results(together, found, goal)
    seen = [(place, run) for place, run in enumerate(runs) if run.samples.pictures]
    return render(
        TEMPLATE,
        filters={"colour_class": colour_class, "shortened": shortened},
        runs=together,
        colours=COLOURS,
        title=_title(together),
        lead=_lead(together, source, now),
        digests=_digests(together) if differ.digests_differ else [],
        notes=[*warnings(together), *notes],
        tiles=tiles(together, found, goal),
        columns=columns,
        results=rows,
        panels=panels(together),
        curve_notes=curve_notes(together),
        topics=topics(together, differ),
        images=picture_names(together, images_each(len(runs))),
        images_of=[(place, pictures(run)) for place, run in seen],
        looks=[f"{together.labels[place]} at step {run.samples.step:,}" for place, run in seen],
        image_problems=[
            f"{together.labels[place]}: {run.samples.problem}"
            for place, run in enumerate(runs)
            if run.samples.problem
        ],
        checkpoints=[checkpoint_rows(run) for run in runs],
        lineage=lineage(together),
    )


def _title(runs: Shown) -> str:
    if len(runs.runs) == 1:
        return f"Report on {runs.labels[0]}"
    return f"{len(runs.runs)} runs compared"


def _lead(runs: Shown, source: str, now: float) -> str:
    models = sorted({run.model for run in runs.runs if run.model})
    places = sorted({run.experiment for run in runs.runs})
    said = [f"{'Model' if len(models) == 1 else 'Models'} {', '.join(models)}"] if models else []
    said += [f"experiment {', '.join(places)}", f"from {source}" if source else "", f"made {moment(now)}"]
    return " · ".join(text for text in said if text)


def _digests(runs: Shown) -> list[tuple[str, str]]:
    """Each dataset's digest with the runs that were scored on it."""
    labels: dict[str, list[str]] = {}
    for place, run in enumerate(runs.runs):
        labels.setdefault(run.digest, []).append(runs.labels[place])
    return [(digest[:_DIGEST_SHOWN] or "no digest", ", ".join(names)) for digest, names in labels.items()]


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
        found.append(f"Still running: {', '.join(running)}. Their values are those of this moment.")
    bare = [runs.labels[place] for place, run in enumerate(runs.runs) if not run.series]
    if bare:
        found.append(f"Without metrics: {', '.join(bare)}.")
    return found
