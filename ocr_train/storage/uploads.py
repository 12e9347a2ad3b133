"""What a push has to send, and sending one file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_train.errors import StorageError
from ocr_train.storage.keys import PRIVATE_FOLDER, KeyProblem, refuse
from ocr_train.storage.local import LocalFile, looks_like_md5, md5_of, multipart_md5_of, storage_errors
from ocr_train.storage.progress import Meter
from ocr_train.storage.s3 import PART_BYTES, RemoteObject, S3Bucket
from ocr_train.storage.state import Transferred, TransferredFile, is_unchanged

_MOST_PARTS = 10_000


@dataclass(frozen=True)
class Upload:
    """One file to store as `key`; `same` is the object there if it may already be this file's content."""

    name: str
    key: str
    size: int
    mtime_ns: int
    same: RemoteObject | None


def local_files(folder: Path) -> dict[str, LocalFile]:
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


def plan_push(
    local: Mapping[str, LocalFile],
    remote: Mapping[str, RemoteObject],
    known: Mapping[str, TransferredFile],
    *,
    prefix: str,
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
        uploads.append(Upload(name, f"{prefix}{name}", file.size, file.mtime_ns, same))
    return uploads


class BodySender:
    """Stores files of one folder; `__call__` may run in many threads."""

    def __init__(self, bucket: S3Bucket, folder: Path, *, meter: Meter) -> None:
        self._bucket = bucket
        self._folder = folder
        self._meter = meter

    def __call__(self, upload: Upload) -> Transferred:
        """Make the object what the local file is; raises StorageError."""
        path = self._folder / upload.name
        part_bytes = max(PART_BYTES, -(-upload.size // _MOST_PARTS))
        with storage_errors(path):
            many = upload.size > part_bytes
            digest = multipart_md5_of(path, part_bytes) if many else md5_of(path)
            same = upload.same is not None and upload.same.etag == digest
            etag = digest if same else self._bucket.put(upload.key, path, part_bytes=part_bytes)
            if etag != digest:
                self._check(upload, path, etag)
        self._meter.add(files=1, size_bytes=upload.size)
        return Transferred(TransferredFile(upload.name, upload.size, etag, upload.mtime_ns), not same)

    def _check(self, upload: Upload, path: Path, etag: str) -> None:
        """The ETag is not the content's: fine under SSE-KMS (then the size decides), an error otherwise."""
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (upload.size, upload.mtime_ns):
            raise StorageError(f"{str(path)!r} changed while it was being sent.", hint="Push again.")
        stored = self._bucket.head(upload.key)
        if stored is None or stored.size != upload.size or self._bucket.etag_is_md5(upload.key):
            raise StorageError(
                f"s3://{self._bucket.name}/{upload.key} is not what was sent: its ETag is {etag!r}, at "
                f"{self._bucket.endpoint}.",
                hint="Something on the way changes the data (a proxy?). Push again, with --rehash.",
            )
