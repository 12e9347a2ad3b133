"""The sign of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from ocr_train.tracking.heartbeat import Heartbeat, now, parse_time


def test_it_beats_at_once_and_again_until_closed() -> None:
    """The first one marks the run as ours; after the end there is none."""
    seen: list[Mapping[str, object]] = []
    with Heartbeat(seen.append, interval_s=0.05):
        deadline = time.monotonic() + 5
        while len(seen) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    count = len(seen)
    assert count >= 3
    assert seen[0].keys() == {"heartbeat"}
    time.sleep(0.15)
    assert len(seen) == count
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def test_a_full_disk_does_not_stop_the_heartbeat() -> None:
    """A beat that cannot be written is missed; the next one is tried."""
    tries: list[int] = []

    def write(_tags: Mapping[str, object]) -> None:
        tries.append(1)
        raise OSError(28, "No space left on device")

    with Heartbeat(write, interval_s=0.02):
        time.sleep(0.3)
    assert len(tries) > 2


def test_a_time_is_read_as_it_was_written() -> None:
    """UTC, to the second."""
    moment = parse_time(now())
    assert moment is not None
    assert abs(time.time() - moment) < 2
    assert parse_time("2020-01-01T00:00:00Z") == 1_577_836_800


@pytest.mark.parametrize("text", ["", "yesterday", "2020-01-01"])
def test_what_is_no_time_is_none(text: str) -> None:
    """A tag can be edited by hand."""
    assert parse_time(text) is None
