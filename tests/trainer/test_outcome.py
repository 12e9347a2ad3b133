"""What a run came to: every combination of exit, signal, log and our own stop."""

from __future__ import annotations

import itertools
import signal

import pytest

from ocr_train.errors import (
    CallbackFailed,
    CheckpointLost,
    ConfigError,
    DataError,
    OcrTrainError,
    TrainingStopped,
    TransientStorageError,
)
from ocr_train.trainer.failures import CUDA_OOM, DISK_FULL, NO_IMAGES, Failure
from ocr_train.trainer.outcome import FAILED, FINISHED, KILLED, Outcome, decide_outcome, failure_reason_of
from ocr_train.trainer.process import Exit

OK, BAD = Exit(code=0), Exit(code=1)
DIED = Exit(code=None, signal="SIGKILL")
LOST_BUS = Exit(code=None, signal="SIGBUS")
SEGFAULT = Exit(code=None, signal="SIGSEGV")
CRITICAL = CallbackFailed("the callback checkpoints failed", hint="resume")


def outcome(
    ended: Exit = OK,
    *,
    stopped_by: int | None = None,
    failure: Failure | None = None,
    error: OcrTrainError | None = None,
    progressed: bool = True,
) -> Outcome:
    """`decide_outcome` for a run in which all went well but for what is given."""
    return decide_outcome(ended, stopped_by=stopped_by, failure=failure, error=error, progressed=progressed)


def test_a_run_that_trained_and_ended_well_is_finished() -> None:
    """Exit code 0, progress in the log, and nothing else: the only way to FINISHED."""
    assert outcome() == Outcome(status=FINISHED, reason="", explanation="", hint="", exit_code=0)


