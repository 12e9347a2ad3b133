"""One thread that sends what waits: woken when there is something, with longer and longer pauses while nothing gets through.

What waits, and how it is sent, is its owner's: the journal, the outbox's files, the checkpoints, the heartbeat.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from ocr_train.redaction.addresses import first_line

FLUSH_STEP_S = 1.0
CPU_SHARE = 0.01
"""Of one processor: what a sender that keeps up takes of it. A training is slowed down by more."""
MOST_IDLE_S = 5.0
"""But the curves are never older than this."""
NICENESS = 10
"""Where the trainer needs every processor, it goes first."""


class Sender:
    """Calls `step` again and again until it is closed.

    `step` sends something and says whether there was anything to send; it raises where that failed. After a failure
    the thread pauses for the next of `retry_s` seconds, without work for `idle_s`, or for longer where the work before
    took much of a processor (`idle_after`); `wake` ends a pause. `last_error` is the first line of the last failure,
    `failures` how many there were in a row.
    """

    def __init__(
        self, name: str, step: Callable[[], bool], *, retry_s: Sequence[float], idle_s: float = 1.0
    ) -> None:
        self._step = step
        self._retry_s = retry_s
        self._idle_s = idle_s
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.failures = 0
        self.last_error = ""

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """Do not wait for the end of a pause."""
        self._wake.set()

    def wait_for(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Whether `done` comes true within `timeout_s` seconds; it is asked after each step."""
        with self._progress:
            return self._progress.wait_for(done, timeout=max(0.0, timeout_s))

    def flush(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Send until `done`, for `timeout_s` seconds at most; whether it was."""
        deadline = time.monotonic() + timeout_s
        while True:
            # Again and again: a server that comes back is asked at once, not in half a minute.
            self.wake()
            if self.wait_for(done, min(FLUSH_STEP_S, deadline - time.monotonic())):
                return True
            if time.monotonic() >= deadline:
                return False

    def close(self, wait_s: float = 30.0) -> None:
        """Stop; a step that is under way has `wait_s` seconds to end. May be called twice."""
        self._stop.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=wait_s)

    def _run(self) -> None:
        go_second()
        cpu_s = time.thread_time()
        while not self._stop.is_set():
            try:
                did = self._step()
            except Exception as exc:  # noqa: BLE001 - whatever it is, the owner still has what was to be sent
                self.last_error = first_line(exc)
                pause = self._retry_s[min(self.failures, len(self._retry_s) - 1)]
                self.failures += 1
            else:
                self.failures = 0
                pause = 0.0 if did else idle_after(time.thread_time() - cpu_s, self._idle_s)
            with self._progress:
                self._progress.notify_all()
            if pause:
                self._wake.wait(pause)
                self._wake.clear()
                cpu_s = time.thread_time()


def idle_after(cpu_s: float, idle_s: float) -> float:
    """For how long there need be no work after some that took `cpu_s` of a processor: `idle_s` at least."""
    return max(idle_s, min(cpu_s / CPU_SHARE, MOST_IDLE_S))


def go_second() -> None:
    """Let every other thread of this machine go before this one, where the system knows priorities of threads."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
