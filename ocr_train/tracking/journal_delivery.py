"""Brings a journal to the server from another thread, for as long as it must.

    refused    the server says no to a record for good (a param with another value): halved down to it, counted
    not taken  the server answers, takes other records of the run, and fails on this batch again and again: halved
               down to the records it fails on; they are set aside, and tried again while later ones go on
    away       anything else, and whatever is about the run itself: all of it waits

Nothing counts as sent that was not taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.redaction.addresses import first_line
from ocr_train.tracking.journal import Batch, Record, batches_of, read_batch
from ocr_train.tracking.sender import Sender
from ocr_train.tracking.sent import Sent

RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
ASIDE_RETRY_S = (30.0, 60.0, 120.0, 300.0, 600.0)
FAILURES_BEFORE_HALVING = 2
"""A server that fails now and then is asked again with the same batch first."""
HALVINGS = 40
"""So many batches are halved for one that is not taken; what is left then is set aside undivided."""


class RefusedRecords(Exception):  # noqa: N818 - it is about records, not an error of ours
    """The server refused them: sending the same batch again would not help."""


@dataclass(frozen=True, kw_only=True)
class _Left:
    """What a batch leaves behind: how many records were refused, and those to set aside."""

    refused: int = 0
    aside: Sequence[Record] = ()

    def __add__(self, other: _Left) -> _Left:
        return _Left(refused=self.refused + other.refused, aside=(*self.aside, *other.aside))


class Delivery:
    """The thread that brings a journal to the server.

    `send` takes a `Batch`; it raises `RefusedRecords` where trying again is useless, anything else where it may
    help. `check_writable` raises unless the server takes other records of this run: without it nothing is set
    aside. Refused records stay in the journal and are counted.
    """

    def __init__(
        self,
        journal: Path,
        send: Callable[[Batch], None],
        *,
        check_writable: Callable[[], None] | None = None,
        interval_s: float = 1.0,
    ) -> None:
        self._journal = journal
        self._send = send
        self._check_writable = check_writable
        self._sent = Sent(journal)
        self._sender = Sender("mlflow-delivery", self._deliver_next, retry_s=RETRY_S, idle_s=interval_s)
        self._halvings = 0
        self._aside_tries = 0
        self._aside_due = 0.0
        self._aside_tried = False
        self.refused = 0

    def start(self) -> None:
        """Begin to deliver."""
        self._sender.start()

    @property
    def last_error(self) -> str:
        """Why something is still here, or was refused; the newest reason."""
        return self._sender.last_error

    @last_error.setter
    def last_error(self, reason: str) -> None:
        self._sender.last_error = reason

    @property
    def pending_bytes(self) -> int:
        """How much of the journal the server does not have yet."""
        return self._sent.pending_bytes

    def flush(self, timeout_s: float) -> bool:
        """Deliver what is there now; whether all of it got through in time, but for what the server cannot take."""
        self._aside_tried, self._aside_due = False, 0.0
        return self._sender.flush(self._settled, timeout_s)

    def _settled(self) -> bool:
        return self._sent.pending_journal == 0 and (not self._sent.aside or self._aside_tried)

    def deliver_now(self) -> None:
        """Without the thread: deliver all that is there, or raise what the server answered.

        What the server cannot take stays aside; `last_error` says why.
        """
        while self._deliver_one(patient=False):
            pass
        self._try_aside()

    def close(self) -> None:
        """Stop trying; what is pending stays in the journal."""
        self._sender.close()

    def _deliver_next(self) -> bool:
        delivered = self._deliver_one(patient=self._sender.failures < FAILURES_BEFORE_HALVING)
        if not delivered and self._sent.aside and time.monotonic() >= self._aside_due:
            self._try_aside()
        return delivered

    def _deliver_one(self, *, patient: bool) -> bool:
        batch, end = read_batch(self._journal, self._sent.position)
        if end == self._sent.position:
            return False
        left = self._bring_all(batch, patient=patient) if len(batch) else _Left()
        self._sent.drop_aside_tags({tag.key for tag in batch.tags})
        self._sent.move(end, left.aside)
        return True

    def _try_aside(self) -> None:
        """Send once more what is aside, each batch of it by itself."""
        left: list[Record] = []
        for batch in batches_of(self._sent.aside):
            left += self._bring_all(batch, patient=False).aside
        self._sent.replace_aside(left)
        self._aside_due = time.monotonic() + ASIDE_RETRY_S[min(self._aside_tries, len(ASIDE_RETRY_S) - 1)]
        self._aside_tries = self._aside_tries + 1 if left else 0
        self._aside_tried = True

    def _bring_all(self, batch: Batch, *, patient: bool) -> _Left:
        self._halvings = HALVINGS
        left = self._bring(batch, patient=patient)
        self.refused += left.refused
        return left

    def _bring(self, batch: Batch, *, patient: bool) -> _Left:
        """Send `batch`, in halves where it is refused or not taken, down to the records that are."""
        try:
            self._send(batch)
        except RefusedRecords as exc:
            if len(batch) == 1:
                self.last_error = str(exc)
                return _Left(refused=1)
        except Exception as exc:
            if patient or not self._takes_others():
                raise
            self.last_error = first_line(exc)
            if len(batch) == 1 or self._halvings <= 0:
                return _Left(aside=batch.records)
            self._halvings -= 1
        else:
            return _Left()
        first, second = batch.halves()
        return self._bring(first, patient=patient) + self._bring(second, patient=patient)

    def _takes_others(self) -> bool:
        """Whether it is this batch alone that the server does not take."""
        if self._check_writable is None:
            return False
        try:
            self._check_writable()
        except Exception:  # noqa: BLE001 - the first error is the one to tell
            return False
        return True