def test_nothing_but_a_whole_training_is_finished() -> None:
    """Of all combinations of the five witnesses, FINISHED has a clean exit and no witness against it."""
    for ended, stopped_by, failure, error, progressed in itertools.product(
        (OK, BAD, DIED, LOST_BUS, SEGFAULT, Exit(code=255)),
        (None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
        (None, NO_IMAGES, DISK_FULL),
        (None, CRITICAL),
        (True, False),
    ):
        found = outcome(ended, stopped_by=stopped_by, failure=failure, error=error, progressed=progressed)
        good = ended == OK and stopped_by is None and error is None and progressed
        good = good and (failure is None or not failure.fatal)
        assert (found.status == FINISHED) == good
        assert (found.exit_code == 0) == good
        assert bool(found.reason) == bool(found.explanation) == (not good)
        assert bool(found.hint) == (found.status == FAILED)


@pytest.mark.parametrize(
    ("stopped_by", "reason", "exit_code"),
    [
        (signal.SIGINT, "interrupted", 130),
        (signal.SIGTERM, "terminated", 143),
        (signal.SIGHUP, "hangup", TrainingStopped.exit_code),
    ],
)
@pytest.mark.parametrize("ended", [OK, BAD, DIED, Exit(code=None, signal="SIGTERM")])
@pytest.mark.parametrize("failure", [None, CUDA_OOM])
def test_a_run_that_was_asked_to_stop_is_killed(
    stopped_by: int, reason: str, exit_code: int, ended: Exit, failure: Failure | None
) -> None:
    """However the trainer ended then, and whatever it printed while ending."""
    found = outcome(ended, stopped_by=stopped_by, failure=failure)
    assert (found.status, found.reason, found.exit_code) == (KILLED, reason, exit_code)
    # Whether there is a checkpoint to resume from, the summary knows.
    assert found.hint == ""


@pytest.mark.parametrize("progressed", [True, False])
@pytest.mark.parametrize("ended", [OK, BAD, DIED])
def test_a_fatal_failure_in_the_log_fails_the_run(ended: Exit, progressed: bool) -> None:
    """ "No Images" with exit code 0 is a failure too: the log outweighs the exit code."""
    found = outcome(ended, failure=NO_IMAGES, progressed=progressed)
    assert (found.status, found.reason, found.exit_code) == (FAILED, "no_images", 6)
    assert (found.explanation, found.hint) == (NO_IMAGES.explanation, NO_IMAGES.hint)


@pytest.mark.parametrize("ended", [BAD, DIED])
def test_a_failure_that_is_not_fatal_explains_a_bad_end(ended: Exit) -> None:
    """The trainer printed why before it ended."""
    assert outcome(ended, failure=DISK_FULL).reason == "disk_full"


def test_a_failure_that_is_not_fatal_does_not_fail_a_good_end() -> None:
    """The trainer got over it."""
    assert outcome(failure=DISK_FULL).status == FINISHED


@pytest.mark.parametrize(
    ("ended", "reason", "word"),
    [
        (BAD, "trainer_error", "exit code 1"),
        (SEGFAULT, "trainer_error", "signal SIGSEGV"),
        (DIED, "trainer_killed", "memory"),
        (LOST_BUS, "shared_memory", "bus error"),
        (Exit(code=None, signal="SIGTERM"), "trainer_error", "signal SIGTERM"),
    ],
)
def test_a_bad_end_without_words_is_told_by_how_it_ended(ended: Exit, reason: str, word: str) -> None:
    """A SIGKILL that was not ours is most often the kernel's, because memory ran out."""
    found = outcome(ended)
    assert (found.status, found.reason, found.exit_code) == (FAILED, reason, 6)
    assert word in found.explanation


def test_a_good_exit_without_training_is_a_failure() -> None:
    """Resuming a run that is already at its last epoch exits 0 and trains nothing."""
    found = outcome(progressed=False)
    assert (found.status, found.reason, found.exit_code) == (FAILED, "no_training", 6)
    assert "last epoch" in found.hint


@pytest.mark.parametrize("ended", [OK, BAD, DIED])
@pytest.mark.parametrize("stopped_by", [None, signal.SIGINT])
@pytest.mark.parametrize("failure", [None, CUDA_OOM])
def test_an_error_on_our_side_comes_first(
    ended: Exit, stopped_by: int | None, failure: Failure | None
) -> None:
    """It is why the trainer was stopped: how it ended says nothing any more."""
    found = outcome(ended, stopped_by=stopped_by, failure=failure, error=CRITICAL)
    assert (found.status, found.reason, found.exit_code) == (FAILED, "callback_failed", 9)
    assert (found.explanation, found.hint) == (CRITICAL.problem, "resume")


def test_the_exit_code_is_that_of_the_error() -> None:
    """Each class of error has its own."""
    assert outcome(error=DataError("x", hint="y")).exit_code == 3


@pytest.mark.parametrize("ended", [DIED, Exit(code=137), Exit(code=247)], ids=str)
def test_a_kill_for_want_of_memory_is_told_in_the_kernels_words(ended: Exit) -> None:
    """A shell says 137, Paddle's launcher 247; without the kernel's word nobody knows who it was."""
    said = "The kernel says: 'Out of memory: Killed process 7 (python)'."
    found = decide_outcome(ended, stopped_by=None, failure=None, error=None, progressed=True, kernel=said)
    assert (found.reason, found.exit_code) == ("host_oom", 6)
    assert said in found.explanation
    assert outcome(ended).reason == "trainer_killed"
    assert outcome(Exit(code=135)).reason == "shared_memory"


def test_a_stop_of_ours_has_its_own_reason() -> None:
    """What the watchdog saw; exit 7."""
    found = outcome(DIED, error=TrainingStopped("no progress", hint="wait longer", reason="stall"))
    assert (found.status, found.reason, found.exit_code) == (FAILED, "stall", 7)


@pytest.mark.parametrize("reason", ["pruned", "budget"])
def test_a_training_that_its_sweep_has_ended_is_no_failure(reason: str) -> None:
    """KILLED on purpose, with exit code 7 and the sentence that it was given."""
    ended = outcome(
        Exit(code=None, signal="SIGINT"),
        error=TrainingStopped(f"{reason}: after epoch 2 acc 0.1.", reason=reason),
    )
    assert (ended.status, ended.reason, ended.exit_code) == ("KILLED", reason, 7)
    assert ended.explanation == f"{reason}: after epoch 2 acc 0.1."


def test_a_fatal_line_in_the_log_explains_a_stall() -> None:
    """The trainer stalled because it had failed."""
    stall = TrainingStopped("no progress", hint="wait longer", reason="stall")
    assert outcome(DIED, error=stall, failure=CUDA_OOM).reason == "cuda_oom"
    assert outcome(DIED, error=stall, failure=DISK_FULL).reason == "stall"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConfigError("x"), "config_error"),
        (TransientStorageError("x"), "storage_error"),
        (CheckpointLost("x"), "checkpoint_lost"),
        (KeyError("x"), "internal_error"),
    ],
)
def test_an_error_has_a_reason(error: Exception, reason: str) -> None:
    """By its class, or its class's."""
    assert failure_reason_of(error) == reason
