"""The last lines of a run on the terminal: what it came to, where its checkpoints are, what to do next."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace

from ocr_train.addresses import without_password
from ocr_train.checkpoints import step_folder
from ocr_train.config import Launch
from ocr_train.disk import human
from ocr_train.pipeline import Summary
from ocr_train.run_folder import ARTIFACTS
from ocr_train.secrets import redactor
from ocr_train.tracking import Delivered


def summary_lines(summary: Summary, launch: Launch) -> Sequence[str]:
    """The lines to print, in order."""
    outcome = summary.outcome
    took = datetime.timedelta(seconds=round(summary.seconds))
    lines = [
        "",
        f"{outcome.status} after {took}"
        + (f": {redactor().log(outcome.explanation)}" if outcome.explanation else ""),
    ]
    if outcome.hint:
        lines.append(outcome.hint)
    lines += [f"  {name:<12} {text}" for name, text in _facts(summary)]
    if summary.results.get("stored"):
        # Its own checkpoint is gone on from whole, even where it began with the weights of another.
        resumed = replace(
            launch, resume=_newest(summary, launch), weights_only="", epochs=str(summary.epochs * 2)
        )
        lines.append(f"  {'go on with':<12} {resumed.without_secrets(redactor().value).command()}")
    if launch.offline.lower() != "true":
        lines.append(f"  {'look at it':<12} {_look(summary.run_id, summary.experiment_id)}")
    return lines


def _newest(summary: Summary, launch: Launch) -> str:
    """What to resume: the run, or, as long as it is on this machine alone, its newest checkpoint here."""
    step = summary.results.get("latest_step")
    if launch.offline.lower() != "true" or step is None:
        return summary.run_id
    return str(summary.folder / ARTIFACTS / step_folder(step))


def _facts(summary: Summary) -> list[tuple[str, str]]:
    facts = []
    results = summary.results
    if results.get("best") is not None:
        facts.append((f"best {summary.main_metric}", f"{results['best']:.4f}"))
    if results.get("stored"):
        facts.append(("checkpoints", f"{results['stored']} stored in {_where(summary)}"))
    finishing = summary.finishing
    facts += [("evaluation", finishing.finding)] if finishing.finding else []
    facts += [("model", f"{finishing.model}: gives the checkpoint's answers")] if finishing.model else []
    facts += [("not done", note) for note in finishing.notes]
    if results.get("rate_zero"):
        facts.append(("rate 0", results["rate_zero"]))
    if results.get("starving"):
        facts.append(("data loading", results["starving"]))
    facts += [("not stored", f"a checkpoint is kept in {path}") for path in results.get("kept", ())]
    facts += [("lost", f"the checkpoint {name}") for name in results.get("lost", ())]
    facts.append(("log", str(summary.log)))
    delivered = summary.delivered
    if not delivered.complete:
        why = f" ({delivered.last_error})" if delivered.last_error else ""
        facts.append(
            (
                "pending",
                f"{_pending(delivered)} not in MLflow yet{why}: python -m ocr_train sync "
                f"{shlex.quote(str(summary.folder))}",
            )
        )
    if delivered.refused:
        facts.append(("refused", f"MLflow refused {delivered.refused} values: {delivered.last_error}"))
    return facts


def _where(summary: Summary) -> str:
    here = summary.folder / ARTIFACTS
    return str(here / "checkpoints") if here.is_dir() else f"runs:/{summary.run_id}/checkpoints"


def _pending(delivered: Delivered) -> str:
    parts = []
    if delivered.pending_bytes:
        parts.append(f"{human(delivered.pending_bytes)} of metrics and tags")
    if delivered.pending_items:
        parts.append(f"{delivered.pending_items} file(s) or checkpoint(s)")
    if not delivered.status_set:
        parts.append("the final status")
    return " and ".join(parts)


def _look(run_id: str, experiment_id: str) -> str:
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        page = without_password(uri).rstrip("/")
        return f"{page}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
    return (
        f"make ui   (or: mlflow ui --backend-store-uri {uri or 'sqlite:///mlflow.db'}), then run {run_id[:8]}"
    )
