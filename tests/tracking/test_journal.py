"""The journal behind tracking: what a crash and a full disk may and may not do to it."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocr_train.tracking.journal import (
    MAX_METRICS,
    MAX_PARAMS,
    MAX_TAGS,
    Batch,
    Journal,
    Metric,
    Param,
    Record,
    Tag,
    read_batch,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal."""
    opened = Journal(tmp_path / "run" / "journal.jsonl")
    yield opened
    opened.close()


def metric(step: int, value: float = 0.5) -> Metric:
    """A point of one curve."""
    return Metric(key="train/loss", value=value, step=step, time_ms=1_700_000_000_000 + step)


def everything(path: Path) -> list[Batch]:
    """All batches of a journal, from its beginning."""
    batches: list[Batch] = []
    position = 0
    while True:
        batch, end = read_batch(path, position)
        if end == position:
            return batches
        batches.append(batch)
        position = end


def test_records_come_back_as_they_were_written(journal: Journal) -> None:
    """Metrics, params and tags keep every field, in their order, in any script."""
    records: list[Record] = [
        metric(1),
        Param(key="cfg/Global.epoch_num", value="1200"),
        Tag(key="dataset", value="ป้ายทะเบียน\nline two"),
        metric(2),
    ]
    journal.append(records)
    (batch,) = everything(journal.path)
    assert batch == Batch(
        metrics=(metric(1), metric(2)),
        params=(Param(key="cfg/Global.epoch_num", value="1200"),),
        tags=(Tag(key="dataset", value="ป้ายทะเบียน\nline two"),),
    )


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e-300, 0.1 + 0.2, -0.0])
def test_a_float_survives_to_the_last_bit(journal: Journal, value: float) -> None:
    """Infinities and small values come back as they were."""
    journal.append([metric(1, value)])
    (batch,) = everything(journal.path)
    assert batch.metrics[0].value.hex() == value.hex()


def test_nan_survives(journal: Journal) -> None:
    """A loss of NaN is what somebody will look for: it must not get lost on the way."""
    journal.append([metric(1, math.nan)])
    (batch,) = everything(journal.path)
    assert math.isnan(batch.metrics[0].value)


def test_the_journal_is_plain_json(journal: Journal) -> None:
    """No line holds what strict JSON readers refuse, such as a bare NaN."""
    journal.append([metric(1, math.nan), metric(2, math.inf)])
    text = journal.path.read_text()
    assert '"value": "nan"' in text
    assert '"value": "inf"' in text


def test_a_torn_last_line_is_not_read(journal: Journal) -> None:
    """What follows the last newline may still be being written: it is left for later."""
    journal.append([metric(1)])
    size = journal.path.stat().st_size
    with journal.path.open("ab") as file:
        file.write(b'{"kind": "metric", "key": "train/lo')
    batch, end = read_batch(journal.path, 0)
    assert batch.metrics == (metric(1),)
    assert end == size


