"""The work of one process on a sweep: trial after trial until the budget is used up, or somebody says stop.

lost trials are given back -> is there budget left? -> ask -> train -> tell -> the parent run is brought up to date
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.manifest import LATEST, CheckpointManifest
from ocr_train.checkpoints.reader import find
from ocr_train.config.fine_tune import is_of_a_run
from ocr_train.errors import OcrTrainError, StorageError, TrackingError, TrainingFailed
from ocr_train.run import Echo
from ocr_train.runs.listing import reap_if_running
from ocr_train.sweep.parent import SWEEP, ParentRun
from ocr_train.sweep.plan import SweepPlan
from ocr_train.sweep.processes import ProcessId, process_id
from ocr_train.sweep.rows import (
    BUDGET,
    INTERRUPTED,
    LOST,
    Budget,
    TrialRow,
    best_first,
    common_failure,
    counted,
)
from ocr_train.sweep.rows import FAILED as FAILED_TRIAL
from ocr_train.sweep.study import NextTrial, SweepStudy
from ocr_train.sweep.table import short_names, shown_score, value_text
from ocr_train.sweep.trial import TrialEnd, TrialRequest, TrialScore, TrialWatcher, train_trial
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.trainer.failures import PRUNED, TRACKER_LOST
from ocr_train.trainer.outcome import FAILED, FINISHED, KILLED, stopped
from ocr_train.trainer.stop_signals import StopFlag
from ocr_train.trainer.supervision import StopOrder

BEAT_S = 30.0
LOOK_S = 2.0
CHILD_ENDS_S = 120.0
"""A training whose sweep was killed is told to end, and given 90 s for it by its guard."""
_ASKED = ("interrupted", "terminated", "hangup")


@dataclass(frozen=True, kw_only=True)
class SweepJob:
    """What the work is done with: `output` is where the files of runs go, `folder` where those of the sweep do; `text` is
    what the sweep is, for the page; `live` shows how a trial goes."""

    plan: SweepPlan
    study: SweepStudy
    parent: ParentRun
    budget: Budget
    client: Any
    folder: Path
    output: Path
    text: str
    echo: Echo
    live: Echo
    stop: StopFlag
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, kw_only=True)
class SweepEnd:
    """How it ended for this process: `status` is MLflow's, `why` for people; `others` are trials that go on elsewhere."""

    status: str
    why: str
    reason: str = ""
    code: int = 0
    others: tuple[int, ...] = ()


def work(job: SweepJob) -> SweepEnd:
    """Do what is left of the sweep; raises `StorageError` where the study's database is gone for good."""
    before = len(job.study.rows())
    while True:
        _take_back_lost(job)
        rows = job.study.rows()
        if job.stop.number is not None:
            return _stopped(job)
        # Of this start: what made those of an earlier one fail may be put right.
        if (last := common_failure(rows[before:])) is not None:
            return SweepEnd(
                status=FAILED,
                reason=last.reason,
                why=f"the first trials all failed for the same reason, {last.reason}: {last.why}",
                code=last.code or 1,
            )
        if over := job.budget.over(rows):
            if job.study.unsure():
                job.live("waiting to see whether a trial of another machine still runs ...")
                job.sleep(LOOK_S)
                continue
            return _used_up(job, rows, over)
        trial = job.study.ask(job.budget.trials)
        if trial is not None:
            _Attempt(job, trial).run()
            job.parent.show(job.study.rows(), job.plan, job.budget, job.study.study, text=job.text)


def _stopped(job: SweepJob) -> SweepEnd:
    outcome = stopped(job.stop.number or signal.SIGTERM)
    return SweepEnd(
        status=KILLED,
        reason=outcome.reason,
        why=outcome.explanation.replace("training", "the sweep", 1).removesuffix("."),
        code=outcome.exit_code,
        others=tuple(job.study.others_running()),
    )


def _used_up(job: SweepJob, rows: list[TrialRow], over: str) -> SweepEnd:
    others = tuple(job.study.others_running())
    why = f"the budget of {over} is used up"
    if best_first(rows) or others:
        return SweepEnd(status=FINISHED, why=why, others=others)
    failed = [row for row in counted(rows) if row.state == FAILED_TRIAL]
    if not failed:
        return SweepEnd(status=FINISHED, why=f"{why} before a trial has finished")
    last = failed[-1]
    why += f", and every trial has failed, the last one with {last.reason}: {last.why}"
    return SweepEnd(status=FAILED, why=why, reason=last.reason, code=last.code or TrainingFailed.exit_code)


