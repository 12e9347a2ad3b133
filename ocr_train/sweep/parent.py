"""The run above the trials in MLflow: what is swept, how it stands, the table and the pictures.

Nothing about it can end a sweep, or hold up a training: it is written between trials, in the background.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.atomic_files import write_text
from ocr_train.compare.select import KIND_TAG
from ocr_train.errors import OcrTrainError, TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.redaction.redactor import redactor
from ocr_train.run import Echo
from ocr_train.runs.listing import OWN_TAG
from ocr_train.sweep.pictures import draw_sweep, importances_of
from ocr_train.sweep.plan import SweepPlan
from ocr_train.sweep.rows import FAILED, FINISHED, PRUNED, Budget, TrialRow, best_first, counts, tried_rows
from ocr_train.sweep.table import as_csv, as_markdown, as_page
from ocr_train.tracking import heartbeat
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.experiments import (
    experiment_name,
    experiment_of,
    mark_as_training,
    name_primary_metric,
)
from ocr_train.tracking.heartbeat import HEARTBEAT_TAG, Heartbeat
from ocr_train.tracking.holder import HOLDER_TAG, this_process
from ocr_train.tracking.launched_run import take_over
from ocr_train.tracking.mlflow_client import add_to_run

if TYPE_CHECKING:
    import optuna

SWEEP = "sweep"
TABLE, PAGE = "trials.csv", "trials.html"
_NOTE_LIMIT = 5000
_OF_THE_END = ("failure_reason", "failure_explanation")


@dataclass
class ParentRun:
    """The run `run_id` in MLflow; `folder` gets what is drawn. Trouble with the server is said once."""

    client: Any
    run_id: str
    experiment_id: str
    folder: Path
    echo: Echo
    _worker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="sweep")
    )
    _last: Future[None] | None = None
    _beat: Heartbeat | None = None
    _said: bool = False

    def begin(self) -> None:
        """Say that it lives, from now on."""
        self._guarded(self._revive)
        self._beat = Heartbeat(self._set_tags)
        self._beat.start()

    def show(
        self, rows: Sequence[TrialRow], plan: SweepPlan, budget: Budget, study: optuna.Study, *, text: str
    ) -> None:
        """Bring the table, the pictures and the figures up to date, in the background; `text` is what is swept."""
        self._last = self._worker.submit(
            lambda: self._guarded(lambda: self._show(list(rows), plan, budget, study, text))
        )

    def end(self, status: str, *, reason: str = "", why: str = "", patience_s: float = 60.0) -> None:
        """Give the run its final `status`, empty where another worker goes on; never raises."""
        if self._beat is not None:
            self._beat.close()
        with contextlib.suppress(Exception):
            if self._last is not None:
                self._last.result(patience_s)
        self._worker.shutdown(wait=False, cancel_futures=True)
        if status:
            self._guarded(lambda: self._end(status, reason, why))

    def _revive(self) -> None:
        tags = self.client.get_run(self.run_id).data.tags
        for tag in _OF_THE_END:
            if tag in tags:
                self.client.delete_tag(self.run_id, tag)
        self.client.update_run(self.run_id, status="RUNNING")
        self.client.set_tag(self.run_id, HOLDER_TAG, this_process(self.folder, now=time.time()).to_tag())

    def _set_tags(self, tags: Mapping[str, object]) -> None:
        with contextlib.suppress(Exception):
            for key, value in tags.items():
                self.client.set_tag(self.run_id, key, str(value))

    def _show(
        self, rows: list[TrialRow], plan: SweepPlan, budget: Budget, study: optuna.Study, text: str
    ) -> None:
        found = counts(rows)
        best = best_first(rows)[:1]
        figures = {
            "trials/finished": float(found.get(FINISHED, 0)),
            "trials/pruned": float(found.get(PRUNED, 0)),
            "trials/failed": float(found.get(FAILED, 0)),
            **budget.used(rows),
            **({f"best/{plan.metric}": best[0].score or 0.0} if best else {}),
        }
        table = as_markdown(rows, plan)
        note = redactor().text(f"{text}\n\n{table}").encode()[:_NOTE_LIMIT].decode("utf-8", "ignore")
        tags = {"mlflow.note.content": note}
        if best:
            tags["best_trial"] = str(best[0].number)
            tags["best_run"] = best[0].run_id
        ended = sum(found.get(state, 0) for state in (FINISHED, PRUNED, FAILED))
        add_to_run(self.client, self.run_id, metrics=figures, step=ended, tags=tags)
        for path in self._files(rows, plan, study):
            RunArtifacts(self.client, self.run_id).upload(path, "")

    def _files(self, rows: list[TrialRow], plan: SweepPlan, study: optuna.Study) -> list[Path]:
        csv_file, page = self.folder / TABLE, self.folder / PAGE
        write_text(csv_file, redactor().text(as_csv(rows, plan)))
        title = f"{len(tried_rows(rows))} trials of {plan.fixed.model}"
        write_text(page, redactor().text(as_page(rows, plan, title=title)))
        return [csv_file, page, *draw_sweep(rows, plan, self.folder, importances_of(study))]

    def _end(self, status: str, reason: str, why: str) -> None:
        for key, value in (("failure_reason", reason), ("failure_explanation", why)):
            if value:
                self.client.set_tag(self.run_id, key, redactor().text(value)[:_NOTE_LIMIT])
        self.client.set_terminated(self.run_id, status=status)

    def _guarded(self, step: Any) -> None:
        try:
            step()
        except Exception as exc:  # noqa: BLE001 - nothing about this run may end the sweep
            if not self._said:
                self._said = True
                words = exc.problem if isinstance(exc, OcrTrainError) else first_line(exc)
                self.echo(f"the parent run cannot be brought up to date, the sweep goes on: {words}")


def make_parent(
    client: Any,
    plan: SweepPlan,
    folder: Path,
    *,
    name: str,
    command: str,
    given: str,
    echo: Echo,
    source: Mapping[str, str],
) -> ParentRun:
    """The parent run, a new one or the run `given` that `mlflow run` made; `source` are MLflow's tags of who runs what.

    Raises `TrackingError`.
    """
    tags = {
        **source,
        KIND_TAG: SWEEP,
        OWN_TAG: command,
        "sweep": name,
        "sweep_model": plan.fixed.model,
        "primary_metric": f"best/{plan.metric}",
        HEARTBEAT_TAG: heartbeat.now(),
        HOLDER_TAG: this_process(folder, now=time.time()).to_tag(),
    }
    run_name = f"sweep-{name}"
    try:
        if given:
            run = take_over(client, given, run_name, tags)
        else:
            run = client.create_run(
                experiment_of(client, experiment_name(plan.task)), run_name=run_name, tags=tags
            )
        parent = open_parent(client, run, folder, echo)
    except TrackingError:
        raise
    except Exception as exc:
        raise TrackingError(
            f"the sweep's run cannot be made in MLflow: {first_line(exc)}",
            hint="Check MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and the server's log.",
        ) from exc
    with contextlib.suppress(Exception):
        mark_as_training(client, parent.experiment_id)
        name_primary_metric(client, parent.experiment_id, f"best/{plan.metric}")
        for key, value in plan.described().items():
            # `mlflow run` has logged its own.
            client.log_param(parent.run_id, key if "." in key else f"sweep.{key}", value[:6000])
    return parent


def open_parent(client: Any, run: Any, folder: Path, echo: Echo) -> ParentRun:
    """The run that another worker, or an earlier start, has made."""
    return ParentRun(
        client=client,
        run_id=str(run.info.run_id),
        experiment_id=str(run.info.experiment_id),
        folder=folder,
        echo=echo,
    )


def note_worker(client: Any, run_id: str, parent: str) -> None:
    """Say in the run that `mlflow run` made for a worker where the sweep is; it is no training."""
    with contextlib.suppress(Exception):
        client.set_tag(run_id, KIND_TAG, SWEEP)
        client.set_tag(run_id, "sweep_parent", parent)
        client.set_tag(run_id, "mlflow.note.content", f"A worker of the sweep whose run is {parent}.")
