"""The journal behind tracking: what a crash, an outage and a refusal may and may not do to it."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocr_train import spool
from ocr_train.spool import (
    MAX_METRICS,
    MAX_PARAMS,
    MAX_TAGS,
    Batch,
    Delivery,
    Journal,
    Metric,
    Param,
    Record,
    RefusedRecords,
    Tag,
    read_batch,
    read_position,
    write_position,
)


class Server:
    """Takes batches; `fail` decides for each call whether it raises instead."""

    def __init__(self, fail: Callable[[int, Batch], Exception | None] = lambda _call, _batch: None) -> None:
        self.calls = 0
        self.taken: list[Batch] = []
        self._fail = fail

    def __call__(self, batch: Batch) -> None:
        self.calls += 1
        problem = self._fail(self.calls, batch)
        if problem is not None:
            raise problem
        self.taken.append(batch)

    @property
    def metrics(self) -> list[Metric]:
        """Every metric taken, in the order of arrival."""
        return [metric for batch in self.taken for metric in batch.metrics]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal."""
    opened = Journal(tmp_path / "run" / "journal.jsonl")
    yield opened
    opened.close()


@pytest.fixture
def deliver(journal: Journal) -> Iterator[Callable[[Callable[[Batch], None]], Delivery]]:
    """Starts deliveries of `journal` that are closed at the end."""
    started: list[Delivery] = []

    def start(send: Callable[[Batch], None]) -> Delivery:
        delivery = Delivery(journal.path, send, interval_s=0.02)
        started.append(delivery)
        delivery.start()
        return delivery

    yield start
    for delivery in started:
        delivery.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come after milliseconds, not seconds."""
    monkeypatch.setattr(spool, "RETRY_S", (0.01, 0.02))


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


def test_what_is_appended_is_delivered(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """Records written before and after the start both arrive, in order."""
    server = Server()
    journal.append([metric(1)])
    delivery = deliver(server)
    journal.append([metric(2), metric(3)])
    assert delivery.flush(5)
    assert server.metrics == [metric(1), metric(2), metric(3)]
    assert delivery.pending_bytes == 0


def test_an_outage_loses_nothing_and_changes_no_timestamp(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """When the server is back, everything arrives in the order and with the times of its writing."""
    server = Server(lambda call, _batch: ConnectionError("server away") if call <= 4 else None)
    delivery = deliver(server)
    for step in range(30):
        journal.append([metric(step)])
        time.sleep(0.002)
    deadline = time.monotonic() + 5
    while delivery.pending_bytes and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.metrics == [metric(step) for step in range(30)]
    assert server.calls > 4


def test_an_outage_names_the_last_error_and_what_is_pending(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """While the server is away the journal waits, and says for what."""
    journal.append([metric(1)])
    delivery = deliver(Server(lambda _call, _batch: ConnectionError("server away")))
    assert not delivery.flush(0.2)
    assert delivery.pending_bytes == journal.path.stat().st_size > 0
    assert delivery.last_error == "ConnectionError: server away"
    assert delivery.refused == 0


def test_flushing_gives_up_in_time(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """A server that hangs costs `timeout_s`, no more."""
    hang = threading.Event()
    journal.append([metric(1)])

    def wait(_batch: Batch) -> None:
        hang.wait(5)

    delivery = deliver(wait)
    started = time.monotonic()
    assert not delivery.flush(0.2)
    assert time.monotonic() - started < 2
    hang.set()


def test_flushing_an_empty_journal_succeeds_at_once(
    deliver: Callable[[Callable[[Batch], None]], Delivery],
) -> None:
    """Nothing to deliver is not a failure, and no call of the server."""
    server = Server()
    assert deliver(server).flush(1)
    assert server.calls == 0


def test_flushing_does_not_wait_for_the_next_retry(
    journal: Journal,
    deliver: Callable[[Callable[[Batch], None]], Delivery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two attempts half a minute apart, a flush asks the server now."""
    monkeypatch.setattr(spool, "RETRY_S", (30.0,))
    server = Server(lambda call, _batch: ConnectionError("away") if call == 1 else None)
    journal.append([metric(1)])
    delivery = deliver(server)
    while not server.calls:
        time.sleep(0.005)
    assert delivery.flush(5)
    assert server.metrics == [metric(1)]


