"""From S3 into a folder: incremental, verified, never outside the folder."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_train.errors import StorageError
from ocr_train.storage.archive import DEFAULT_LIMIT_BYTES, extract_archive, is_archive
from ocr_train.storage.downloads import BodyWriter
from ocr_train.storage.keys import check_names, parse_s3_uri, refuse
from ocr_train.storage.local import (
    exclusive,
    local_file,
    make_parents,
    place_problems,
    require_space,
    storage_errors,
)
from ocr_train.storage.parallel import run_all
from ocr_train.storage.plan import is_unchanged, plan_fetch
from ocr_train.storage.progress import Meter, OnProgress
from ocr_train.storage.result import SyncResult, TransferCounts
from ocr_train.storage.s3 import RemoteObject, S3Bucket
from ocr_train.storage.state import SyncState, TransferredFile


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
    for a bad `uri`, StorageError (nothing lost: a second call goes on from there), SetupError where the disk
    is too small.
    """
    bucket_name, prefix = parse_s3_uri(uri)
    stop = threading.Event()
    meter = Meter(on_progress, clock=time.monotonic)
    bucket = S3Bucket(bucket_name, workers=workers, sleep=stop.wait)
    try:
        single = bucket.head(prefix) if is_archive(prefix) else None
        wanted = {} if single is not None else _listed(bucket, prefix, meter)
        with exclusive(folder) as parts:
            job = _FetchJob(
                bucket=bucket,
                folder=folder,
                parts=parts,
                meter=meter,
                stop=stop,
                uri=f"s3://{bucket_name}/{prefix}",
            )
            if single is not None:
                return job.unpack(single, limit_bytes=archive_limit_bytes, rehash=rehash, delete=delete)
            return job.run(wanted, rehash=rehash, delete=delete, workers=workers)
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
            as_left = all(
                entry.etag == single.etag
                and is_unchanged(entry.size, entry.etag, entry, local_file(folder / entry.name))
                for entry in known
            )
            return bool(known) and state.archive == single.etag and as_left
        wanted = _listed(bucket, prefix, Meter(None, clock=time.monotonic))
    finally:
        bucket.close()
    plan = plan_fetch(wanted, state.entries, lambda name: local_file(folder / name), rehash=False)
    return not plan.tasks and state.entries.keys() <= wanted.keys()


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


@dataclass(frozen=True, kw_only=True)
class _FetchJob:
    """One fetch into one folder, which it holds for itself."""

    bucket: S3Bucket
    folder: Path
    parts: Path
    meter: Meter
    stop: threading.Event
    uri: str

    def run(
        self, wanted: Mapping[str, RemoteObject], *, rehash: bool, delete: bool, workers: int
    ) -> SyncResult:
        """Fetch what differs, then delete if asked to."""
        state = SyncState(self.folder, self.uri, kind="fetched")
        tally = TransferCounts(state, self.meter)
        try:
            refuse(place_problems(self.folder, wanted), where=f"{self.uri} (to be kept in {self.folder})")
            base = str(self.folder)
            plan = plan_fetch(wanted, state.entries, lambda name: local_file(f"{base}/{name}"), rehash=rehash)
            require_space(self.folder, plan.size_bytes)
            make_parents(self.folder, (task.name for task in plan.tasks))
            self.meter.begin("transferring", files_total=len(plan.tasks), bytes_total=plan.size_bytes)
            writer = BodyWriter(self.bucket, self.folder, self.parts, meter=self.meter, stop=self.stop)
            if plan.tasks:
                run_all(
                    plan.tasks,
                    writer,
                    workers=min(workers, len(plan.tasks)),
                    stop=self.stop,
                    on_result=tally,
                    on_wait=tally.wait,
                )
            deleted = delete_local(self.folder, state, keep=wanted) if delete else 0
        finally:
            with storage_errors(state.path):
                state.close()
        self.meter.tick(now=True)
        return SyncResult(
            files=len(wanted),
            bytes=tally.size_bytes,
            fetched=tally.fetched,
            skipped=len(wanted) - tally.fetched,
            deleted=deleted,
        )

    def unpack(self, archive: RemoteObject, *, limit_bytes: int, rehash: bool, delete: bool) -> SyncResult:
        """Fetch one archive and extract it, unless it and all its files are as they were left."""
        state = SyncState(self.folder, self.uri, kind="fetched")
        before = dict(state.entries)
        whole = state.archive == archive.etag and before and not rehash
        if whole and all(self._as_left(entry, archive) for entry in before.values()):
            current = {entry.name for entry in before.values() if entry.etag == archive.etag}
            deleted = delete_local(self.folder, state, keep=current) if delete else 0
            state.close()
            return SyncResult(files=len(current), bytes=0, fetched=0, skipped=len(current), deleted=deleted)
        require_space(self.folder, archive.size)
        self.meter.begin("transferring", files_total=1, bytes_total=archive.size)
        writer = BodyWriter(self.bucket, self.folder, self.parts, meter=self.meter, stop=self.stop)
        part = self.parts / "archive"
        with storage_errors(part):
            writer.download(archive, str(part), on_buffer=self.meter.tick)
        self.meter.begin("extracting")
        made = extract_archive(
            part,
            self.folder,
            parts=self.parts,
            shown=f"s3://{self.bucket.name}/{archive.key}",
            limit_bytes=limit_bytes,
            on_member=self._extracted,
        )
        state.replace(
            [TransferredFile(file.name, file.size, archive.etag, file.mtime_ns) for file in made],
            archive=archive.etag,
        )
        names = {file.name for file in made}
        gone = [entry for name, entry in before.items() if name not in names]
        for entry in gone:
            state.own(entry)
        deleted = delete_local(self.folder, state, keep=names) if delete else 0
        with storage_errors(state.path):
            state.close()
        self.meter.tick(now=True)
        return SyncResult(files=len(made), bytes=archive.size, fetched=len(made), skipped=0, deleted=deleted)

    def _as_left(self, entry: TransferredFile, archive: RemoteObject) -> bool:
        """Whether an extracted file is untouched; one of an earlier archive does not matter."""
        there = local_file(f"{self.folder}/{entry.name}")
        return entry.etag != archive.etag or is_unchanged(entry.size, entry.etag, entry, there)

    def _extracted(self, size: int) -> None:
        self.meter.add(files=1, size_bytes=size)
        self.meter.tick()


def delete_local(folder: Path, state: SyncState, *, keep: Iterable[str]) -> int:
    """Delete the files that the manifest owns and `keep` does not name; how many.

    A file that was edited since it was fetched stays, and so does one that is reached through a link.
    """
    kept = set(keep)
    gone = [entry for entry in state.entries.values() if entry.name not in kept]
    unsafe = {problem.name for problem in place_problems(folder, (entry.name for entry in gone))}
    deleted = 0
    for entry in gone:
        path = folder / entry.name
        if entry.name not in unsafe and is_unchanged(entry.size, entry.etag, entry, local_file(path)):
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
