"""What a training run came to: exit code, signal, our own stop and the log decide together."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace

from ocr_train.errors import (
    SIGINT_EXIT_CODE,
    SIGTERM_EXIT_CODE,
    CallbackFailed,
    CheckpointLost,
    ConfigError,
    DataError,
    MissingWeights,
    OcrTrainError,
    SetupError,
    StorageError,
    TrackingError,
    TrainingFailed,
    TrainingStopped,
)
from ocr_train.trainer.failures import BUDGET, ENOUGH, HOST_OOM, PRUNED, Failure
from ocr_train.trainer.process import Exit

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
_ASKED = {
    signal.SIGINT: ("interrupted (Ctrl-C)", "interrupted"),
    signal.SIGTERM: ("terminated (SIGTERM)", "terminated"),
    signal.SIGHUP: ("stopped because its terminal was closed (SIGHUP)", "hangup"),
}
_EXIT_CODES = {signal.SIGINT: SIGINT_EXIT_CODE, signal.SIGTERM: SIGTERM_EXIT_CODE}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`status` is MLflow's, `reason` one of `failures.REASONS` (empty for FINISHED), `exit_code` ours. `stop_reason` is one
    of `failures.ENOUGH` where a limit of its own has ended it."""

    status: str
    reason: str = ""
    explanation: str = ""
    hint: str = ""
    exit_code: int = 0
    stop_reason: str = ""


def decide_outcome(
    ended: Exit,
    *,
    stopped_by: int | None,
    failure: Failure | None,
    error: OcrTrainError | None,
    progressed: bool,
    kernel: str = "",
) -> Outcome:
    """The outcome of a run whose trainer ended with `ended`.

    `stopped_by` is the signal that we were asked to stop with, `failure` what the log gave away, `error` what
    went wrong on our side, `progressed` whether the log showed any training, `kernel` what the kernel reported of
    memory.
    """
    if error is not None:
        return _from_error(error, failure)
    if stopped_by is not None:
        return stopped(stopped_by)
    if failure is not None and (failure.fatal or ended.code != 0):
        return _failed(failure.reason, failure.explanation, failure.hint)
    if ended.signal or ended.code != 0:
        return _from_exit(ended, kernel)
    if not progressed:
        return _failed(
            "no_training",
            "the trainer ended with exit code 0, but its log shows no training step.",
            "Look at the log: the data may be empty, or the checkpoint already at the last epoch.",
        )
    return Outcome(status=FINISHED)


def _from_error(error: OcrTrainError, failure: Failure | None) -> Outcome:
    """We ended it; where the log says why there was nothing more to come, that is the cause."""
    if isinstance(error, TrainingStopped) and failure is not None and failure.fatal:
        return _failed(failure.reason, failure.explanation, failure.hint)
    reason = failure_reason_of(error)
    if reason in ENOUGH:
        return Outcome(status=FINISHED, stop_reason=reason, explanation=error.problem)
    outcome = _failed(reason, error.problem, error.hint, error.exit_code)
    return replace(outcome, status=KILLED) if reason in (PRUNED, BUDGET) else outcome


_SIGNALS = {
    "SIGKILL": (
        "trainer_killed",
        "the trainer was killed (SIGKILL) by something else than this program: most often the kernel, for "
        "want of memory.",
        "Look at `dmesg` for 'Out of memory'; a smaller batch_size or fewer Train.loader.num_workers need less.",
    ),
    "SIGBUS": (
        "shared_memory",
        "the trainer ended with a bus error: most often /dev/shm is full.",
        "overrides='Train.loader.use_shared_memory=false Eval.loader.use_shared_memory=false', or a larger "
        "/dev/shm (docker run --shm-size).",
    ),
}


_SIGNAL_CODES = {137: "SIGKILL", 247: "SIGKILL", 135: "SIGBUS", 249: "SIGBUS"}
"""How a shell (128 + number) and Paddle's launcher (256 - number) tell the signal that ended what they ran."""


def _from_exit(ended: Exit, kernel: str) -> Outcome:
    """A trainer that ended badly and whose log gave nothing away."""
    name = ended.signal or _SIGNAL_CODES.get(ended.code or 0, "")
    if name == "SIGKILL" and kernel:
        return _failed(
            HOST_OOM.reason,
            f"the trainer was killed ({ended}) because memory ran out. {kernel}",
            HOST_OOM.hint,
        )
    reason, explanation, hint = _SIGNALS.get(
        name,
        ("trainer_error", f"the trainer ended with {ended}.", "The last lines of its log may say why."),
    )
    return _failed(reason, explanation, hint)


_REASONS = {
    MissingWeights: "missing_weights",
    ConfigError: "config_error",
    DataError: "data_error",
    StorageError: "storage_error",
    SetupError: "setup_error",
    TrackingError: "tracking_error",
    CallbackFailed: "callback_failed",
    CheckpointLost: "checkpoint_lost",
}


def failure_reason_of(error: BaseException) -> str:
    """The `failure_reason` of an error on our side."""
    if isinstance(error, TrainingStopped):
        return error.reason
    return next((name for kind, name in _REASONS.items() if isinstance(error, kind)), "internal_error")


def _failed(reason: str, explanation: str, hint: str, exit_code: int = TrainingFailed.exit_code) -> Outcome:
    return Outcome(status=FAILED, reason=reason, explanation=explanation, hint=hint, exit_code=exit_code)


def stopped(number: int) -> Outcome:
    """The outcome of being asked to stop by the signal `number`."""
    name = signal.Signals(number).name
    how, reason = _ASKED.get(signal.Signals(number), (f"stopped by {name}", "terminated"))
    return Outcome(
        status=KILLED,
        reason=reason,
        explanation=f"training was {how}.",
        exit_code=_EXIT_CODES.get(signal.Signals(number), TrainingStopped.exit_code),
    )