def test_closing_does_not_wait_for_the_next_retry(
    journal: Journal,
    deliver: Callable[[Callable[[Batch], None]], Delivery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is pending stays in the journal, and the thread is gone at once."""
    monkeypatch.setattr(spool, "RETRY_S", (30.0,))
    journal.append([metric(1)])
    server = Server(lambda _call, _batch: ConnectionError("away"))
    delivery = deliver(server)
    while not server.calls:
        time.sleep(0.005)
    started = time.monotonic()
    delivery.close()
    assert time.monotonic() - started < 2
    assert not [thread for thread in threading.enumerate() if thread.name == "mlflow-delivery"]
    assert delivery.pending_bytes > 0


def test_a_refused_record_does_not_block_the_others(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """A batch that the server refuses is sent one by one; only the bad record stays behind."""

    def refuse(_call: int, batch: Batch) -> Exception | None:
        return RefusedRecords("no 'bad' here") if any(p.key == "bad" for p in batch.params) else None

    server = Server(refuse)
    records: list[Record] = [metric(1), Param(key="bad", value="x"), Tag(key="t", value="v"), metric(2)]
    journal.append(records)
    delivery = deliver(server)
    assert delivery.flush(5)
    assert server.metrics == [metric(1), metric(2)]
    assert [tag.key for batch in server.taken for tag in batch.tags] == ["t"]
    assert delivery.refused == 1
    assert delivery.last_error == "no 'bad' here"


def test_records_after_a_refused_one_are_delivered(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """A refusal is the end of one record, not of the delivery."""
    server = Server(
        lambda _call, batch: RefusedRecords("no") if any(m.step == 1 for m in batch.metrics) else None
    )
    delivery = deliver(server)
    journal.append([metric(1)])
    assert delivery.flush(5)
    journal.append([metric(2)])
    assert delivery.flush(5)
    assert server.metrics == [metric(2)]


def test_the_position_survives_a_restart(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """A second delivery begins where the first one ended."""
    first = deliver(Server())
    journal.append([metric(1)])
    assert first.flush(5)
    first.close()
    journal.append([metric(2)])
    server = Server()
    assert deliver(server).flush(5)
    assert server.metrics == [metric(2)]


def test_a_lost_position_sends_the_same_records_again(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """Without its .sent file a journal is replayed: the same batches, which MLflow takes for the same points."""
    journal.append([metric(step) for step in range(MAX_METRICS + 50)])
    first, second = Server(), Server()
    delivery = deliver(first)
    assert delivery.flush(5)
    delivery.close()
    journal.path.with_suffix(".sent").unlink()
    assert deliver(second).flush(5)
    assert first.taken == second.taken
    assert [len(batch) for batch in second.taken] == [MAX_METRICS, 50]


def test_foreign_lines_alone_are_passed_over(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """Lines that are no records do not stay pending for ever."""
    with journal.path.open("ab") as file:
        file.write(b"rubbish\n")
    server = Server()
    assert deliver(server).flush(5)
    assert server.calls == 0


@pytest.mark.parametrize("text", ["", "many", "1.5"])
def test_an_unreadable_position_is_the_beginning(tmp_path: Path, text: str) -> None:
    """A damaged .sent file costs a replay, never a record."""
    path = tmp_path / "journal.sent"
    path.write_text(text)
    assert read_position(path) == 0


def test_a_position_comes_back(tmp_path: Path) -> None:
    """What was noted is read again, and no half-written file stays beside it."""
    path = tmp_path / "journal.sent"
    write_position(path, 123456789012)
    assert read_position(path) == 123456789012
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.sent"]


def test_no_position_is_the_beginning(tmp_path: Path) -> None:
    """A journal that was never delivered starts at 0."""
    assert read_position(tmp_path / "journal.sent") == 0


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
from ocr_train.spool import Journal, Tag
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


@pytest.mark.parametrize("position", [-5, 10**6])
def test_a_position_outside_the_journal_is_the_beginning(
    position: int, journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """The journal was replaced: it is sent, not taken for delivered."""
    write_position(journal.path.with_suffix(".sent"), position)
    journal.append([metric(1)])
    server = Server()
    assert deliver(server).flush(5)
    assert server.metrics == [metric(1)]


def test_an_outage_amid_refusals_counts_no_record_twice(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """The batch is sent again from its beginning, and the count of refused records with it."""

    def fail(call: int, batch: Batch) -> Exception | None:
        if any(entry.step == 1 for entry in batch.metrics):
            return RefusedRecords("no")
        return ConnectionError("away") if call == 3 else None

    server = Server(fail)
    journal.append([metric(1), metric(2)])
    delivery = deliver(server)
    deadline = time.monotonic() + 5
    while delivery.pending_bytes and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (delivery.refused, server.metrics) == (1, [metric(2)])


def test_one_refused_record_among_many_costs_few_calls(
    journal: Journal, deliver: Callable[[Callable[[Batch], None]], Delivery]
) -> None:
    """The batch is halved, not taken apart: 900 calls would keep the end of a run waiting."""
    server = Server(
        lambda _call, batch: RefusedRecords("no") if any(m.step == 77 for m in batch.metrics) else None
    )
    journal.append(metric(step) for step in range(MAX_METRICS))
    assert deliver(server).flush(5)
    assert server.metrics == [metric(step) for step in range(MAX_METRICS) if step != 77]
    assert server.calls < 30
