"""A sign of life of the process that tracks a run, as a tag: a run that stays RUNNING without it is lost."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Callable, Mapping

HEARTBEAT_TAG = "heartbeat"
INTERVAL_S = 30.0


class Heartbeat:
    """Sets the tag at once and every `interval_s`, from a thread of its own, until it is closed."""

    def __init__(
        self, set_tags: Callable[[Mapping[str, object]], None], *, interval_s: float = INTERVAL_S
    ) -> None:
        self._set_tags = set_tags
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; may be called twice. Close it before what `set_tags` writes to."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _beat(self) -> None:
        while not self._stop.is_set():
            # A full disk must not end the heartbeat for good.
            with contextlib.suppress(OSError, ValueError):
                self._set_tags({HEARTBEAT_TAG: now()})
            self._stop.wait(self._interval_s)


def now() -> str:
    """The time as the tag has it: UTC, ISO 8601, seconds."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float | None:
    """The Unix time in seconds that a tag's value says, None for what is no such time."""
    try:
        moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()
