"""The journal behind tracking: every metric, param and tag on disk first, then to MLflow from another thread.

`journal.jsonl` holds one record a line and is only ever appended to; a torn last line is ignored. `journal.sent`
holds the number of bytes that the server has taken. Sending the same batch twice changes nothing in MLflow's SQL
stores, so a crash between the two files costs nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_METRICS = 900  # MLflow takes 1000 entries a batch, of which 100 params and 100 tags
MAX_PARAMS = 100
MAX_TAGS = 100
MAX_ENTRIES = 1000
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
FLUSH_STEP_S = 1.0


class RefusedRecords(Exception):  # noqa: N818 - it is about records, not an error of ours
    """The server answered and said no: sending the same batch again would not help."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One point: `step` is the run's step, `time_ms` Unix time in milliseconds when it was printed."""

    key: str
    value: float
    step: int
    time_ms: int


@dataclass(frozen=True, kw_only=True)
class Param:
    """One parameter of the run; immutable once the server has it."""

    key: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Tag:
    """One tag of the run; a later one replaces an earlier one."""

    key: str
    value: str


Record = Metric | Param | Tag
_KINDS: dict[str, type[Any]] = {"metric": Metric, "param": Param, "tag": Tag}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Records for one call of the server, in the order they were written."""

    metrics: Sequence[Metric] = field(default_factory=tuple)
    params: Sequence[Param] = field(default_factory=tuple)
    tags: Sequence[Tag] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.metrics) + len(self.params) + len(self.tags)


class Journal:
    """The append-only file; safe to append to from several threads.

    Where the disk is full, records wait in memory and are written before the next ones: `append` does not raise.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        # What a crash or a full disk tore off must not swallow the next record.
        self._torn = whole_size(path) != path.stat().st_size
        self._waiting = b""

    @property
    def unwritten(self) -> bytes:
        """What waits in memory because the disk is full."""
        return self._waiting

    def append(self, records: Iterable[Record]) -> None:
        """Write `records` so that they survive a crash of this process."""
        data = "".join(_encode(record) for record in records).encode("utf-8", "replace")
        with self._lock:
            self._waiting += data
            with contextlib.suppress(OSError):
                self._write(b"\n" * self._torn + self._waiting)
                self._waiting = b""

    def end_line(self) -> None:
        """End the last line where a crash left it open: it is read then, whole or not."""
        with self._lock, contextlib.suppress(OSError):
            self._write(b"\n" * self._torn + self._waiting)
            self._waiting = b""

    def _write(self, data: bytes) -> None:
        """What is written twice after a full disk changes nothing: MLflow takes it for the same points."""
        while data:
            data = data[self._file.write(data) :]
            self._torn = bool(data)

    def close(self) -> None:
        """Close the file; may be called twice."""
        if not self._file.closed:
            self.end_line()
            self._file.close()


