"""A sign of life of the process that tracks a run, as a tag: a run that stays RUNNING without it is lost."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping

from ocr_train.tracking.sender import Sender

HEARTBEAT_TAG = "heartbeat"
INTERVAL_S = 30.0


class Heartbeat(Sender):
    """Sets the tag at once and every `interval_s`, from a thread of its own, until it is closed; a full disk, or a
    server that is away, does not end it. Close it before what `set_tags` writes to.
    """

    def __init__(
        self, set_tags: Callable[[Mapping[str, object]], None], *, interval_s: float = INTERVAL_S
    ) -> None:
        super().__init__("heartbeat", self._beat, retry_s=(interval_s,), idle_s=interval_s)
        self._set_tags = set_tags

    def __enter__(self) -> Heartbeat:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _beat(self) -> bool:
        self._set_tags({HEARTBEAT_TAG: now()})
        return False


def now() -> str:
    """The time as the tag has it: UTC, ISO 8601, seconds."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float | None:
    """The Unix time in seconds that a tag's value says, None for what is not such a time."""
    try:
        moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()
