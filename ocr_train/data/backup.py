"""A dataset kept as it was trained on: once for each digest, copied by the store where it can be.

    s3://bucket/prefix/<digest>/train.txt, val.txt   the label files, as the trainer reads them
    s3://bucket/prefix/<digest>/...                  the images that they name, by the same relative paths
    s3://bucket/prefix/<digest>/manifest.jsonl       written last: where it is, the backup is whole

Such a prefix can itself be given as `data`.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocr_train.data.backup_items import Item, ItemKeeper, Kept
from ocr_train.data.manifest import IMAGE, DatasetManifest, write_manifest
from ocr_train.errors import ConfigError, DataError, StorageError
from ocr_train.storage.keys import check_names, is_s3_uri, parse_s3_uri, refuse
from ocr_train.storage.local import local_file
from ocr_train.storage.parallel import run_all
from ocr_train.storage.progress import Meter, OnProgress
from ocr_train.storage.s3 import RemoteObject, S3Bucket
from ocr_train.storage.state import SyncState, is_unchanged

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Where the dataset is kept, how many files the store `copied` itself and how many were `uploaded` from
    here. `already`: an earlier run had kept it, nothing was transferred.
    """

    uri: str
    copied: int
    uploaded: int
    already: bool

    def __str__(self) -> str:
        """One sentence for people."""
        if self.already:
            return f"the dataset is already kept in {self.uri}"
        return (
            f"the dataset is kept in {self.uri}: {self.copied} files copied there, {self.uploaded} uploaded"
        )


def check_target(target: str, source_uri: str) -> tuple[str, str]:
    """The bucket and prefix of `target`; touches nothing, so that a mistake shows before anything is fetched.

    Raises `ConfigError` for anything but an S3 address, and for one within the data itself: the next fetch of
    the data would bring its backups along.
    """
    bucket, prefix = parse_s3_uri(target)
    if is_s3_uri(source_uri):
        source_bucket, source_prefix = parse_s3_uri(source_uri)
        within = not source_prefix or f"{prefix}/".startswith(f"{source_prefix}/")
        if bucket == source_bucket and within:
            raise ConfigError(
                f"backup {target!r} is inside the data, {source_uri!r}.",
                hint="Give a prefix beside it: the data would grow by its own backups otherwise.",
            )
    return bucket, prefix


def backup(
    manifest: DatasetManifest,
    *,
    images: Path,
    labels: Mapping[str, Path],
    source_uri: str,
    target: str,
    parts: Mapping[str, tuple[Path, str]] | None = None,
    on_progress: OnProgress | None = None,
    workers: int = 16,
) -> Backup:
    """Keep every file of `manifest` below `target`/<digest>, unless that is already done.

    `images` is the folder that the manifest's paths are relative to, `labels` maps a set's name, or a label file's path in the
    manifest, to its label file, `source_uri` is where `images` was fetched from (or any folder). Of several sources `parts`
    has for each folder below `images` where it really is, and where that was fetched from. What was fetched and not touched since
    is copied by the store, if the object is still the one that was fetched; everything else is uploaded.

    Raises `ConfigError` for a bad `target`, `DataError` for files outside of `images` or changed since the
    manifest was made, `StorageError` otherwise; a second call goes on where one was cut off.
    """
    bucket_name, prefix = check_target(target, source_uri)
    origins = {"": (images, source_uri), **{f"{name}/": part for name, part in (parts or {}).items()}}
    for _, uri in origins.values():
        check_target(target, uri)
    folder = f"{prefix}/{manifest.digest}" if prefix else manifest.digest
    items = _items(manifest, images, labels)
    stop = threading.Event()
    bucket = S3Bucket(bucket_name, workers=workers, sleep=stop.wait)
    try:
        job = _BackupJob(
            bucket=bucket, folder=folder, stop=stop, meter=Meter(on_progress, clock=time.monotonic)
        )
        if job.is_done(manifest.digest):
            return Backup(uri=job.uri, copied=0, uploaded=0, already=True)
        for start, (place, uri) in origins.items():
            items = _with_origins(items, start, place, uri)
        kept = job.run(items, workers=workers)
        job.finish(manifest)
    finally:
        bucket.close()
    return Backup(
        uri=job.uri,
        copied=sum(one.how == "copied" for one in kept),
        uploaded=sum(one.how == "uploaded" for one in kept),
        already=False,
    )


def _items(manifest: DatasetManifest, images: Path, labels: Mapping[str, Path]) -> list[Item]:
    """Every file of the manifest once, with its place on this machine."""
    items: dict[str, Item] = {}
    for entry in manifest.entries:
        path = images / entry.path if entry.kind == IMAGE else labels.get(entry.path) or labels[entry.split]
        items[entry.path] = Item(entry.path, path, entry.size_bytes, entry.sha256)
    outside = [name for name in items if name.startswith("../") or Path(name).is_absolute()]
    if outside:
        shown = ", ".join(map(repr, outside[:5]))
        raise DataError(
            f"{len(outside)} file(s) of the dataset are outside of {str(images)!r}, such as {shown}: a backup would "
            "not have all files that the labels name.",
            hint="Move them into the data folder, or train without `backup`.",
        )
    refuse(check_names([*items, MANIFEST]), where=str(images))
    return list(items.values())


