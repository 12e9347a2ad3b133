"""A comparison in files: the page, the pictures, and what machines are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_bytes
from ocr_train.compare.differences import differences, digests_differ
from ocr_train.compare.figures import format_number
from ocr_train.compare.page import make_page, resume_command, warnings
from ocr_train.compare.plots import write_plots
from ocr_train.compare.scores import Score, scores, target, winners
from ocr_train.compare.values import RunData, is_finite
from ocr_train.errors import StorageError

_OTHER_DATA = "The runs were not scored on the same data (digests differ): scores cannot be compared."


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
    found = scores(runs)
    pictures = write_plots(runs, found, folder)
    page = folder / "index.html"
    write_bytes(page, make_page(runs, notes=notes, source=source, now=now).encode("utf-8", "replace"))
    other_data = [_OTHER_DATA] if digests_differ(runs) else []
    return ComparisonReport(
        page=page,
        pictures=pictures,
        answer=_answer(runs, found, [*other_data, *warnings(runs), *notes]),
        lines=[*_lines(runs, found), *(f"warning: {text}" for text in other_data)],
    )


def _lines(runs: Sequence[RunData], found: Sequence[Score]) -> list[str]:
    """A line for each run."""
    best = winners(found)
    width = max(len(run.label) for run in runs)
    lines = []
    for run, score in zip(runs, found, strict=True):
        text = "no score" if score.best is None else f"best {score.metric} {format_number(score.best)}"
        mark = "  <- best" if score.run_id in best else ""
        lines.append(f"{run.label:<{width}}  {text}{mark}")
    return lines


def _answer(runs: Sequence[RunData], found: Sequence[Score], notes: Sequence[str]) -> dict[str, Any]:
    goal = target(runs, found)
    return {
        "runs": [_run(run, score) for run, score in zip(runs, found, strict=True)],
        "winners": sorted(winners(found)),
        "target": asdict(goal) if goal else None,
        "same_data": not digests_differ(runs),
        "differences": {
            topic.key: {row.name: list(row.values) for row in topic.rows if row.differs}
            for topic in differences(runs)
        },
        "notes": list(notes),
    }


def _run(run: RunData, score: Score) -> dict[str, Any]:
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
        "val_digest": run.val_digest,
        "resumed_from": run.parent,
        "metrics": {key: value if is_finite(value) else None for key, value in sorted(run.last.items())},
        "checkpoints": [
            {"step": one.step, "epoch": one.epoch, "resume": resume_command(run, one)}
            for one in run.checkpoints.manifests
        ],
    }
