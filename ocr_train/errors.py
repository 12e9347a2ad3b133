"""The errors a user can meet, one class and one exit code for each kind.

Every error says what happened and where (`problem`) and what to do about it (`hint`).
Only `ocr_train.cli.main` turns them into output and an exit status; nothing else calls `sys.exit`.
"""

from __future__ import annotations

SIGINT_EXIT_CODE = 130
SIGTERM_EXIT_CODE = 143


class OcrTrainError(Exception):
    """Base of every error that a user can cause, meet or fix.

    `problem` is one paragraph that names the place; `hint` says what to do next.
    """

    exit_code = 1

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n{self.hint}" if self.hint else self.problem


class ConfigError(OcrTrainError):
    """A parameter, experiment file or override is wrong."""

    exit_code = 2


class MissingWeights(ConfigError):  # noqa: N818 - the name is the reason that the run is given
    """The weights to start from, named by an address, cannot be fetched."""


class DataError(OcrTrainError):
    """Images or labels are missing or wrong."""

    exit_code = 3


class StorageError(OcrTrainError):
    """A folder or an S3 store refused or lost something."""

    exit_code = 4


class TransientStorageError(StorageError):
    """A storage failure that may pass: the only error that is retried."""


class SetupError(OcrTrainError):
    """This machine lacks something: PaddleOCR, an interpreter, a GPU, disk space."""

    exit_code = 5


class TrainingFailed(OcrTrainError):  # noqa: N818 - the name is an outcome, fixed by DESIGN.md
    """The trainer failed, or ended without having trained."""

    exit_code = 6


class TrainingStopped(OcrTrainError):  # noqa: N818 - the name is an outcome, fixed by DESIGN.md
    """Training was stopped by us before its end (a stall, NaN): `reason` is one of `failures.REASONS`."""

    exit_code = 7

    def __init__(self, problem: str, *, hint: str = "", reason: str = "stopped") -> None:
        super().__init__(problem, hint=hint)
        self.reason = reason


class TrackingError(OcrTrainError):
    """The MLflow server cannot be reached or refuses."""

    exit_code = 8


class CallbackFailed(OcrTrainError):  # noqa: N818 - the name is an outcome, fixed by DESIGN.md
    """A critical callback failed and training was stopped for it."""

    exit_code = 9


class CheckpointLost(OcrTrainError):  # noqa: N818 - the name is an outcome, fixed by DESIGN.md
    """A checkpoint that the trainer had finished could not be kept anywhere."""

    exit_code = 10
