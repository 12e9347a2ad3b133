"""One trial: `train` in a child process of a session of its own, guarded, listened to over a line of messages.

The child never waits for us, nor for the database of the study. Whatever ends us ends it: told first by SIGTERM, so that
its run says what happened and keeps its checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.config.parameters import Launch
from ocr_train.config.started import with_own_package
from ocr_train.errors import (
    ConfigError,
    DataError,
    OcrTrainError,
    SetupError,
    StorageError,
    TrackingError,
    TrainingFailed,
)
from ocr_train.redaction.redactor import redactor
from ocr_train.trainer.failures import BUDGET, PRUNED
from ocr_train.trainer.guard import Guard
from ocr_train.trainer.outcome import failure_reason_of
from ocr_train.trainer.stop_signals import StopFlag
from ocr_train.trainer.supervision import MessageLink, StopOrder, supervised_environment

FAILURE_FILE = "OCR_TRAIN_FAILURE_FILE"
TURN_S = 0.3
STOP_PATIENCE_S = 300.0
"""A training that was told to stop takes a minute or two: a save that is being written, an upload. Then it is killed."""
_ERRORS: tuple[type[OcrTrainError], ...] = (
    ConfigError,
    DataError,
    StorageError,
    SetupError,
    TrackingError,
)


@dataclass(frozen=True, kw_only=True)
class TrialRequest:
    """What is trained: the `launch`, what its run is called and tagged with, and the files for its output and for why it
    failed; `variables` are added to the environment."""

    launch: Launch
    name: str
    tags: Mapping[str, str]
    log: Path
    failure: Path
    variables: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TrialScore:
    """What an evaluation measured after an epoch (from 1): values by name, such as `acc`."""

    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class TrialWatcher:
    """Who is told how a trial goes: its process, its run, its scores; `tick` comes a few times a second. Scores and ticks
    are answered with a wish that the trial ends, or None."""

    started: Callable[[int], None]
    run: Callable[[str], None]
    score: Callable[[TrialScore], StopOrder | None]
    tick: Callable[[float], StopOrder | None]


@dataclass(frozen=True, kw_only=True)
class TrialEnd:
    """How it ended: `code` is that of `train`, `reason` one of `failures.REASONS` (empty where it finished), `why` a
    sentence; `order` is our own wish that was followed."""

    code: int
    reason: str
    why: str
    seconds: float
    order: StopOrder | None = None


def train_trial(request: TrialRequest, watcher: TrialWatcher, stop: StopFlag) -> TrialEnd:
    """Train to the end; a signal that `stop` notes is passed on to the training, which ends as it does on its own."""
    began = time.monotonic()
    request.log.parent.mkdir(parents=True, exist_ok=True)
    request.failure.unlink(missing_ok=True)
    ours, theirs = socket.socketpair()
    link = MessageLink(ours)
    with contextlib.closing(link), Guard.start() as guard, request.log.open("ab") as log:
        with contextlib.closing(theirs):
            process = subprocess.Popen(
                training_argv(request.launch),
                env={**_environment(request, theirs), **guard.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                # Ctrl-C is for us: we pass it on, once.
                start_new_session=True,
            )
        try:
            guard.watch_group(process.pid)
            guard.end_first(process.pid)
            watcher.started(process.pid)
            order, ended = _follow(process, link, watcher, stop, began)
        finally:
            # Only an error of ours leaves it running.
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                _wait(process)
    code = process.returncode
    reason = "" if code == 0 else str(ended.get("reason") or _reason_of(code))
    return TrialEnd(
        code=code,
        reason=reason,
        why="" if code == 0 else _why(request, order, reason),
        seconds=time.monotonic() - began,
        order=order if order is not None and reason == order.reason else None,
    )


def training_argv(launch: Launch) -> list[str]:
    """The command of the child."""
    return [sys.executable, "-m", "ocr_train", "train", *launch.arguments()]


def _follow(
    process: subprocess.Popen[bytes], link: MessageLink, watcher: TrialWatcher, stop: StopFlag, began: float
) -> tuple[StopOrder | None, dict[str, Any]]:
    """Listen until it is over: our wish that it ends, where there was one, and what it said of its end."""
    order: StopOrder | None = None
    ended: dict[str, Any] = {}
    passed_on = False
    told_at = 0.0
    while True:
        over = process.poll() is not None
        if not over and link.open:
            select.select([link], [], [], TURN_S)
        elif not over:
            time.sleep(TURN_S)
        wishes = [_take(message, watcher, ended) for message in link.received()]
        if over:
            return order, ended
        wishes.append(watcher.tick(time.monotonic() - began))
        wish = next(filter(None, wishes), None)
        if order is None and wish is not None and not passed_on:
            order, told_at = wish, time.monotonic()
            link.send({"stop": {"reason": wish.reason, "why": wish.why}})
        if stop.number is not None and not passed_on:
            passed_on, told_at = True, time.monotonic()
            process.send_signal(stop.number)
        if told_at and time.monotonic() - told_at > STOP_PATIENCE_S:
            process.kill()


def _take(message: Mapping[str, Any], watcher: TrialWatcher, ended: dict[str, Any]) -> StopOrder | None:
    if isinstance(run := message.get("run"), dict):
        watcher.run(str(run.get("run_id", "")))
    if isinstance(end := message.get("ended"), dict):
        ended.update(end)
    if isinstance(evaluation := message.get("evaluation"), dict):
        with contextlib.suppress(TypeError, ValueError, KeyError):
            epoch, metrics = int(evaluation["epoch"]), dict(evaluation["metrics"])
            # Epoch 0 is what all trials start from.
            if epoch > 0:
                return watcher.score(TrialScore(epoch=epoch, metrics=metrics))
    return None


def _environment(request: TrialRequest, end: socket.socket) -> dict[str, str]:
    """This process's, without the run that `mlflow run` made for it; our package is found wherever the child starts."""
    env = with_own_package({key: value for key, value in os.environ.items() if key != "MLFLOW_RUN_ID"})
    env[FAILURE_FILE] = str(request.failure)
    return {**env, **request.variables, **supervised_environment(end, name=request.name, tags=request.tags)}


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _reason_of(code: int) -> str:
    """The reason that an exit code gives away, where the training had no time to say one."""
    if code < 0 or code == 137:
        return "tracker_lost"
    names = {kind.exit_code: failure_reason_of(kind("")) for kind in _ERRORS}
    names |= {TrainingFailed.exit_code: "trainer_error", 130: "interrupted", 143: "terminated"}
    return names.get(code, "internal_error")


def _why(request: TrialRequest, order: StopOrder | None, reason: str) -> str:
    """One sentence, from whoever knows best."""
    if order is not None and reason in (PRUNED, BUDGET):
        return order.why
    with contextlib.suppress(OSError):
        lines = request.failure.read_text(encoding="utf-8").splitlines()
        if lines:
            # A list of problems has its first one in the second line.
            return redactor().text(" ".join(line.strip() for line in lines[:2]))
    return f"see {request.log}"
