"""What a training run came to: exit code, signal, our own stop and the log decide together."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from ocr_train.errors import (
    SIGINT_EXIT_CODE,
    SIGTERM_EXIT_CODE,
    OcrTrainError,
    TrainingFailed,
    TrainingStopped,
)
from ocr_train.failures import Failure
from ocr_train.process import Exit

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
_EXIT_CODES = {signal.SIGINT: SIGINT_EXIT_CODE, signal.SIGTERM: SIGTERM_EXIT_CODE}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`status` is MLflow's, `reason` one word for a tag (empty for FINISHED), `exit_code` ours."""

    status: str
    reason: str = ""
    explanation: str = ""
    hint: str = ""
    exit_code: int = 0


def decide(
    ended: Exit,
    *,
    stopped_by: int | None,
    failure: Failure | None,
    error: OcrTrainError | None,
    progressed: bool,
) -> Outcome:
    """The outcome of a run whose trainer ended with `ended`.

    `stopped_by` is the signal that we were asked to stop with, `failure` what the log gave away, `error` what
    went wrong on our side, `progressed` whether the log showed any training.
    """
    if error is not None:
        return _failed("callback_failed", error.problem, error.hint, error.exit_code)
    if stopped_by is not None:
        return _killed(stopped_by)
    if failure is not None and (failure.fatal or ended.code != 0):
        return _failed(failure.reason, failure.explanation, failure.hint)
    if ended.signal or ended.code != 0:
        return _broken_off(ended)
    if not progressed:
        return _failed(
            "no_training",
            "the trainer ended with exit code 0, but its log shows no training step.",
            "Look at the log: the data may be empty, or the checkpoint already at the last epoch.",
        )
    return Outcome(status=FINISHED)


_SIGNALS = {
    "SIGKILL": (
        "trainer_killed",
        "the trainer was killed (SIGKILL) by something else than this program: most often the kernel, for "
        "want of memory.",
        "Look at `dmesg` for 'Out of memory'; a smaller batch_size or fewer Train.loader.num_workers need less.",
    ),
    "SIGBUS": (
        "shared_memory",
        "the trainer died of a bus error: most often /dev/shm is full.",
        "overrides='Train.loader.use_shared_memory=false Eval.loader.use_shared_memory=false', or a larger "
        "/dev/shm (docker run --shm-size).",
    ),
}


def _broken_off(ended: Exit) -> Outcome:
    """A trainer that ended badly and whose log gave nothing away."""
    reason, explanation, hint = _SIGNALS.get(
        ended.signal,
        ("trainer_error", f"the trainer ended with {ended}.", "The last lines of its log may say why."),
    )
    return _failed(reason, explanation, hint)


def _failed(reason: str, explanation: str, hint: str, exit_code: int = TrainingFailed.exit_code) -> Outcome:
    return Outcome(status=FAILED, reason=reason, explanation=explanation, hint=hint, exit_code=exit_code)


def _killed(number: int) -> Outcome:
    name = signal.Signals(number).name
    how = {signal.SIGINT: "interrupted (Ctrl-C)", signal.SIGTERM: "terminated (SIGTERM)"}
    return Outcome(
        status=KILLED,
        reason="interrupted" if number == signal.SIGINT else "terminated",
        explanation=f"training was {how.get(signal.Signals(number), f'stopped by {name}')}.",
        hint="What was stored before is whole: resume from it.",
        exit_code=_EXIT_CODES.get(signal.Signals(number), TrainingStopped.exit_code),
    )
