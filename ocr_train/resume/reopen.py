"""resume_mode=same: the run itself is continued, under its own id, and what it has logged is not logged again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.address import AUTO, LATEST, PATH, RUN, S3, parse_resume
from ocr_train.checkpoints.copies import holds_copies
from ocr_train.errors import ConfigError, TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.tracking.journal import read_batch
from ocr_train.tracking.metric_names import plain_name
from ocr_train.tracking.mlflow_client import get_run

SAME = "same"
_OF_THE_END = ("failure_reason", "failure_explanation", "degraded")
"""Tags that say how a run ended: it has not."""


@dataclass(frozen=True, kw_only=True)
class Reopened:
    """A run that is continued: its params, which MLflow never changes, each metric's last step, and
    the hours that it took so far."""

    run_id: str
    experiment_id: str
    name: str
    params: Mapping[str, str]
    logged_until: Mapping[str, int]
    digests: frozenset[str] = field(default_factory=frozenset)
    hours: float = 0.0


def check_resume(resume: str, mode: str, *, weights_only: bool, offline: bool = False) -> None:
    """Raise `ConfigError` for what cannot be meant, before anything is fetched or started."""
    if not resume:
        if mode == SAME or weights_only:
            raise ConfigError(
                f"{'resume_mode=same' if mode == SAME else 'weights_only=true'} needs `resume`: from which checkpoint?",
                hint="Give resume=<run id>, or leave the other out.",
            )
        return
    spec = parse_resume(resume)
    if offline and (mode == SAME or spec.kind not in (PATH, S3)):
        raise ConfigError(
            f"resume={resume}{' with resume_mode=same' if mode == SAME else ''} and offline=true: runs are looked up "
            "on a server, and offline=true uses none.",
            hint="Without a server, resume takes the path of a checkpoint on this machine (or in S3), such as "
            "outputs/<run id>/artifacts/checkpoints/step_00000120.",
        )
    if weights_only and spec.kind == AUTO:
        raise ConfigError(
            "resume=auto and weights_only=true exclude each other: auto continues a training, weights_only starts a new one.",
            hint="Name the checkpoint whose weights to start from.",
        )
    if mode != SAME:
        return
    if weights_only:
        raise ConfigError(
            "resume_mode=same and weights_only=true exclude each other: a new training is a new run.",
            hint="Leave out one of the two.",
        )
    newest_of_a_run = spec.kind == RUN and spec.which == LATEST and spec.step is None
    copies = spec.kind == PATH and holds_copies(Path(spec.text))
    if not newest_of_a_run and not copies and spec.kind not in (AUTO, LATEST):
        raise ConfigError(
            f"resume={resume} with resume_mode=same: a run continues from its own newest checkpoint only.",
            hint="Give resume=<run id>, latest or auto, or start a run of its own there: resume_mode=new.",
        )


def reopen(client: Any, run_id: str, folder: Path, *, launched_as: str = "") -> Reopened:
    """Read what the run has and take away what says that it has ended; `folder` is its own on this machine.

    It is claimed already (`resume_claim`).
    `launched_as` is the run that `mlflow run` made for this launch: it is told where the training goes on.
    Raises `ConfigError` where there is no such run, `TrackingError` where it cannot be changed.
    """
    run = get_run(client, run_id)
    try:
        logged: dict[str, int] = {}
        for key in run.data.metrics:
            _note_last(logged, key, _last_step(client, run_id, key))
        for tag in _OF_THE_END:
            if tag in run.data.tags:
                client.delete_tag(run_id, tag)
        if launched_as and launched_as != run_id:
            client.set_tag(launched_as, "continued_in", run_id)
            client.set_tag(launched_as, "mlflow.note.content", f"This launch continues the run {run_id}.")
    except Exception as exc:
        raise TrackingError(
            f"the run {run_id} cannot be opened again: {first_line(exc)}",
            hint="Use resume_mode=new, or check that you may change that run.",
        ) from exc
    for key, step in _steps_in(folder / "journal.jsonl").items():
        _note_last(logged, key, step)
    return Reopened(
        run_id=run_id,
        experiment_id=run.info.experiment_id,
        name=run.info.run_name,
        params=dict(run.data.params),
        logged_until=logged,
        digests=frozenset(item.dataset.digest for item in run.inputs.dataset_inputs),
        hours=max(
            (value for key, value in run.data.metrics.items() if plain_name(key) == "time/hours"), default=0.0
        ),
    )


def _note_last(logged: dict[str, int], key: str, step: int) -> None:
    """By our own name of the metric: a run of before has it under that one, or under both."""
    name = plain_name(key)
    logged[name] = max(step, logged.get(name, step))


def _last_step(client: Any, run_id: str, key: str) -> int:
    return max((int(point.step) for point in client.get_metric_history(run_id, key)), default=-1)


def _steps_in(journal: Path) -> dict[str, int]:
    """Each metric's last step in a journal, delivered or not."""
    found: dict[str, int] = {}
    position = 0
    while journal.is_file():
        batch, end = read_batch(journal, position)
        if end == position:
            break
        position = end
        for metric in batch.metrics:
            found[metric.key] = max(metric.step, found.get(metric.key, metric.step))
    return found