def _take_back_lost(job: SweepJob) -> None:
    """What processes held that are gone is tried again, from where it was; a training that had ended well counts."""
    for row, child in job.study.orphans():
        if child is not None and not _has_ended(job, row, child):
            continue
        status = score = None
        try:
            status = reap_if_running(job.client, row.run_id) if row.run_id else ""
            score = _best_of(job, row.run_id) if status == FINISHED else None
        except OcrTrainError as exc:
            job.echo(f"trial {row.number}: what became of its run cannot be told: {exc.problem}")
        if score is not None:
            job.study.finish_lost(row.number, score)
            job.echo(
                f"trial {row.number}: {job.plan.metric} {shown_score(score)}; it had ended when its sweep was lost"
            )
        else:
            job.study.give_back(row.number, outcome=LOST, reason=TRACKER_LOST)
            job.echo(f"trial {row.number}: the process that ran it is gone; it is tried again")


def _has_ended(job: SweepJob, row: TrialRow, child: ProcessId) -> bool:
    """Whether the training is over; one that was told to end is waited for."""
    deadline = time.monotonic() + CHILD_ENDS_S
    while child.lives() and time.monotonic() < deadline and job.stop.number is None:
        job.live(f"trial {row.number}: its sweep was killed; waiting until its training has ended ...")
        job.sleep(0.5)
    return not child.lives()


def _best_of(job: SweepJob, run_id: str) -> float | None:
    """The best score of a run after its start, as MLflow has it."""
    try:
        history = job.client.get_metric_history(run_id, f"eval/{job.plan.metric}")
    except Exception as exc:
        raise TrackingError(f"the scores of the run {run_id} cannot be read: {exc}") from exc
    return max((point.value for point in history if point.step > 0), default=None)


