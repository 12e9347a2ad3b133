"""Events to callbacks, in order, from one thread; what a failing callback may and may not do.

open(run) in order -> handle(event) in order, again and again -> close() in reverse order
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ocr_train.errors import CallbackFailed, TrainingStopped
from ocr_train.events import Event
from ocr_train.run import Results, Run

MAX_FAILURES = 3


class EventHandler(Protocol):
    """What the dispatcher needs of a callback; `callbacks.base.Callback` is the class to inherit from."""

    critical: bool

    @property
    def name(self) -> str:
        """What messages call it."""

    def open(self, run: Run) -> None:
        """Get ready; called once."""

    def handle(self, event: Event) -> None:
        """Take one event."""

    def close(self) -> None:
        """Finish what is under way; may be called more than once."""

    def results(self, before: Results) -> Results:
        """`before` with what the summary at the end should know of this one; asked for after `close`."""


class Dispatcher:
    """Sends events to callbacks.

    A failure of a non-critical callback is reported; after three in a row it is disabled and the run is
    called degraded. A failure of a critical one raises `CallbackFailed`. `TrainingStopped` is no failure: any
    callback may raise it to have the training stopped.
    """

    def __init__(self, callbacks: Sequence[EventHandler], *, report: Callable[[str], None]) -> None:
        self._callbacks = list(callbacks)
        self._report = report
        self._opened: list[EventHandler] = []
        self._failures: dict[int, int] = {}
        self._off: set[int] = set()
        self.disabled: list[str] = []

    def open(self, run: Run) -> None:
        """Open every callback; one that fails here is disabled, unless it is critical."""
        for callback in self._callbacks:
            try:
                callback.open(run)
            except Exception as exc:  # noqa: BLE001 - a callback may fail in any way
                self._failed(callback, exc, at_once=True)
            else:
                self._opened.append(callback)

    def send(self, event: Event) -> None:
        """Send `event` to every callback that still works; raises `CallbackFailed` and `TrainingStopped`."""
        for callback in list(self._opened):
            if id(callback) in self._off:
                continue
            try:
                callback.handle(event)
            except TrainingStopped:
                raise
            except Exception as exc:  # noqa: BLE001 - a callback may fail in any way
                self._failed(callback, exc)
            else:
                self._failures[id(callback)] = 0

    def results(self) -> Results:
        """The results of all callbacks together."""
        together = Results()
        for callback in self._callbacks:
            try:
                together = callback.results(together)
            except Exception as exc:  # noqa: BLE001 - a callback may fail in any way
                self._report(f"callback {callback.name} has no results: {type(exc).__name__}: {exc}")
        return together

    def close(self) -> None:
        """Close in reverse order, each whatever the others do; raises the first critical failure at the end."""
        first: CallbackFailed | None = None
        while self._opened:
            callback = self._opened.pop()
            try:
                callback.close()
            except Exception as exc:  # noqa: BLE001 - a callback may fail in any way
                self._report(f"callback {callback.name} failed while closing: {type(exc).__name__}: {exc}")
                if callback.critical and first is None:
                    first = _failure(callback, exc)
        if first is not None:
            raise first

    def _failed(self, callback: EventHandler, exc: Exception, *, at_once: bool = False) -> None:
        if callback.critical:
            raise _failure(callback, exc) from exc
        count = self._failures[id(callback)] = self._failures.get(id(callback), 0) + 1
        self._report(f"callback {callback.name} failed: {type(exc).__name__}: {exc}")
        if at_once or count >= MAX_FAILURES:
            self._off.add(id(callback))
            self.disabled.append(callback.name)
            self._report(f"callback {callback.name} is disabled for the rest of this run")


def _failure(callback: EventHandler, exc: Exception) -> CallbackFailed:
    return CallbackFailed(
        f"the callback {callback.name} failed and training cannot continue without it: {exc}",
        hint="The checkpoints stored before this are complete; resume from them when the cause is fixed.",
    )
