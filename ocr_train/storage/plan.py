"""What a fetch has to do, decided from what is known, without touching anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ocr_train.storage.local import LocalFile
from ocr_train.storage.s3 import RemoteObject
from ocr_train.storage.state import TransferredFile

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Task:
    """One object to fetch as the file `name`; with `compare` the local file may already have its content."""

    name: str
    wanted: RemoteObject
    compare: bool


@dataclass(frozen=True, kw_only=True)
class TransferPlan:
    """The tasks, how many files need none, and how many bytes the tasks may have to transfer."""

    tasks: tuple[Task, ...]
    skipped: int
    size_bytes: int


def looks_like_md5(etag: str) -> bool:
    """Whether an ETag may be the MD5 of the body: that of an object sent in parts never is."""
    return _MD5.fullmatch(etag) is not None


def is_unchanged(size: int, etag: str, entry: TransferredFile | None, local: LocalFile | None) -> bool:
    """Whether object, manifest and local file agree: size and ETag, and the file's size and mtime."""
    return (
        entry is not None
        and local is not None
        and local.regular
        and (entry.size, entry.etag) == (size, etag)
        and (local.size, local.mtime_ns) == (size, entry.mtime_ns)
    )


def plan_fetch(
    wanted: Mapping[str, RemoteObject],
    known: Mapping[str, TransferredFile],
    local: Callable[[str], LocalFile | None],
    *,
    rehash: bool,
) -> TransferPlan:
    """Skip what is unchanged (nothing with `rehash`), compare what may be the same, fetch the rest; `local`
    says what is there under a name."""
    tasks = []
    for name, remote in wanted.items():
        there = local(name)
        if not rehash and is_unchanged(remote.size, remote.etag, known.get(name), there):
            continue
        same_size = there is not None and there.regular and there.size == remote.size
        tasks.append(Task(name, remote, compare=same_size and looks_like_md5(remote.etag)))
    return TransferPlan(
        tasks=tuple(tasks),
        skipped=len(wanted) - len(tasks),
        size_bytes=sum(task.wanted.size for task in tasks),
    )
