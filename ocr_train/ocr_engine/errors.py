"""What can be wrong with a model, as opposed to a single image."""

from __future__ import annotations


class EngineError(Exception):
    """The model cannot be used: its files, its configuration or its kind. The message is one sentence; `hint` says
    what to do, where that is not what it always is."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def reason(exc: BaseException) -> str:
    """The exception's type and the first line of its message, shortened: for an image's `error`.

    Paddle's own exceptions have their message below a summary's title, after a traceback of C++.
    """
    lines = [line.strip() for line in str(exc).splitlines() if line.strip().strip("-")]
    if _SUMMARY in lines[:-1]:
        lines = lines[lines.index(_SUMMARY) + 1 :]
    return ": ".join([type(exc).__name__, *lines[:1]])[:300]


_SUMMARY = "Error Message Summary:"
