"""One file as one object of a bucket, and back; checked, as folders are."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from ocr_train.storage.downloads import BodyWriter
from ocr_train.storage.local import storage_errors
from ocr_train.storage.progress import Meter
from ocr_train.storage.push import BodySender, Upload
from ocr_train.storage.s3 import S3Bucket


def fetch_object(bucket: S3Bucket, key: str, part: Path) -> bool:
    """Make the file `part` what the object `key` is; whether there is such an object. Raises `StorageError`."""
    wanted = bucket.head(key)
    if wanted is None:
        return False
    meter = Meter(None, clock=time.monotonic)
    writer = BodyWriter(bucket, part.parent, part.parent, meter=meter, stop=threading.Event())
    with storage_errors(part):
        writer.download(wanted, str(part))
    return True


def store_object(bucket: S3Bucket, key: str, source: Path) -> bool:
    """Store the file `source` as the object `key`; true. Raises `StorageError`."""
    with storage_errors(source):
        status = source.stat()
    send = BodySender(bucket, source.parent, meter=Meter(None, clock=time.monotonic))
    send(Upload(source.name, key, status.st_size, status.st_mtime_ns, None))
    return True
