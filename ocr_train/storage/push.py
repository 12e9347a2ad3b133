"""From a folder to an S3 prefix: incremental, every object's ETag checked against what was sent."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ocr_train.errors import StorageError
from ocr_train.storage.keys import check_names, parse_s3_uri, refuse
from ocr_train.storage.local import LocalFile, cache_folder, exclusive
from ocr_train.storage.parallel import run_all
from ocr_train.storage.progress import Meter, OnProgress, SyncResult
from ocr_train.storage.s3 import S3Bucket
from ocr_train.storage.state import SyncState, TransferCounts
from ocr_train.storage.uploads import BodySender, local_files, plan_push


def push(
    folder: Path,
    uri: str,
    *,
    rehash: bool = False,
    delete: bool = False,
    on_progress: OnProgress | None = None,
    workers: int = 16,
) -> SyncResult:
    """Make the objects below `uri` (`s3://bucket/prefix`) hold the files of `folder`, in which nothing is written.

    `rehash` trusts no manifest: files are read and compared with the ETags. `delete` removes objects that an
    earlier push to the same `uri` made, whose file is gone and that nobody replaced since. Raises ConfigError
    for a bad `uri`, StorageError otherwise (a second call continues from there).
    """
    bucket_name, prefix = parse_s3_uri(uri)
    local = _checked_files(folder)
    stop = threading.Event()
    bucket = S3Bucket(bucket_name, workers=workers, sleep=stop.wait)
    try:
        with _records(folder) as records, exclusive(records):
            state = SyncState(records, f"s3://{bucket_name}/{prefix}", kind="pushed")
            try:
                return _send(
                    bucket,
                    folder,
                    local,
                    state,
                    below=f"{prefix}/" if prefix else "",
                    meter=Meter(on_progress, clock=time.monotonic),
                    stop=stop,
                    workers=workers,
                    rehash=rehash,
                    delete=delete,
                )
            finally:
                state.close()
    finally:
        bucket.close()


@contextlib.contextmanager
def _records(folder: Path) -> Iterator[Path]:
    """The folder for what is noted of pushes of `folder`: below our cache, because the source is somebody's data, and
    may take no file. Where the cache takes none either, one that is gone afterwards: the next push compares ETags.
    """
    kept = (
        cache_folder()
        / "pushed"
        / hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    )
    try:
        kept.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=kept).close()
    except OSError:
        with tempfile.TemporaryDirectory(prefix="ocr-train-push-") as passing:
            yield Path(passing)
        return
    yield kept


def _send(
    bucket: S3Bucket,
    folder: Path,
    local: Mapping[str, LocalFile],
    state: SyncState,
    *,
    below: str,
    meter: Meter,
    stop: threading.Event,
    workers: int,
    rehash: bool,
    delete: bool,
) -> SyncResult:
    """Send what differs to the keys that begin with `below`, then delete if asked to."""
    remote = {}
    for found in bucket.objects(below):
        remote[found.key[len(below) :]] = found
        meter.add(files=1, size_bytes=found.size)
        meter.tick()
    uploads = plan_push(local, remote, state.entries, prefix=below, rehash=rehash)
    size = sum(upload.size for upload in uploads)
    meter.begin("transferring", files_total=len(uploads), bytes_total=size)
    counts = TransferCounts(state, meter)
    sender = BodySender(bucket, folder, meter=meter)
    workers = min(workers, len(uploads))
    run_all(uploads, sender, workers=workers, stop=stop, on_result=counts, on_wait=counts.wait)
    deleted = 0
    if delete:
        # What the manifest owns, whose file is gone, and that no other program replaced.
        gone = [entry for name, entry in state.entries.items() if name not in local]
        owned = [one.name for one in gone if one.name in remote and remote[one.name].etag == one.etag]
        bucket.delete(f"{below}{name}" for name in owned)
        for entry in gone:
            state.forget(entry.name)
        deleted = len(owned)
    meter.tick(now=True)
    return counts.result(files=len(local), deleted=deleted)


def _checked_files(folder: Path) -> dict[str, LocalFile]:
    if not folder.is_dir():
        raise StorageError(f"There is no folder {str(folder)!r}.", hint="Check the path.")
    local = local_files(folder)
    refuse(check_names(list(local)), where=str(folder))
    if not local:
        raise StorageError(f"There is no file in the folder {str(folder)!r}.", hint="Check the path.")
    return local
