"""The last lines of a run on the terminal: what it came to, where its checkpoints are, what to do next."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ocr_train.checkpoints.manifest import step_folder
from ocr_train.config.experiment import Launch
from ocr_train.config.started import Started
from ocr_train.disk import human
from ocr_train.redaction.addresses import without_password
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.run_folder import ARTIFACTS
from ocr_train.tracking.tracker import Delivered
from ocr_train.trainer.failures import BUDGET, PRUNED
from ocr_train.trainer.outcome import FINISHED, KILLED
from ocr_train.training.pipeline import Summary

TYPED = Started(words=("mlflow", "run", "."), mlflow_run=True)
"""As users of this project type it."""


def summary_lines(summary: Summary, launch: Launch, started: Started = TYPED) -> Sequence[str]:
    """The lines to print, in order; `started` is how commands begin."""
    outcome = summary.outcome
    took = datetime.timedelta(seconds=round(summary.seconds))
    lines = [
        "",
        f"{outcome.status} after {took}"
        + (f": {redactor().log(outcome.explanation)}" if outcome.explanation else ""),
    ]
    if outcome.hint:
        lines.append(outcome.hint)
    if outcome.status == KILLED and summary.results.stored and not _ended_by_sweep(summary):
        lines.append("The checkpoints stored before are complete: resume from them.")
    lines += [f"  {name:<12} {text}" for name, text in _facts(summary, started)]
    commands = [
        *_next(summary, launch, started),
        *([] if _offline(launch) else [("open", run_page(summary.run_id, summary.experiment_id))]),
        *_further(summary, launch, started),
    ]
    return lines + [f"  {name:<12} {command}" for name, command in commands]


def _further(summary: Summary, launch: Launch, started: Started) -> list[tuple[str, str]]:
    """What a model that was made is for: an image to read, and one's own data after the demo set."""
    finishing = summary.finishing
    if not finishing.model:
        return []
    found = []
    if finishing.example and not _offline(launch):
        image = shlex.quote(str(finishing.example))
        read = f"{started.python} -m ocr_train predict {summary.run_id} {image} --out seen"
        found.append(("read images", read))
    if not launch.data:
        own = replace(launch, data="FOLDER", resume="").without_secrets(redactor().value)
        found.append(("your data", started.train(own)))
    return found


def _ended_by_sweep(summary: Summary) -> bool:
    """Whether it is the sweep that goes on, and not this run."""
    return summary.outcome.reason in (PRUNED, BUDGET)


def _offline(launch: Launch) -> bool:
    return launch.offline.lower() == "true"


def _next(summary: Summary, launch: Launch, started: Started) -> list[tuple[str, str]]:
    """The command that comes next: it ends what was interrupted as it was meant, and takes a finished run further."""
    launch = launch.without_secrets(redactor().value)
    done = summary.outcome.status == FINISHED or bool(summary.results.trained_out)
    kept = bool(summary.results.kept)
    if _ended_by_sweep(summary):
        return []
    if not (summary.results.stored or kept):
        return [] if done else [("start again", started.train(launch))]
    # Its own checkpoint is resumed completely, even if it began with the weights of another.
    resumed = replace(launch, resume=_newest(summary, launch), weights_only="")
    if done:
        resumed = replace(
            resumed, epochs=str(summary.epochs * 2), overrides=_without_epochs(launch.overrides)
        )
    name = "resume with" if summary.results.stored else "when stored"
    return [(name, started.train(resumed))]


def _without_epochs(overrides: str) -> str:
    """Overrides come after parameters: one of the epochs would win."""
    # It was read before.
    words = shlex.split(overrides)
    kept = [word for word in words if not word.startswith("Global.epoch_num=")]
    return overrides if kept == words else shlex.join(kept)


def _newest(summary: Summary, launch: Launch) -> str:
    """What to resume: the run, or, as long as it is on this machine alone, its newest checkpoint here."""
    step = summary.results.latest_step
    if not _offline(launch) or step is None:
        return summary.run_id
    return str(summary.folder / ARTIFACTS / step_folder(step))


def _facts(summary: Summary, started: Started) -> list[tuple[str, str]]:
    facts = []
    results = summary.results
    if results.best is not None:
        facts.append((f"best {summary.main_metric}", f"{results.best:.4f}"))
    if results.stored:
        facts.append(("checkpoints", f"{results.stored} stored in {_where(summary)}"))
    finishing = summary.finishing
    facts += [("evaluation", finishing.finding)] if finishing.finding else []
    facts += [("keep", finishing.keep)] if finishing.keep else []
    facts += [("picture", str(finishing.picture))] if finishing.picture else []
    facts += [("model", f"{finishing.model}: gives the checkpoint's answers")] if finishing.model else []
    facts += [("not done", note) for note in finishing.notes]
    if results.not_better:
        facts.append(("not better", results.not_better))
    if results.rate_zero:
        facts.append(("rate 0", results.rate_zero))
    if results.starving:
        facts.append(("data loading", results.starving))
    if results.faster:
        facts.append(("faster", results.faster))
    facts += [("not stored", f"a checkpoint is kept in {path}") for path in results.kept]
    facts += [("lost", f"the checkpoint {name}") for name in results.lost]
    facts.append(("log", str(summary.log)))
    delivered = summary.delivered
    if not delivered.complete:
        why = f" ({delivered.last_error})" if delivered.last_error else ""
        facts.append(
            (
                "pending",
                f"{_pending(delivered)} not in MLflow yet{why}: {started.sync(summary.folder)}",
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


def run_page(run_id: str, experiment_id: str) -> str:
    """Where MLflow shows the run: an address, or the command that opens the page."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        page = without_password(uri).rstrip("/")
        return f"{page}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
    link = f"http://127.0.0.1:5000/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
    page = f"mlflow ui --backend-store-uri {shlex.quote(uri or 'sqlite:///mlflow.db')}"
    here = Path.cwd()
    if uri in ("", f"sqlite:///{here / 'mlflow.db'}") and all(
        (here / name).is_file() for name in ("Makefile", "MLproject")
    ):
        page = f"make ui   (or: {page})"
    return f"{page}, then {link}"
