"""The runs of an experiment as MLflow knows them, and those among them that no process tracks any more."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ocr_train.errors import ConfigError, TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.runs.offline import OFFLINE_ID
from ocr_train.tracking import heartbeat
from ocr_train.tracking.experiments import experiments_searched
from ocr_train.tracking.heartbeat import HEARTBEAT_TAG
from ocr_train.tracking.holder import HOLDER_TAG
from ocr_train.tracking.mlflow_client import get_run, runs_found
from ocr_train.trainer.failures import NEVER_BEGAN_EXPLANATION, TRACKER_LOST, TRACKER_LOST_EXPLANATION

LOST_AFTER_S = 600.0
"""Twenty heartbeats: a server that was away for a few minutes makes no run lost."""
UNSTARTED_AFTER_S = 3600.0
"""A run that `mlflow run` made has no heartbeat before its environment is there, which may take half an hour."""
OWN_TAG = "launch_command"
OWN_TAGS = frozenset([OWN_TAG, HOLDER_TAG, HEARTBEAT_TAG, OFFLINE_ID])
"""A run with one of them is ours: it has them from its first moment."""
_PROJECT_PARAMS = frozenset(
    ["model", "resume", "resume_mode", "weights_only", "trainer_python", "on_bad_sample"]
)
"""The params of our entry point `main` that, all together, no other project has."""
MAIN_METRICS = ("hmean", "acc")


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """One run: `started` and `heartbeat` in Unix seconds; `last_step`, `best` and `heartbeat` None where
    there is none; `age_s` is the time since its start; `began` says that a process of ours had it: `mlflow run`
    makes a run before it starts us."""

    run_id: str
    name: str
    model: str
    status: str
    started: float
    age_s: float
    last_step: int | None
    main_metric: str
    best: float | None
    heartbeat: float | None
    failure_reason: str
    began: bool = True

    @property
    def last_sign(self) -> float:
        """When it was last known to live."""
        return self.started if self.heartbeat is None else self.heartbeat


def list_runs(client: Any, *, limit: int = 50, now: float | None = None) -> Sequence[RunInfo]:
    """Our runs in the experiments that are searched, the newest first; raises `TrackingError`.

    Ours are those with a launch command: runs of other programs in the same experiment are left alone.
    """
    moment = time.time() if now is None else now
    ours = (run for run in runs_found(client, experiments_searched(client)) if OWN_TAG in run.data.tags)
    return [_info(run, moment) for run in islice(ours, limit)]


def lost_runs(client: Any, *, older_than_s: float | None = None, now: float | None = None) -> list[RunInfo]:
    """Our RUNNING runs without a sign of life for `older_than_s`, else for `LOST_AFTER_S`, or `UNSTARTED_AFTER_S`
    where no process of ours had them; raises `TrackingError`.

    Runs of other programs in the same experiment are left alone.
    """
    moment = time.time() if now is None else now
    running = runs_found(client, experiments_searched(client), "attributes.status = 'RUNNING'")
    infos = [_info(run, moment) for run in running if _is_ours(run)]
    return [
        info
        for info in infos
        if moment - info.last_sign
        > (older_than_s if older_than_s is not None else LOST_AFTER_S if info.began else UNSTARTED_AFTER_S)
    ]


def _is_ours(run: Any) -> bool:
    return _began(run) or _launched_by_mlflow_run(run)


def _began(run: Any) -> bool:
    return bool(OWN_TAGS & run.data.tags.keys())


def _launched_by_mlflow_run(run: Any) -> bool:
    """Whether `mlflow run` made it for a training of this project: it gives a run all params of its entry point."""
    tags = run.data.tags
    project = tags.get("mlflow.source.type"), tags.get("mlflow.project.entryPoint")
    return project == ("PROJECT", "main") and set(run.data.params) >= _PROJECT_PARAMS


def reap(client: Any, info: RunInfo) -> None:
    """Record of a lost run that it was KILLED, when, and why; raises `TrackingError`."""
    try:
        client.set_tag(info.run_id, "failure_reason", TRACKER_LOST)
        explanation = TRACKER_LOST_EXPLANATION if info.began else NEVER_BEGAN_EXPLANATION
        client.set_tag(info.run_id, "failure_explanation", explanation)
        client.set_terminated(info.run_id, status="KILLED", end_time=int(info.last_sign * 1000))
    except Exception as exc:
        raise TrackingError(f"run {info.run_id} cannot be marked as KILLED: {first_line(exc)}") from exc


def reap_if_running(client: Any, run_id: str) -> str:
    """The status of a run whose process is known to have ended; one that it left RUNNING becomes KILLED first.

    Nothing where there is no such run. Raises `TrackingError`.
    """
    try:
        run = get_run(client, run_id)
    except ConfigError:
        return ""
    if run.info.status != "RUNNING":
        return str(run.info.status)
    reap(client, _info(run, time.time()))
    return "KILLED"


def _info(run: Any, now: float) -> RunInfo:
    tags, metrics = run.data.tags, run.data.metrics
    started = (run.info.start_time or 0) / 1000
    main = _main_metric(run.data.params, metrics)
    return RunInfo(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        model=tags.get("model", ""),
        status=run.info.status,
        started=started,
        age_s=max(0.0, now - started),
        last_step=_last_step(run),
        main_metric=main,
        best=metrics.get(f"best/{main}"),
        heartbeat=heartbeat.parse_time(tags.get(HEARTBEAT_TAG, "")),
        failure_reason=tags.get("failure_reason", ""),
        began=_began(run),
    )


def _main_metric(params: Mapping[str, str], metrics: Mapping[str, float]) -> str:
    names = [params.get("cfg/Metric.main_indicator", ""), *MAIN_METRICS]
    return next((name for name in names if name and f"best/{name}" in metrics), names[0])


def _last_step(run: Any) -> int | None:
    """The step of the newest training metric; system metrics count samples, not steps."""
    steps = [
        int(metric.step)
        for metric in run.data.to_proto().metrics
        if metric.key.startswith(("train/", "eval/"))
    ]
    return max(steps, default=None)