def whole_size(path: Path) -> int:
    """The size of the whole lines of a file in bytes: what follows the last newline does not count."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        while end:
            start = max(0, end - 65536)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def _encode(record: Record) -> str:
    values: dict[str, Any] = {"kind": type(record).__name__.lower(), **vars(record)}
    if isinstance(record, Metric) and not math.isfinite(record.value):
        values["value"] = str(record.value)
    return json.dumps(values, ensure_ascii=False) + "\n"


def _decode(line: bytes) -> Record | None:
    """The record in `line`, or None where the line is torn or foreign."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("kind")]
        if kind is Metric:
            values["value"] = float(values["value"])
        record: Record = kind(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return record


def read_batch(path: Path, start: int) -> tuple[Batch, int]:
    """The next batch from byte `start` on, and the byte where the one after it begins.

    Only whole lines count: what follows the last newline is still being written, or torn.
    """
    with path.open("rb") as lines:
        lines.seek(start)
        return _take_batch(lines, start)


def batches_of(data: bytes) -> Iterable[Batch]:
    """All batches of what a journal could not write."""
    position = 0
    while position < len(data):
        batch, end = _take_batch(io.BytesIO(data[position:]), position)
        yield batch
        if end == position:
            return
        position = end


def _take_batch(lines: Iterable[bytes], position: int) -> tuple[Batch, int]:
    metrics: list[Metric] = []
    params: list[Param] = []
    tags: list[Tag] = []
    for line in lines:
        if not line.endswith(b"\n"):
            break
        record = _decode(line)
        if isinstance(record, Metric):
            metrics.append(record)
        elif isinstance(record, Param):
            params.append(record)
        elif isinstance(record, Tag):
            tags.append(record)
        position += len(line)
        if len(metrics) >= MAX_METRICS or len(params) >= MAX_PARAMS or len(tags) >= MAX_TAGS:
            break
        if len(metrics) + len(params) + len(tags) >= MAX_ENTRIES:
            break
    return Batch(metrics=tuple(metrics), params=tuple(params), tags=tuple(_last_of_each(tags))), position


def _last_of_each(tags: Sequence[Tag]) -> Iterable[Tag]:
    """One value a key: MLflow's SQL stores refuse a batch that names a tag twice."""
    return {tag.key: tag for tag in tags}.values()


class Delivery:
    """The thread that brings a journal to the server, and goes on trying for as long as it must.

    `send` takes a `Batch`; it raises `RefusedRecords` where trying again is useless, anything else where it
    may help. Refused records stay in the journal and are counted.
    """

    def __init__(self, journal: Path, send: Callable[[Batch], None], *, interval_s: float = 1.0) -> None:
        self._journal = journal
        self._send = send
        self._interval_s = interval_s
        self._sent_file = journal.with_suffix(".sent")
        self._position = read_position(self._sent_file)
        if self._position > journal.stat().st_size:
            self._position = 0  # noted for another journal: replaying this one changes nothing
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._idle = threading.Condition()
        self._failures = 0
        self.refused = 0
        self.last_error = ""
        self._thread = threading.Thread(target=self._run, name="mlflow-delivery", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """How much of the journal the server does not have yet."""
        if self._journal.stat().st_size <= self._position:
            return 0
        return max(0, whole_size(self._journal) - self._position)

    def flush(self, timeout_s: float) -> bool:
        """Deliver what is there now; whether all of it got through in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._wake.set()  # again and again: a server that comes back is asked at once, not in half a minute
            left = min(FLUSH_STEP_S, deadline - time.monotonic())
            with self._idle:
                if self._idle.wait_for(lambda: self.pending_bytes == 0, timeout=max(0.0, left)):
                    return True
            if time.monotonic() >= deadline:
                return False

    def deliver_now(self) -> None:
        """Without the thread: deliver all that is there, or raise what the server said."""
        while self._deliver_one():
            pass

    def close(self) -> None:
        """Stop trying; what is pending stays in the journal."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                delivered = self._deliver_one()
            except Exception as exc:  # noqa: BLE001 - whatever it is, the journal still has the records
                self.last_error = f"{type(exc).__name__}: {exc}"
                self._pause(RETRY_S[min(self._failures, len(RETRY_S) - 1)])
                self._failures += 1
                continue
            self._failures = 0
            if not delivered:
                self._pause(self._interval_s)

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _deliver_one(self) -> bool:
        batch, end = read_batch(self._journal, self._position)
        if end == self._position:
            return False
        if len(batch):
            self.refused += self._send_or_split(batch)
        self._position = end
        with contextlib.suppress(OSError):  # a full disk: what is sent twice changes nothing
            write_position(self._sent_file, end)
        with self._idle:
            self._idle.notify_all()
        return True

    def _send_or_split(self, batch: Batch) -> int:
        """Send `batch`, in halves where it is refused, down to the records that are; how many those are."""
        try:
            self._send(batch)
        except RefusedRecords as exc:
            if len(batch) == 1:
                self.last_error = str(exc)
                return 1
            return sum(self._send_or_split(half) for half in _halves(batch))
        return 0


def _halves(batch: Batch) -> Iterable[Batch]:
    records = (*batch.metrics, *batch.params, *batch.tags)
    middle = len(records) // 2
    for half in (records[:middle], records[middle:]):
        yield Batch(
            metrics=tuple(record for record in half if isinstance(record, Metric)),
            params=tuple(record for record in half if isinstance(record, Param)),
            tags=tuple(record for record in half if isinstance(record, Tag)),
        )


def read_position(path: Path) -> int:
    """The byte up to which the server has the journal; 0 where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        return max(0, int(path.read_text(encoding="ascii")))
    return 0


def write_position(path: Path, position: int) -> None:
    """Note the byte up to which the server has the journal, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(str(position), encoding="ascii")
    part.replace(path)


def last_tags(path: Path) -> dict[str, str]:
    """The last value of every tag in a journal."""
    tags: dict[str, str] = {}
    position = 0
    while True:
        batch, end = read_batch(path, position)
        if end == position:
            return tags
        tags.update({tag.key: tag.value for tag in batch.tags})
        position = end
