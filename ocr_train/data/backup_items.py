"""One file of a dataset, brought to its place in a backup: left, copied by the store, or uploaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ocr_train.disk import sha256_of
from ocr_train.errors import DataError, StorageError, TransientStorageError
from ocr_train.storage.local import local_file, looks_like_md5, md5_of, storage_errors
from ocr_train.storage.progress import Meter
from ocr_train.storage.push import BodySender, Upload
from ocr_train.storage.s3 import LONGEST_COPY_BYTES, RemoteObject, S3Bucket

_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Item:
    """A file to keep as `name`: `size` in bytes and SHA-256 as the manifest has them ("": not in it).

    `origin` is the object that it was fetched from, in the bucket `origin_bucket`; `there` is what is already in its place.
    """

    name: str
    path: Path
    size: int
    sha256: str
    origin: RemoteObject | None = None
    origin_bucket: str = ""
    there: RemoteObject | None = None


@dataclass(frozen=True)
class Kept:
    """An item that is in its place, with the ETag that it has there."""

    item: Item
    etag: str
    how: Literal["there", "copied", "uploaded"]


class ItemKeeper:
    """Brings items to their places; `__call__` may run in many threads."""

    def __init__(self, bucket: S3Bucket, folder: str, *, meter: Meter) -> None:
        self._bucket = bucket
        self._folder = folder
        self._meter = meter

    def __call__(self, item: Item) -> Kept:
        """Make the object what the file is; raises StorageError, and DataError for a file that changed."""
        origin, there = item.origin, item.there
        if origin and there and (there.size, there.etag) == (origin.size, origin.etag):
            self._meter.add(files=1, size_bytes=item.size)
            return Kept(item, there.etag, "there")
        etag = self._copy(item)
        if etag is not None:
            self._meter.add(files=1, size_bytes=item.size)
            return Kept(item, etag, "copied")
        return self.upload(item)

    def upload(self, item: Item) -> Kept:
        """Send the file, unless exactly its content is already there."""
        with storage_errors(item.path):
            before = local_file(item.path.resolve())
            if (
                before is None
                or before.size != item.size
                or (item.sha256 and sha256_of(item.path) != item.sha256)
            ):
                raise _changed(item)
            there = item.there if item.there and _comparable(item.there, item) else None
            sender = BodySender(self._bucket, item.path.parent, meter=self._meter)
            sent = sender(Upload(item.path.name, self._key(item), item.size, before.mtime_ns, there))
            if local_file(item.path.resolve()) != before:
                raise _changed(item)
        return Kept(item, sent.entry.etag, "uploaded" if sent.transferred else "there")

    def _copy(self, item: Item) -> str | None:
        """The ETag of a copy made by the store, None where there is none that is known to be right."""
        origin = item.origin
        if origin is None or item.size > LONGEST_COPY_BYTES:
            return None
        try:
            etag = self._bucket.copy(item.origin_bucket, origin, self._key(item))
        except TransientStorageError:
            raise
        except StorageError:
            # The source changed or went away, or the store does not copy: the file itself is here to be sent.
            return None
        if etag == origin.etag or (looks_like_md5(etag) and etag == md5_of(item.path)):
            return etag
        # Under SSE-KMS an ETag says nothing; then the request's own condition and the size have to do.
        return None if self._bucket.etag_is_md5(self._key(item)) else etag

    def _key(self, item: Item) -> str:
        return f"{self._folder}/{item.name}"


def _comparable(there: RemoteObject, item: Item) -> bool:
    """Whether an object may be the file's content, told by its MD5."""
    return there.size == item.size and looks_like_md5(there.etag)


def _changed(item: Item) -> DataError:
    return DataError(
        f"{str(item.path)!r} is not what it was when the dataset was checked.",
        hint="Run the command again when no other program writes there.",
    )
