"""Rates and remaining times, with a clock that stands still."""

from __future__ import annotations

from ocr_train.storage.progress import Meter, Progress


def test_rate_and_eta_follow_the_clock() -> None:
    """Half of the bytes in 2 s: as much again is left."""
    now = [100.0]
    seen: list[Progress] = []
    meter = Meter(seen.append, clock=lambda: now[0])
    meter.begin("transferring", files_total=2, bytes_total=2_000)
    now[0] += 2.0
    meter.add(files=1, size_bytes=1_000)
    meter.tick()
    assert (seen[0].rate, seen[0].eta_s, seen[0].files) == (500.0, 2.0, 1)


def test_reports_are_not_more_often_than_asked() -> None:
    """Within the interval nothing is reported, unless it must be."""
    now = [0.0]
    seen: list[Progress] = []
    meter = Meter(seen.append, clock=lambda: now[0], interval_s=0.2)
    meter.tick()
    now[0] = 0.1
    meter.tick()
    assert seen == []
    meter.tick(now=True)
    assert len(seen) == 1


def test_nothing_is_said_about_an_unknown_end() -> None:
    """Without a total, or without any byte yet, there is no remaining time."""
    now = [0.0]
    seen: list[Progress] = []
    meter = Meter(seen.append, clock=lambda: now[0])
    meter.tick(now=True)
    now[0] = 1.0
    meter.add(size_bytes=10)
    meter.tick(now=True)
    assert [progress.eta_s for progress in seen] == [None, None]