def test_a_torn_last_line_does_not_swallow_the_next_record(tmp_path: Path) -> None:
    """After a crash in the middle of a write, the next run's first record is whole."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"kind": "metric", "key": "train/lo')
    reopened = Journal(path)
    reopened.append([metric(7)])
    reopened.close()
    assert [batch.metrics for batch in everything(path)] == [(metric(7),)]


def test_a_whole_last_line_without_its_newline_is_kept(tmp_path: Path) -> None:
    """Only the newline was lost: the record before it counts."""
    path = tmp_path / "journal.jsonl"
    first = Journal(path)
    first.append([metric(1)])
    first.close()
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    second = Journal(path)
    second.append([metric(2)])
    second.close()
    assert [batch.metrics for batch in everything(path)] == [(metric(1), metric(2))]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[1, 2]",
        b'"text"',
        b"{}",
        b'{"kind": "surprise", "key": "a"}',
        b'{"kind": "metric", "key": "a", "value": "many", "step": 1, "time_ms": 1}',
        b'{"kind": "metric", "key": "a", "value": 1.0}',
        b'{"kind": "tag", "key": "a", "value": "b", "more": 1}',
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_a_foreign_line_is_skipped(journal: Journal, line: bytes) -> None:
    """A line that is no record hides neither the one before nor the one after it."""
    journal.append([metric(1)])
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.append([metric(2)])
    (batch,) = everything(journal.path)
    assert batch == Batch(metrics=(metric(1), metric(2)))


@pytest.mark.parametrize(
    ("make", "part", "limit"),
    [
        (metric, "metrics", MAX_METRICS),
        (lambda n: Param(key=f"p{n}", value="v"), "params", MAX_PARAMS),
        (lambda n: Tag(key=f"t{n}", value="v"), "tags", MAX_TAGS),
    ],
)
def test_a_batch_holds_no_more_than_the_server_takes(
    journal: Journal, make: Callable[[int], Record], part: str, limit: int
) -> None:
    """MLflow's limits hold for each kind, and nothing is lost at the seams."""
    records = [make(number) for number in range(2 * limit + 1)]
    journal.append(records)
    batches = everything(journal.path)
    assert [len(getattr(batch, part)) for batch in batches] == [limit, limit, 1]
    assert [record for batch in batches for record in getattr(batch, part)] == records


def test_the_later_value_of_a_tag_wins(journal: Journal) -> None:
    """A batch names a tag once, with its last value: MLflow's SQL stores refuse anything else."""
    journal.append([Tag(key="a", value="1"), Tag(key="b", value="x"), Tag(key="a", value="2")])
    (batch,) = everything(journal.path)
    assert {tag.key: tag.value for tag in batch.tags} == {"a": "2", "b": "x"}
    assert len(batch.tags) == 2


def test_records_of_several_threads_do_not_mix(journal: Journal) -> None:
    """Two threads that append at once leave whole lines."""

    def write(first: int) -> None:
        for number in range(first, first + 200):
            journal.append([metric(number)])

    threads = [threading.Thread(target=write, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = [entry.step for batch in everything(journal.path) for entry in batch.metrics]
    assert sorted(steps) == [1000 * thread + number for thread in range(4) for number in range(200)]


def test_closing_a_journal_twice_is_allowed(journal: Journal) -> None:
    """The second `close` finds nothing to do."""
    journal.close()
    journal.close()


def test_a_mix_of_kinds_holds_no_more_than_the_server_takes(journal: Journal) -> None:
    """MLflow counts metrics, params and tags together: 1000 a batch."""
    journal.append(metric(number) for number in range(890))
    for number in range(95):
        journal.append([Param(key=f"p{number}", value="v"), Tag(key=f"t{number}", value="v")])
    batches = everything(journal.path)
    assert [len(batch) for batch in batches] == [1000, 80]


FULL_DISK = """
import resource, sys
from pathlib import Path
from ocr_train.tracking.journal import Journal, Tag
journal = Journal(Path(sys.argv[1]))
journal.append([Tag(key="a", value="1")])
limit = journal.path.stat().st_size + 20
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
journal.append([Tag(key="b", value="2")])
print(len(journal.unwritten) > 0, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append([Tag(key="c", value="3")])
"""


def test_a_full_disk_costs_no_record(tmp_path: Path) -> None:
    """What could not be written waits in memory; once there is room again, it comes before the next one."""
    path = tmp_path / "journal.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], check=True, capture_output=True, text=True
    )
    assert done.stdout == "True\n"
    assert [tag.key for batch in everything(path) for tag in batch.tags] == ["a", "b", "c"]


def test_a_text_that_is_no_unicode_is_written(journal: Journal) -> None:
    """A file name in another encoding reaches us as half characters: it must not break the training."""
    journal.append([Tag(key="a", value="caf\udce9")])
    (batch,) = everything(journal.path)
    assert batch.tags[0].value == "caf?"
