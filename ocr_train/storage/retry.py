"""Bounded retries with backoff, for `TransientStorageError` alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

from ocr_train.errors import TransientStorageError

T = TypeVar("T")
Sleep = Callable[[float], object]

ATTEMPTS = 6
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 8.0


def wait_s(failures: int) -> float:
    """How long to wait after that many failures (1, 2, ...): doubling, half of it random."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (failures - 1))
    return longest * (0.5 + secrets.SystemRandom().random() / 2)


def given_up(error: TransientStorageError, attempts: int) -> TransientStorageError:
    """The error that says how often it was tried."""
    return TransientStorageError(f"{error.problem} Tried {attempts} times.", hint=error.hint)


def retrying(call: Callable[[], T], *, sleep: Sleep, attempts: int = ATTEMPTS) -> T:
    """The result of `call`, repeated while it raises TransientStorageError, at most `attempts` times."""
    for failures in range(1, attempts):
        try:
            return call()
        except TransientStorageError:
            sleep(wait_s(failures))
    try:
        return call()
    except TransientStorageError as error:
        raise given_up(error, attempts) from error
