"""What can be wrong with a model, as opposed to a single image."""

from __future__ import annotations


class EngineError(Exception):
    """The model cannot be used: its files, its configuration or its kind. The message is one sentence."""


def last_line(exc: BaseException) -> str:
    """The last line of the traceback, shortened: for an image's `error`."""
    said = str(exc).strip().splitlines()
    text = said[-1].strip() if said else ""
    name = type(exc).__name__
    return (f"{name}: {text}" if text else name)[:300]
