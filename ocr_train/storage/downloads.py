"""The bodies of objects, into files: written beside, checked, then moved to their places."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.errors import StorageError
from ocr_train.storage.local import Written, local_file, looks_like_md5, md5_of, storage_errors, write_part
from ocr_train.storage.progress import Meter
from ocr_train.storage.s3 import RemoteObject, S3Bucket
from ocr_train.storage.state import Transferred, TransferredFile

_CONTENT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """One object to fetch as the file `name`; with `compare` the local file may already have its content."""

    name: str
    wanted: RemoteObject
    compare: bool


class _GivenUpError(StorageError):
    """Another file failed; this one was given up."""


class BodyWriter:
    """Fetches bodies into files of one folder; `__call__` may run in many threads."""

    def __init__(
        self, bucket: S3Bucket, folder: Path, parts: Path, *, meter: Meter, stop: threading.Event
    ) -> None:
        self.bucket = bucket
        self.folder = folder
        self.parts = parts
        self.meter = meter
        self.stop = stop
        self._numbers = itertools.count()

    def __call__(self, task: Task) -> Transferred:
        """Make the local file what the object is; raises StorageError."""
        target = f"{self.folder}/{task.name}"
        with storage_errors(target):
            if task.compare and md5_of(target) == task.wanted.etag and (there := local_file(target)):
                self.meter.add(files=1, size_bytes=task.wanted.size)
                return Transferred(
                    TransferredFile(task.name, there.size, task.wanted.etag, there.mtime_ns), False
                )
            part = f"{self.parts}/{next(self._numbers)}.part"
            written = self.download(task.wanted, part)
            os.replace(part, target)  # noqa: PTH105 - thousands of files make pathlib's cost felt
        self.meter.add(files=1)
        return Transferred(TransferredFile(task.name, written.size, task.wanted.etag, written.mtime_ns), True)

    def download(
        self, wanted: RemoteObject, part: str, *, on_buffer: Callable[[], None] = lambda: None
    ) -> Written:
        """Fetch an object into `part` and check its length and, where the ETag is one, its MD5."""
        for attempt in range(1, _CONTENT_ATTEMPTS + 1):
            written = write_part(part, self._watched(wanted, on_buffer))
            if self._is_right(wanted, written):
                return written
            self.meter.add(size_bytes=-written.size)
            if attempt == _CONTENT_ATTEMPTS:
                break
        where = f"s3://{self.bucket.name}/{wanted.key} from {self.bucket.endpoint}"
        raise StorageError(
            f"{where} was received {_CONTENT_ATTEMPTS} times with other content than its ETag {wanted.etag!r} says: "
            f"{written.size} bytes, MD5 {written.md5}.",
            hint="Something on the way changes the data (a proxy?), or it is damaged: upload it again.",
        )

    def _is_right(self, wanted: RemoteObject, written: Written) -> bool:
        if written.size != wanted.size:
            return False
        if not looks_like_md5(wanted.etag) or written.md5 == wanted.etag:
            return True
        # The ETag of an object under SSE-KMS looks like an MD5 and is none; listings do not tell.
        return not self.bucket.etag_is_md5(wanted.key)

    def _watched(self, wanted: RemoteObject, on_buffer: Callable[[], None]) -> Iterator[Any]:
        for buffer in self.bucket.body(wanted):
            if self.stop.is_set():
                raise _GivenUpError(f"s3://{self.bucket.name}/{wanted.key} was given up.")
            self.meter.add(size_bytes=len(buffer))
            on_buffer()
            yield buffer
