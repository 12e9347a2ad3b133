"""Ctrl-C, SIGTERM and SIGHUP: remembered while the trainer runs, raised at once everywhere else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """We were asked to stop while no trainer was running."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopFlag:
    """Whether we were asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._deferred = False

    def request(self, number: int) -> None:
        """Note the request; the first signal is the one that counts."""
        if self.number is None:
            self.number = number
        if not self._deferred:
            raise StopRequested(self.number)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a request is only noted: the caller looks at `number`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def hold(self) -> None:
        """From now on a request is only noted, until `release` or `let_go`."""
        self._deferred = True

    def let_go(self) -> None:
        """Requests are raised at once again."""
        self._deferred = False

    def release(self) -> None:
        """The same; raises `StopRequested` for a request that came meanwhile."""
        self.let_go()
        if self.number is not None:
            raise StopRequested(self.number)

    @contextmanager
    def installed(self) -> Iterator[StopFlag]:
        """Take over the signals for the duration; only the main thread may."""

        def handle(number: int, _frame: FrameType | None) -> None:
            self.request(number)

        # `nohup` has SIGHUP ignored on purpose: a closed terminal must not end the training then.
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        numbers = [number for number in SIGNALS if not (ignored and number == signal.SIGHUP)]
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
