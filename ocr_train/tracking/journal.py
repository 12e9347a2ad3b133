"""The journal behind tracking: every metric, param and tag on disk first; `delivery` brings it to MLflow.

`journal.jsonl` holds one record a line and is only ever appended to; a torn last line is ignored.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.ocr_engine.documents import parse_json

# MLflow takes 1000 entries a batch, of which at most 100 are params and 100 tags.
MAX_METRICS = 1000
MAX_PARAMS = 100
MAX_TAGS = 100
MAX_ENTRIES = 1000


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

    @property
    def records(self) -> Sequence[Record]:
        """All of them."""
        return (*self.metrics, *self.params, *self.tags)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Batch:
        """`records`, with one value a tag, the last: MLflow's SQL stores refuse a batch that names a tag twice."""
        return cls(
            metrics=tuple(record for record in records if isinstance(record, Metric)),
            params=tuple(record for record in records if isinstance(record, Param)),
            tags=tuple({record.key: record for record in records if isinstance(record, Tag)}.values()),
        )

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches that hold half of the records each."""
        middle = len(self) // 2
        return Batch.of(self.records[:middle]), Batch.of(self.records[middle:])


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
        data = encoded(records)
        with self._lock:
            self._waiting += data
            with contextlib.suppress(OSError):
                self._write(b"\n" * self._torn + self._waiting)
                self._waiting = b""

    def end_line(self) -> None:
        """End the last line where a crash left it open: it is read then, whole or not."""
        self.append(())

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


def encoded(records: Iterable[Record]) -> bytes:
    """The lines of a journal for `records`."""
    return "".join(_encode(record) for record in records).encode("utf-8", "replace")


def _encode(record: Record) -> str:
    values: dict[str, Any] = {"kind": type(record).__name__.lower(), **vars(record)}
    if isinstance(record, Metric) and not math.isfinite(record.value):
        values["value"] = str(record.value)
    return json.dumps(values, ensure_ascii=False) + "\n"


def _decode(line: bytes) -> Record | None:
    """The record in `line`, or None where the line is torn or foreign."""
    try:
        values = parse_json(line)
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
    """All batches of a journal's lines that are in memory."""
    position = 0
    while position < len(data):
        batch, end = _take_batch(io.BytesIO(data[position:]), position)
        yield batch
        if end == position:
            return
        position = end


def _take_batch(lines: Iterable[bytes], position: int) -> tuple[Batch, int]:
    records: list[Record] = []
    room = {Metric: MAX_METRICS, Param: MAX_PARAMS, Tag: MAX_TAGS}
    for line in lines:
        if not line.endswith(b"\n"):
            break
        position += len(line)
        record = _decode(line)
        if record is not None:
            records.append(record)
            room[type(record)] -= 1
        if not all(room.values()) or len(records) >= MAX_ENTRIES:
            break
    return Batch.of(records), position


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
