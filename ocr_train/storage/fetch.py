"""From S3 into a folder: incremental, verified, never outside the folder."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ocr_train.errors import StorageError
from ocr_train.storage.archive import DEFAULT_LIMIT_BYTES, extract_archive, is_archive, refuse_unread
from ocr_train.storage.downloads import BodyWriter, Task
from ocr_train.storage.keys import check_names, parse_s3_uri, refuse
from ocr_train.storage.local import (
    exclusive,
    local_file,
    looks_like_md5,
    make_parents,
    place_problems,
    require_space,
    storage_errors,
)
from ocr_train.storage.parallel import run_all
from ocr_train.storage.progress import Meter, OnProgress, SyncResult
from ocr_train.storage.s3 import RemoteObject, S3Bucket
from ocr_train.storage.state import SyncState, TransferCounts, TransferredFile, is_as_left, is_unchanged


def fetch(
    uri: str,
    folder: Path,
    *,
    rehash: bool = False,
    delete: bool = False,
    on_progress: OnProgress | None = None,
    workers: int = 16,
    archive_limit_bytes: int = DEFAULT_LIMIT_BYTES,
) -> SyncResult:
    """Make `folder` hold what is below `uri` (`s3://bucket/prefix`, one object, or one archive, which is
    extracted).

    `rehash` trusts no manifest: local files are read and compared. `delete` removes files that an earlier
    fetch of the same `uri` brought, that the source no longer has and that nobody edited. Raises ConfigError
    for a bad `uri`, StorageError (nothing lost: a second call continues from there), SetupError where the disk
    is too small.
    """
    bucket_name, prefix = parse_s3_uri(uri)
    refuse_unread(prefix, uri)
    stop = threading.Event()
    meter = Meter(on_progress, clock=time.monotonic)
    bucket = S3Bucket(bucket_name, workers=workers, sleep=stop.wait)
    try:
        single = bucket.head(prefix) if is_archive(prefix) else None
        wanted = {} if single is not None else _listed(bucket, prefix, meter)
        with exclusive(folder) as parts:
            writer = BodyWriter(bucket, folder, parts, meter=meter, stop=stop)
            state = SyncState(folder, f"s3://{bucket_name}/{prefix}", kind="fetched")
            try:
                if single is not None:
                    result = _fetch_archive(
                        writer, state, single, limit_bytes=archive_limit_bytes, rehash=rehash, delete=delete
                    )
                else:
                    result = _fetch_objects(
                        writer, state, wanted, workers=workers, rehash=rehash, delete=delete
                    )
            finally:
                with storage_errors(state.path):
                    state.close()
        meter.tick(now=True)
        return result
    finally:
        bucket.close()


def is_current(uri: str, folder: Path) -> bool:
    """Whether `fetch(uri, folder, delete=True)` would have nothing to do: nothing is changed to find out.

    Raises as `fetch` does.
    """
    bucket_name, prefix = parse_s3_uri(uri)
    state = SyncState(folder, f"s3://{bucket_name}/{prefix}", kind="fetched")
    bucket = S3Bucket(bucket_name, workers=1, sleep=time.sleep)
    try:
        single = bucket.head(prefix) if is_archive(prefix) else None
        if single is not None:
            known = state.entries.values()
            return _is_unpacked(state, single, folder) and all(one.etag == single.etag for one in known)
        wanted = _listed(bucket, prefix, Meter(None, clock=time.monotonic))
    finally:
        bucket.close()
    return not _tasks(wanted, state, folder, rehash=False) and state.entries.keys() <= wanted.keys()


def _listed(bucket: S3Bucket, prefix: str, meter: Meter) -> dict[str, RemoteObject]:
    """The objects below a prefix by name, or the one object of that key; raises StorageError where there are
    none.
    """
    below = f"{prefix}/" if prefix else ""
    found: dict[str, RemoteObject] = {}
    names: list[str] = []
    for remote in bucket.objects(below):
        name = remote.key[len(below) :]
        if remote.key.endswith("/") and remote.size == 0:
            # What a console makes to show an empty folder.
            continue
        names.append(name)
        found[name] = remote
        meter.add(files=1, size_bytes=remote.size)
        meter.tick()
    refuse(check_names(names), where=f"s3://{bucket.name}/{below}")
    if not found and prefix and (one := bucket.head(prefix)) is not None:
        return {prefix.rpartition("/")[2]: one}
    if not found:
        raise StorageError(
            f"There is nothing below s3://{bucket.name}/{below} at {bucket.endpoint}.",
            hint=_near(bucket, prefix),
        )
    return found


def _near(bucket: S3Bucket, prefix: str) -> str:
    parent = f"{prefix.rpartition('/')[0]}/" if "/" in prefix else ""
    there = bucket.names_below(parent)
    close = difflib.get_close_matches(prefix, [name.rstrip("/") for name in there], n=3)
    if close:
        return f"Perhaps you meant {' or '.join(repr(f's3://{bucket.name}/{name}') for name in close)}."
    shown = ", ".join(repr(name) for name in there[:8]) or "nothing"
    return f"Below s3://{bucket.name}/{parent} there is {shown}."


def _tasks(wanted: Mapping[str, RemoteObject], state: SyncState, folder: Path, *, rehash: bool) -> list[Task]:
    """Skip what is unchanged (nothing with `rehash`), compare what may be the same, fetch the rest."""
    tasks = []
    for name, remote in wanted.items():
        there = local_file(f"{folder}/{name}")
        if not rehash and is_unchanged(remote.size, remote.etag, state.entries.get(name), there):
            continue
        same_size = there is not None and there.regular and there.size == remote.size
        tasks.append(Task(name, remote, compare=same_size and looks_like_md5(remote.etag)))
    return tasks


def _fetch_objects(
    writer: BodyWriter,
    state: SyncState,
    wanted: Mapping[str, RemoteObject],
    *,
    workers: int,
    rehash: bool,
    delete: bool,
) -> SyncResult:
    """Fetch what differs, then delete if asked to."""
    folder, meter = writer.folder, writer.meter
    refuse(place_problems(folder, wanted), where=f"{state.source} (to be kept in {folder})")
    tasks = _tasks(wanted, state, folder, rehash=rehash)
    size_bytes = sum(task.wanted.size for task in tasks)
    require_space(folder, size_bytes)
    make_parents(folder, (task.name for task in tasks))
    meter.begin("transferring", files_total=len(tasks), bytes_total=size_bytes)
    counts = TransferCounts(state, meter)
    workers = min(workers, len(tasks))
    run_all(tasks, writer, workers=workers, stop=writer.stop, on_result=counts, on_wait=counts.wait)
    deleted = _delete_local(folder, state, keep=wanted) if delete else 0
    return counts.result(files=len(wanted), deleted=deleted)


def _is_unpacked(state: SyncState, archive: RemoteObject, folder: Path) -> bool:
    """Whether the archive was extracted and its files are untouched; those of an earlier one do not matter."""
    if state.archive != archive.etag or not state.entries:
        return False
    return all(is_as_left(one, folder) for one in state.entries.values() if one.etag == archive.etag)


def _fetch_archive(
    writer: BodyWriter,
    state: SyncState,
    archive: RemoteObject,
    *,
    limit_bytes: int,
    rehash: bool,
    delete: bool,
) -> SyncResult:
    """Fetch one archive and extract it, unless it and all its files are as they were left."""
    folder, meter = writer.folder, writer.meter
    if not rehash and _is_unpacked(state, archive, folder):
        names = {entry.name for entry in state.entries.values() if entry.etag == archive.etag}
        deleted = _delete_local(folder, state, keep=names) if delete else 0
        return SyncResult(files=len(names), bytes=0, fetched=0, skipped=len(names), deleted=deleted)
    require_space(folder, archive.size)
    meter.begin("transferring", files_total=1, bytes_total=archive.size)
    part = writer.parts / "archive"
    with storage_errors(part):
        writer.download(archive, str(part), on_buffer=meter.tick)
    meter.begin("extracting")

    def on_member(size: int) -> None:
        meter.add(files=1, size_bytes=size)
        meter.tick()

    made = extract_archive(
        part,
        folder,
        parts=writer.parts,
        shown=f"s3://{writer.bucket.name}/{archive.key}",
        limit_bytes=limit_bytes,
        on_member=on_member,
    )
    state.extracted(
        (TransferredFile(name, file.size, archive.etag, file.mtime_ns) for name, file in made.items()),
        archive=archive.etag,
    )
    deleted = _delete_local(folder, state, keep=made) if delete else 0
    return SyncResult(files=len(made), bytes=archive.size, fetched=len(made), skipped=0, deleted=deleted)


def _delete_local(folder: Path, state: SyncState, *, keep: Iterable[str]) -> int:
    """Delete the files that the manifest owns and `keep` does not name; how many.

    A file that was edited since it was fetched stays, and so does one that is reached through a link.
    """
    kept = set(keep)
    gone = [entry for entry in state.entries.values() if entry.name not in kept]
    unsafe = {problem.name for problem in place_problems(folder, (entry.name for entry in gone))}
    deleted = 0
    for entry in gone:
        path = folder / entry.name
        if entry.name not in unsafe and is_as_left(entry, folder):
            with storage_errors(path):
                path.unlink()
            _remove_empty(path.parent, folder)
            deleted += 1
        state.forget(entry.name)
    return deleted


def _remove_empty(path: Path, folder: Path) -> None:
    """Remove the folders that a deletion has left empty, up to the data's own."""
    while path != folder:
        try:
            path.rmdir()
        except OSError:
            return
        path = path.parent
