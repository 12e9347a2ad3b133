"""One row for each thing that was checked, and what all rows together come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ocr_train.errors import (
    ConfigError,
    DataError,
    OcrTrainError,
    SetupError,
    StorageError,
    TrackingError,
    TrainingFailed,
)

OK = "ok"
ADVICE = "advice"
WARNING = "warning"
PROBLEM = "problem"
WORST_FIRST = (ConfigError, SetupError, StorageError, DataError, TrackingError, TrainingFailed)
"""The classes of problems, the one that decides the exit code first: the earlier ones hide the later ones."""


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """What was checked (`subject`), how it stands, what was found, and what to do about it.

    `code` is the exit code of a problem's class, 0 for everything else.
    """

    subject: str
    status: str
    found: str
    todo: str = ""
    code: int = 0


def fine(subject: str, found: str) -> CheckRow:
    """Nothing to do."""
    return CheckRow(subject=subject, status=OK, found=found)


def advice(subject: str, found: str, todo: str) -> CheckRow:
    """A training goes as it was meant, and could go better."""
    return CheckRow(subject=subject, status=ADVICE, found=found, todo=todo)


def warning(subject: str, found: str, todo: str) -> CheckRow:
    """A training would start, and perhaps not go as it was meant."""
    return CheckRow(subject=subject, status=WARNING, found=found, todo=todo)


def problem(subject: str, error: OcrTrainError) -> CheckRow:
    """A training would end, or spend money on something else than what was meant."""
    return CheckRow(
        subject=subject, status=PROBLEM, found=error.problem, todo=error.hint, code=error.exit_code
    )


def exit_code(rows: Iterable[CheckRow]) -> int:
    """The code of the worst problem, 0 without one; warnings do not count."""
    codes = {row.code for row in rows if row.status == PROBLEM}
    ranked = [kind.exit_code for kind in WORST_FIRST]
    return next((code for code in ranked if code in codes), max(codes, default=0))


def require_machine(rows: Iterable[CheckRow]) -> None:
    """Raise `SetupError` with all problems among the rows, each with what to do."""
    found = [row for row in rows if row.status == PROBLEM]
    if len(found) == 1:
        raise SetupError(found[0].found, hint=found[0].todo)
    if found:
        lines = [f"  - {row.subject}: {row.found}\n    {row.todo}".rstrip() for row in found]
        raise SetupError(
            f"{len(found)} problems with this machine:\n" + "\n".join(lines),
            hint="`python -m ocr_train doctor` checks again, and everything else, too. Nothing was fetched.",
        )
