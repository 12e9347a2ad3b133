"""A comparison in files: the page, the pictures, and what machines are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_bytes
from ocr_train.compare.differences import Differences, Row, differences
from ocr_train.compare.page import make_page, warnings
from ocr_train.compare.plots import write_plots
from ocr_train.compare.resume_command import resume_command
from ocr_train.compare.scale import format_number
from ocr_train.compare.scores import Score, scores, target, winners
from ocr_train.compare.shown import Shown, labelled
from ocr_train.compare.values import RunData, is_finite
from ocr_train.errors import StorageError

PAGE = "index.html"


@dataclass(frozen=True, kw_only=True)
class ComparisonReport:
    """What was written, and `answer`, the comparison as JSON; `lines` say it to people."""

    page: Path
    pictures: Sequence[Path]
    answer: dict[str, Any]
    lines: Sequence[str]


def write_report(
    runs: Sequence[RunData], folder: Path, *, notes: Sequence[str], source: str, now: float
) -> ComparisonReport:
    """Write the page and the pictures into `folder`; raises `StorageError`."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(
            f"{str(folder)!r} is a file; the page goes into a folder.", hint="Name another with --out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    together, found = labelled(runs), scores(runs)
    pictures = write_plots(together, found, folder)
    page = folder / PAGE
    write_bytes(page, make_page(runs, notes=notes, source=source, now=now).encode("utf-8", "replace"))
    differ = differences(runs)
    return ComparisonReport(
        page=page,
        pictures=pictures,
        answer=_answer(together, found, differ, [*_data_note(differ), *warnings(together), *notes]),
        lines=lines_of(together, found, differ),
    )


def _data_note(differ: Differences) -> list[str]:
    return (
        ["The runs were not scored on the same data (dataset digests differ): scores cannot be compared."]
        if differ.digests_differ
        else []
    )


def lines_of(runs: Shown, found: Sequence[Score], differ: Differences) -> list[str]:
    """A line for each run, and what has to be known."""
    best = winners(found)
    width = max(len(label) for label in runs.labels)
    lines = []
    for label, score in zip(runs.labels, found, strict=True):
        said = "no score" if score.best is None else f"best {score.metric} {format_number(score.best)}"
        mark = "  <- best" if score.run_id in best else ""
        lines.append(f"{label:<{width}}  {said}{mark}")
    return [*lines, *(f"warning: {text}" for text in _data_note(differ))]


def _answer(runs: Shown, found: Sequence[Score], differ: Differences, notes: Sequence[str]) -> dict[str, Any]:
    goal = target(runs.runs, found)
    return {
        "runs": [_run(runs, place, score) for place, score in enumerate(found)],
        "winners": sorted(winners(found)),
        "target": asdict(goal) if goal else None,
        "same_data": not differ.digests_differ,
        "differences": {
            topic: {row.name: list(row.values) for row in rows if row.differs}
            for topic, rows in _topics(differ).items()
        },
        "notes": list(notes),
    }


def _topics(differ: Differences) -> dict[str, Sequence[Row]]:
    return {
        "data": differ.data,
        "config": differ.config,
        "launch": differ.launch,
        "code": differ.code,
        "environment": differ.environment,
    }


def _run(runs: Shown, place: int, score: Score) -> dict[str, Any]:
    run = runs.runs[place]
    facts = asdict(score)
    del facts["group"]
    return {
        **facts,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "model": run.model,
        "task": run.task,
        "dataset_digest": run.digest,
        "resumed_from": run.parent,
        "metrics": {key: value if is_finite(value) else None for key, value in sorted(run.last.items())},
        "checkpoints": [
            {"step": one.step, "epoch": one.epoch, "resume": resume_command(run, one)}
            for one in run.checkpoints.manifests
        ],
    }
