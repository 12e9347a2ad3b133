"""Bringing the journal to a server: what an outage, a refusal and a record that it cannot take may do to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocr_train.tracking import journal_delivery as delivery_module
from ocr_train.tracking.journal import (
    MAX_METRICS,
    Batch,
    Journal,
    Metric,
    Param,
    Record,
    Tag,
    batches_of,
    encoded,
)
from ocr_train.tracking.journal_delivery import Delivery, RefusedRecords
from ocr_train.tracking.sent import Sent, read_position, write_position


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
    monkeypatch.setattr(delivery_module, "RETRY_S", (0.01, 0.02))


def metric(step: int, value: float = 0.5) -> Metric:
    """A point of one curve."""
    return Metric(key="train/loss", value=value, step=step, time_ms=1_700_000_000_000 + step)


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
    assert delivery.last_error == "server away"
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
    monkeypatch.setattr(delivery_module, "RETRY_S", (30.0,))
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
    monkeypatch.setattr(delivery_module, "RETRY_S", (30.0,))
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
    """Lines that are no records do not stay pending forever."""
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


class Picky(Server):
    """Fails, each time, on batches with a point at one of `steps`; takes all others. `away`: fails on everything."""

    def __init__(self, *steps: int) -> None:
        super().__init__(self._problem)
        self.steps = set(steps)
        self.away = False

    def _problem(self, _call: int, batch: Batch) -> Exception | None:
        if self.away or any(entry.step in self.steps for entry in batch.metrics):
            return RuntimeError("INTERNAL_ERROR: the database does not take this")
        return None

    def check_writable(self) -> None:
        """What the delivery asks before it blames a batch."""
        if self.away:
            raise ConnectionError("away")


def picky_delivery(journal: Journal, server: Picky) -> Delivery:
    """A delivery to it, started."""
    delivery = Delivery(journal.path, server, check_writable=server.check_writable, interval_s=0.02)
    delivery.start()
    return delivery


def test_a_record_that_the_server_cannot_take_blocks_no_other(journal: Journal) -> None:
    """It is set aside, on disk, and counts as pending; whatever comes behind it arrives."""
    server = Picky(7)
    journal.append(metric(step) for step in range(20))
    delivery = picky_delivery(journal, server)
    assert delivery.flush(10)
    journal.append([metric(20)])
    assert delivery.flush(10)
    delivery.close()
    assert server.metrics == [metric(step) for step in range(21) if step != 7]
    assert (delivery.refused, delivery.pending_bytes) == (0, len(encoded([metric(7)])))
    assert journal.path.with_suffix(".aside").read_bytes() == encoded([metric(7)])
    assert "does not take this" in delivery.last_error


def test_what_was_set_aside_is_delivered_when_the_server_takes_it(journal: Journal) -> None:
    """By the next delivery, which may be another process."""
    server = Picky(7, 9)
    journal.append(metric(step) for step in range(20))
    first = picky_delivery(journal, server)
    assert first.flush(10)
    first.close()
    server.steps = {9}
    second = Delivery(journal.path, server, check_writable=server.check_writable)
    second.deliver_now()
    assert second.pending_bytes == len(encoded([metric(9)]))
    server.steps = set()
    Delivery(journal.path, server, check_writable=server.check_writable).deliver_now()
    assert sorted(entry.step for entry in server.metrics) == list(range(20))
    assert Sent(journal.path).pending_bytes == 0


def test_a_server_that_takes_nothing_has_nothing_set_aside(journal: Journal) -> None:
    """It is away: all of it waits where it is, and arrives in order when it is back."""
    server = Picky()
    server.away = True
    journal.append(metric(step) for step in range(5))
    delivery = picky_delivery(journal, server)
    assert not delivery.flush(0.3)
    assert not journal.path.with_suffix(".aside").exists()
    server.away = False
    assert delivery.flush(10)
    delivery.close()
    assert [batch.metrics for batch in server.taken] == [tuple(metric(step) for step in range(5))]


def test_a_server_that_takes_hardly_anything_is_not_asked_for_each_record(journal: Journal) -> None:
    """Halving ends: 900 records of which none is taken cost few calls, and all of them are kept."""
    server = Picky(*range(MAX_METRICS))
    journal.append(metric(step) for step in range(MAX_METRICS))
    delivery = Delivery(journal.path, server, check_writable=server.check_writable)
    delivery.deliver_now()
    assert server.calls < 300
    kept = [record for batch in batches_of(Sent(journal.path).aside) for record in batch.metrics]
    assert sorted(record.step for record in kept) == list(range(MAX_METRICS))


def test_a_tag_that_was_set_aside_does_not_write_over_a_later_one(journal: Journal) -> None:
    """The later value arrived meanwhile."""
    broken = {"old"}

    def send(batch: Batch) -> None:
        if any(tag.value in broken for tag in batch.tags):
            raise RuntimeError("not this one")
        taken.extend(tag.value for tag in batch.tags)

    taken: list[str] = []
    for value in ("old", "new"):
        journal.append([Tag(key="stage", value=value), metric(1)])
        Delivery(journal.path, send, check_writable=lambda: None).deliver_now()
    broken.clear()
    Delivery(journal.path, send, check_writable=lambda: None).deliver_now()
    assert taken == ["new"]


def test_a_crash_between_the_two_files_loses_nothing(journal: Journal) -> None:
    """The record is set aside before the position moves past it: at worst it is sent twice."""
    journal.append([metric(1)])
    Sent(journal.path).move(journal.path.stat().st_size, [metric(1)])
    journal.path.with_suffix(".sent").unlink()
    server = Server()
    Delivery(journal.path, server).deliver_now()
    assert server.metrics == [metric(1), metric(1)]
