"""From a folder to an S3 prefix: incremental, every object's ETag checked against what was sent."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_train.errors import StorageError
from ocr_train.storage.keys import check_names, parse_s3_uri, refuse
from ocr_train.storage.local import LocalFile, cache_folder, exclusive
from ocr_train.storage.parallel import run_all
from ocr_train.storage.progress import Meter, OnProgress
from ocr_train.storage.result import SyncResult, TransferCounts
from ocr_train.storage.s3 import RemoteObject, S3Bucket
from ocr_train.storage.state import SyncState
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
    for a bad `uri`, StorageError otherwise (a second call goes on from there).
    """
    bucket_name, prefix = parse_s3_uri(uri)
    local = _checked_files(folder)
    stop = threading.Event()
    bucket = S3Bucket(bucket_name, workers=workers, sleep=stop.wait)
    try:
        with _records(folder) as records, exclusive(records):
            state = SyncState(records, f"s3://{bucket_name}/{prefix}", kind="pushed")
            meter = Meter(on_progress, clock=time.monotonic)
            job = _PushJob(bucket=bucket, folder=folder, below=f"{prefix}/" if prefix else "", meter=meter)
            try:
                return job.run(local, state, rehash=rehash, delete=delete, workers=workers, stop=stop)
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


@dataclass(frozen=True, kw_only=True)
class _PushJob:
    """One push of one folder, which it holds for itself, to the keys that begin with `below`."""

    bucket: S3Bucket
    folder: Path
    below: str
    meter: Meter

    def run(
        self,
        local: Mapping[str, LocalFile],
        state: SyncState,
        *,
        rehash: bool,
        delete: bool,
        workers: int,
        stop: threading.Event,
    ) -> SyncResult:
        """Send what differs, then delete if asked to."""
        remote = self._remote()
        uploads = plan_push(local, remote, state.entries, prefix=self.below, rehash=rehash)
        size = sum(upload.size for upload in uploads)
        self.meter.begin("transferring", files_total=len(uploads), bytes_total=size)
        tally = TransferCounts(state, self.meter)
        sender = BodySender(self.bucket, self.folder, meter=self.meter)
        workers = min(workers, len(uploads))
        run_all(uploads, sender, workers=workers, stop=stop, on_result=tally, on_wait=tally.wait)
        deleted = self._delete(state, local, remote) if delete else 0
        self.meter.tick(now=True)
        return SyncResult(
            files=len(local),
            bytes=tally.size_bytes,
            fetched=tally.fetched,
            skipped=len(local) - tally.fetched,
            deleted=deleted,
        )

    def _remote(self) -> dict[str, RemoteObject]:
        found = {}
        for remote in self.bucket.objects(self.below):
            found[remote.key[len(self.below) :]] = remote
            self.meter.add(files=1, size_bytes=remote.size)
            self.meter.tick()
        return found

    def _delete(
        self, state: SyncState, local: Mapping[str, LocalFile], remote: Mapping[str, RemoteObject]
    ) -> int:
        """Delete the objects that the manifest owns, whose file is gone, and that no other program replaced."""
        gone = [entry for name, entry in state.entries.items() if name not in local]
        owned = [e.name for e in gone if e.name in remote and remote[e.name].etag == e.etag]
        self.bucket.delete(f"{self.below}{name}" for name in owned)
        for entry in gone:
            state.forget(entry.name)
        return len(owned)


def _checked_files(folder: Path) -> dict[str, LocalFile]:
    if not folder.is_dir():
        raise StorageError(f"There is no folder {str(folder)!r}.", hint="Check the path.")
    local = local_files(folder)
    refuse(check_names(list(local)), where=str(folder))
    if not local:
        raise StorageError(f"There is no file in the folder {str(folder)!r}.", hint="Check the path.")
    return local
