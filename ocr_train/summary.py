"""The last lines of a run on the terminal: what it came to, where its checkpoints are, what to do next."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import replace

from ocr_train.config import Launch
from ocr_train.pipeline import Summary
from ocr_train.tracking import without_password


def summary_lines(summary: Summary, launch: Launch) -> Sequence[str]:
    """The lines to print, in order."""
    outcome = summary.outcome
    took = datetime.timedelta(seconds=round(summary.seconds))
    lines = [
        "",
        f"{outcome.status} after {took}" + (f": {outcome.explanation}" if outcome.explanation else ""),
    ]
    if outcome.hint:
        lines.append(outcome.hint)
    lines += [f"  {name:<12} {text}" for name, text in _facts(summary)]
    if summary.results.get("stored"):
        resumed = replace(launch, resume=summary.run_id, epochs=str(summary.epochs * 2))
        lines.append(f"  {'go on with':<12} {resumed.command()}")
    lines.append(f"  {'look at it':<12} {_look(summary.run_id, summary.experiment_id)}")
    return lines


def _facts(summary: Summary) -> list[tuple[str, str]]:
    facts = []
    results = summary.results
    if results.get("best") is not None:
        facts.append((f"best {summary.main_metric}", f"{results['best']:.4f}"))
    if results.get("stored"):
        facts.append(("checkpoints", f"{results['stored']} stored in runs:/{summary.run_id}/checkpoints"))
    facts += [("not stored", f"a checkpoint is kept in {path}") for path in results.get("kept", ())]
    facts.append(("log", str(summary.log)))
    delivered = summary.delivered
    if delivered.pending_bytes or not delivered.status_set:
        facts.append(
            (
                "pending",
                f"MLflow does not have everything yet ({delivered.last_error}); it is in {summary.folder}",
            )
        )
    if delivered.refused:
        facts.append(("refused", f"MLflow refused {delivered.refused} values: {delivered.last_error}"))
    return facts


def _look(run_id: str, experiment_id: str) -> str:
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        page = without_password(uri).rstrip("/")
        return f"{page}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
    return (
        f"make ui   (or: mlflow ui --backend-store-uri {uri or 'sqlite:///mlflow.db'}), then run {run_id[:8]}"
    )