def _with_origins(items: Sequence[Item], start: str, images: Path, source_uri: str) -> list[Item]:
    """`items` with the objects that they were fetched from, where the files are as they were fetched: those whose names
    begin with `start`, and are below `images` then."""
    if not is_s3_uri(source_uri):
        return list(items)
    bucket, prefix = parse_s3_uri(source_uri)
    lowest = Path(os.path.normpath(images.absolute()))
    for folder in (lowest, *lowest.parents):
        state = SyncState(folder, f"s3://{bucket}/{prefix}", kind="fetched")
        if not state.entries:
            continue
        return [
            replace(
                item,
                origin=_origin(_at(item, start, images), folder, prefix, state),
                origin_bucket=bucket,
            )
            if item.name.startswith(start)
            else item
            for item in items
        ]
    return list(items)


def _at(item: Item, start: str, images: Path) -> Item:
    """The item where its source has it, and not where a link leads there."""
    return replace(item, path=images / item.name[len(start) :]) if start else item


def _origin(item: Item, folder: Path, prefix: str, state: SyncState) -> RemoteObject | None:
    path = Path(os.path.normpath(item.path.absolute()))
    if state.archive or not path.is_relative_to(folder):
        # The files of an archive are no objects of their own.
        return None
    entry = state.entries.get(path.relative_to(folder).as_posix())
    if (
        entry is None
        or entry.size != item.size
        or not is_unchanged(entry.size, entry.etag, entry, local_file(path))
    ):
        return None
    return RemoteObject(
        key=f"{prefix}/{entry.name}" if prefix else entry.name, size=entry.size, etag=entry.etag
    )


@dataclass(frozen=True, kw_only=True)
class _BackupJob:
    """One dataset on its way to one prefix, `folder` without a closing slash."""

    bucket: S3Bucket
    folder: str
    stop: threading.Event
    meter: Meter

    @property
    def uri(self) -> str:
        """The address of the prefix."""
        return f"s3://{self.bucket.name}/{self.folder}"

    def is_done(self, digest: str) -> bool:
        """Whether the manifest is there; raises StorageError where something else has its name."""
        key = f"{self.folder}/{MANIFEST}"
        there = self.bucket.head(key)
        if there is None:
            return False
        start = b""
        for buffer in self.bucket.body(there):
            start += bytes(buffer)
            if b"\n" in start:
                break
        try:
            found = json.loads(start.partition(b"\n")[0])["digest"]
        except (ValueError, KeyError, TypeError):
            found = None
        if found != digest:
            raise StorageError(
                f"{self.uri}/{MANIFEST} is not the manifest of dataset {digest}: it says {found!r}.",
                hint="Something else wrote there: remove it, or give another `backup` prefix.",
            )
        return True

    def run(self, items: Sequence[Item], *, workers: int) -> list[Kept]:
        """Bring every item there, then look whether all are."""
        there = self._listed()
        items = [replace(item, there=there.get(item.name)) for item in items]
        self.meter.begin("transferring", files_total=len(items), bytes_total=sum(item.size for item in items))
        keeper = ItemKeeper(self.bucket, self.folder, meter=self.meter)
        kept: list[Kept] = []

        def note(result: Kept) -> None:
            kept.append(result)
            self.meter.tick()

        run_all(
            items,
            keeper,
            workers=min(workers, len(items)),
            stop=self.stop,
            on_result=note,
            on_wait=self.meter.tick,
        )
        self._verify(kept)
        return kept

    def finish(self, manifest: DatasetManifest) -> None:
        """Write the manifest: from now on the backup counts as whole."""
        with tempfile.TemporaryDirectory() as made:
            path = Path(made) / MANIFEST
            write_manifest(manifest, path)
            ItemKeeper(self.bucket, self.folder, meter=Meter(None, clock=time.monotonic)).upload(
                Item(MANIFEST, path, path.stat().st_size, "")
            )
        self.meter.tick(now=True)

    def _verify(self, kept: Sequence[Kept]) -> None:
        """Compare a fresh listing with what was sent: names, sizes, ETags."""
        there = self._listed()
        wrong = []
        for one in kept:
            found = there.get(one.item.name)
            if found is None or (found.size, found.etag) != (one.item.size, one.etag):
                seen = f"{found.size} bytes, ETag {found.etag!r}" if found else "nothing"
                wrong.append(
                    f"    {one.item.name!r}: {one.item.size} bytes, ETag {one.etag!r} sent, {seen} there"
                )
        if wrong:
            more = f"\n    and {len(wrong) - 10} more" if len(wrong) > 10 else ""
            raise StorageError(
                f"{len(wrong)} file(s) below {self.uri} are not what was stored there:\n"
                + "\n".join(wrong[:10])
                + more,
                hint="Does something else write there? Run the command again: it continues from here.",
            )

    def _listed(self) -> dict[str, RemoteObject]:
        below = f"{self.folder}/"
        return {remote.key[len(below) :]: remote for remote in self.bucket.objects(below)}
