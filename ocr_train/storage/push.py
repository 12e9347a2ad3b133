"""From a folder to an S3 prefix: incremental, every object's ETag checked against what was sent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_train.errors import StorageError
from ocr_train.storage.keys import PRIVATE_FOLDER, KeyProblem, check_names, parse_s3_uri, refuse
from ocr_train.storage.local import (
    LocalFile,
    cache_folder,
    exclusive,
    looks_like_md5,
    md5_of,
    multipart_md5_of,
    storage_errors,
)
from ocr_train.storage.parallel import run_all
from ocr_train.storage.progress import Meter, OnProgress, SyncResult
from ocr_train.storage.s3 import PART_BYTES, RemoteObject, S3Bucket
from ocr_train.storage.state import SyncState, TransferCounts, Transferred, TransferredFile, is_unchanged

_MOST_PARTS = 10_000


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
            sender = BodySender(bucket, folder, meter=Meter(on_progress, clock=time.monotonic))
            below = f"{prefix}/" if prefix else ""
            try:
                return _send(
                    sender, local, state, below, stop=stop, workers=workers, rehash=rehash, delete=delete
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
    sender: BodySender,
    local: Mapping[str, LocalFile],
    state: SyncState,
    below: str,
    *,
    stop: threading.Event,
    workers: int,
    rehash: bool,
    delete: bool,
) -> SyncResult:
    """Send what differs to the keys that begin with `below`, then delete if asked to."""
    bucket, meter = sender.bucket, sender.meter
    remote = {}
    for found in bucket.objects(below):
        remote[found.key[len(below) :]] = found
        meter.add(files=1, size_bytes=found.size)
        meter.tick()
    uploads = _uploads(local, remote, state.entries, below=below, rehash=rehash)
    size = sum(upload.size for upload in uploads)
    meter.begin("transferring", files_total=len(uploads), bytes_total=size)
    counts = TransferCounts(state, meter)
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
    local = _local_files(folder)
    refuse(check_names(list(local)), where=str(folder))
    if not local:
        raise StorageError(f"There is no file in the folder {str(folder)!r}.", hint="Check the path.")
    return local


@dataclass(frozen=True)
class Upload:
    """One file to store as `key`; `same` is the object there if it may already be this file's content."""

    name: str
    key: str
    size: int
    mtime_ns: int
    same: RemoteObject | None


def _local_files(folder: Path) -> dict[str, LocalFile]:
    """All files below a folder by name, without our own records.

    Raises StorageError for links to folders, links out of the folder and special files, all listed at once.
    """
    found: dict[str, LocalFile] = {}
    problems: list[KeyProblem] = []
    root = folder.resolve()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        with storage_errors(folder / relative), os.scandir(folder / relative) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                name = f"{relative}{entry.name}"
                if name == PRIVATE_FOLDER:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif reason := _unfit(entry, root):
                    problems.append(KeyProblem(name=name, reason=reason))
                else:
                    status = entry.stat()
                    found[name] = LocalFile(status.st_size, status.st_mtime_ns, True)
    refuse(problems, where=str(folder))
    return found


def _unfit(entry: os.DirEntry[str], root: Path) -> str:
    if entry.is_symlink():
        target = Path(entry.path).resolve()
        if not target.is_file():
            return "it is a symbolic link to something else than a file"
        return "" if target.is_relative_to(root) else "it is a symbolic link out of the folder"
    return "" if entry.is_file() else "it is not a regular file"


def _uploads(
    local: Mapping[str, LocalFile],
    remote: Mapping[str, RemoteObject],
    known: Mapping[str, TransferredFile],
    *,
    below: str,
    rehash: bool,
) -> list[Upload]:
    """Skip what is unchanged on both sides (nothing with `rehash`), compare what may be the same, send the
    rest.
    """
    uploads = []
    for name, file in local.items():
        there = remote.get(name)
        unchanged = there is not None and is_unchanged(there.size, there.etag, known.get(name), file)
        if unchanged and not rehash:
            continue
        same = there if there and there.size == file.size and looks_like_md5(there.etag) else None
        uploads.append(Upload(name, f"{below}{name}", file.size, file.mtime_ns, same))
    return uploads


class BodySender:
    """Stores files of one folder; `__call__` may run in many threads."""

    def __init__(self, bucket: S3Bucket, folder: Path, *, meter: Meter) -> None:
        self.bucket = bucket
        self.folder = folder
        self.meter = meter

    def __call__(self, upload: Upload) -> Transferred:
        """Make the object what the local file is; raises StorageError."""
        path = self.folder / upload.name
        part_bytes = max(PART_BYTES, -(-upload.size // _MOST_PARTS))
        with storage_errors(path):
            many = upload.size > part_bytes
            digest = multipart_md5_of(path, part_bytes) if many else md5_of(path)
            same = upload.same is not None and upload.same.etag == digest
            etag = digest if same else self.bucket.put(upload.key, path, part_bytes=part_bytes)
            if etag != digest:
                self._check(upload, path, etag)
        self.meter.add(files=1, size_bytes=upload.size)
        return Transferred(TransferredFile(upload.name, upload.size, etag, upload.mtime_ns), not same)

    def _check(self, upload: Upload, path: Path, etag: str) -> None:
        """The ETag is not the content's: fine under SSE-KMS (then the size decides), an error otherwise."""
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (upload.size, upload.mtime_ns):
            raise StorageError(f"{str(path)!r} changed while it was being sent.", hint="Push again.")
        stored = self.bucket.head(upload.key)
        if stored is None or stored.size != upload.size or self.bucket.etag_is_md5(upload.key):
            raise StorageError(
                f"s3://{self.bucket.name}/{upload.key} is not what was sent: its ETag is {etag!r}, at "
                f"{self.bucket.endpoint}.",
                hint="Something on the way changes the data (a proxy?). Push again, with --rehash.",
            )