@dataclass
class _Attempt:
    """One trial of ours, while it runs."""

    job: SweepJob
    trial: NextTrial
    scores: dict[int, float] = field(default_factory=dict)
    run_id: str = ""
    _unreported: dict[int, float] = field(default_factory=dict)
    _beat_at: float = 0.0
    _others: list[TrialRow] = field(default_factory=list)

    def run(self) -> None:
        """Train, and tell the study what came of it."""
        job, number = self.job, self.trial.number
        checkpoint = self._checkpoint()
        names = short_names(job.plan)
        values = " ".join(f"{names[name]}={value_text(value)}" for name, value in self.trial.values.items())
        resume = self.trial.resume if checkpoint else ""
        job.echo(f"trial {number}: {values}" + (f" (goes on with run {resume[:8]})" if resume else ""))
        self._others = [row for row in job.study.rows() if row.number != number]
        self.scores = {
            epoch: score
            for row in self._others
            if row.number == self.trial.continues
            for epoch, score in row.scores.items()
        }
        if checkpoint and self._was_trained_out(checkpoint):
            self.run_id = resume
            self._tell(TrialEnd(code=0, reason="", why="", seconds=0.0))
            return
        watcher = TrialWatcher(started=self._started, run=self._began, score=self._scored, tick=self._tick)
        end = train_trial(self._request(resume), watcher, job.stop)
        job.live("")
        self._tell(end)

    def _checkpoint(self) -> CheckpointManifest | None:
        """The newest one of the run that it goes on with; None where it begins."""
        if not self.trial.resume:
            return None
        try:
            return find(RunArtifacts(self.job.client, self.trial.resume), LATEST)
        except OcrTrainError:
            return None

    def _was_trained_out(self, checkpoint: CheckpointManifest) -> bool:
        """Whether it was interrupted between its last checkpoint and its end: then nothing is left to train."""
        if checkpoint.epoch < self.job.plan.epochs_of(self.trial.values):
            return False
        if checkpoint.epoch not in self.scores:
            # The sweep was killed before it heard of the last one.
            with contextlib.suppress(TrackingError):
                best = _best_of(self.job, self.trial.resume)
                self.scores |= {checkpoint.epoch: best} if best is not None else {}
        return bool(self.scores)

    def _request(self, resume: str) -> TrialRequest:
        job, number = self.job, self.trial.number
        launch = replace(job.plan.launch(self.trial.values), output=str(job.output))
        if resume:
            given = "" if is_of_a_run(launch.pretrained) else launch.pretrained
            launch = replace(launch, resume=resume, resume_mode="same", pretrained=given)
        name = job.study.name
        return TrialRequest(
            launch=launch,
            name=f"{name}-trial-{number:02}",
            tags={"mlflow.parentRunId": job.parent.run_id, SWEEP: name, "sweep_trial": str(number)},
            log=job.folder / "logs" / f"trial-{number:03}.log",
            failure=job.folder / "logs" / f"trial-{number:03}.failure",
            variables={"MLFLOW_EXPERIMENT_ID": job.parent.experiment_id},
        )

    def _started(self, pid: int) -> None:
        try:
            self._note(child=process_id(pid).to_list())
        except OSError:
            # It has ended already.
            return

    def _began(self, run_id: str) -> None:
        self.run_id = run_id
        self._note(run_id=run_id)

    def _scored(self, score: TrialScore) -> StopOrder | None:
        metric, epoch = self.job.plan.metric, score.epoch
        value = score.metrics.get(metric)
        self.job.live(
            f"trial {self.trial.number}: epoch {epoch}"
            + (f", {metric} {shown_score(value)}" if value is not None else "")
        )
        # Of several evaluations in one epoch the first counts: it is compared with those of other trials.
        if value is None or epoch in self.scores:
            return None
        self.scores[epoch] = self._unreported[epoch] = value
        why = self._report()
        return StopOrder(reason=PRUNED, why=why) if why else None

    def _report(self) -> str:
        """Note what is not noted yet; why the trial is hopeless, or nothing."""
        why = ""
        try:
            for epoch, value in sorted(self._unreported.items()):
                why = self.job.study.report(self.trial.number, value, epoch)
                del self._unreported[epoch]
        except StorageError as exc:
            self.job.echo(f"{exc.problem} The training goes on; what it scores is noted later.")
        return why

    def _tick(self, seconds: float) -> StopOrder | None:
        if seconds - self._beat_at >= BEAT_S:
            self._beat_at = seconds
            self._note(seconds=seconds)
        over = self.job.budget.time_over(self._others, seconds)
        return StopOrder(reason=BUDGET, why=f"the sweep's budget of {over} is used up") if over else None

    def _note(self, **values: Any) -> None:
        try:
            self.job.study.beat(self.trial.number, **values)
        except StorageError as exc:
            self.job.echo(f"{exc.problem} The training goes on.")

    def _tell(self, end: TrialEnd) -> None:
        study, number = self.job.study, self.trial.number
        self._report()
        best = max(self.scores.values(), default=None)
        noted = {"run_id": self.run_id, "seconds": end.seconds, "code": end.code}
        noted |= {"reason": end.reason, "why": end.why}
        took = f"{end.seconds:.0f} s" if end.seconds < 100 else f"{end.seconds / 60:.1f} minutes"
        if end.code == 0 and best is not None:
            study.finish(number, best, **noted)
            epoch = max(self.scores, key=lambda one: (self.scores[one], -one))
            said = f"{self.job.plan.metric} {shown_score(best)} after epoch {epoch}, in {took}"
        elif end.reason == PRUNED:
            study.prune(number, **noted)
            said = f"pruned {end.why}, in {took}"
        elif end.reason == BUDGET:
            study.give_back(number, outcome=BUDGET, **noted)
            said = f"ended: {end.why}; its checkpoint is kept"
        elif end.reason in _ASKED and self.job.stop.number is not None:
            study.give_back(number, outcome=INTERRUPTED, **noted)
            said = f"{end.reason}; its checkpoint is kept, and the sweep goes on with it"
        elif end.reason in (*_ASKED, TRACKER_LOST):
            self._reap()
            study.give_back(number, outcome=LOST, **noted)
            said = f"its training was ended from outside ({end.reason}); it is tried again"
        else:
            why = end.why or f"it was never evaluated by {self.job.plan.metric}"
            study.fail(number, **{**noted, "why": why, "reason": end.reason or "no_training"})
            said = f"failed, {end.reason or 'without a score'}: {why}"
        self.job.echo(f"trial {number}: {said}")

    def _reap(self) -> None:
        """A training that was killed could not say so itself."""
        try:
            if self.run_id:
                reap_if_running(self.job.client, self.run_id)
        except OcrTrainError as exc:
            self.job.echo(exc.problem)
