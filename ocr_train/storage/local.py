"""The local side of a transfer: what is there, writing whole files, and one transfer a folder at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.errors import SetupError, StorageError
from ocr_train.storage.keys import PRIVATE_FOLDER, KeyProblem

_READ_BYTES = 1024 * 1024
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A path's own state, links not followed."""

    size: int
    mtime_ns: int
    regular: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written: `md5` in hexadecimal digits."""

    size: int
    md5: str
    mtime_ns: int


def cache_folder() -> Path:
    """Where we keep what speeds up a later call: OCR_TRAIN_CACHE, else `ocr-train` in the user's cache folder."""
    if own := os.environ.get("OCR_TRAIN_CACHE", ""):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "ocr-train"


def local_file(path: Path | str) -> LocalFile | None:
    """The file, link or folder at `path`, None where there is nothing."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return LocalFile(found.st_size, found.st_mtime_ns, stat.S_ISREG(found.st_mode))


def place_problems(folder: Path, names: Iterable[str]) -> list[KeyProblem]:
    """Names that would leave the folder through a link, or where a file or folder is in the way."""
    reasons: dict[str, str] = {"": ""}
    problems = []
    base = str(folder)
    for name in names:
        reason = _parent_reason(base, name.rpartition("/")[0], reasons)
        if not reason and stat.S_ISDIR(_mode(f"{base}/{name}")):
            reason = "a folder of that name is in the way"
        if reason:
            problems.append(KeyProblem(name=name, reason=reason))
    return problems


def _parent_reason(base: str, parent: str, reasons: dict[str, str]) -> str:
    """Why nothing may be written below `parent`; answers are kept in `reasons`."""
    if parent not in reasons:
        reason = _parent_reason(base, parent.rpartition("/")[0], reasons)
        mode = 0 if reason else _mode(f"{base}/{parent}")
        if stat.S_ISLNK(mode):
            reason = f"its folder {parent!r} is a symbolic link"
        elif mode and not stat.S_ISDIR(mode):
            reason = f"its folder {parent!r} is a file"
        reasons[parent] = reason
    return reasons[parent]


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def make_parents(folder: Path, names: Iterable[str]) -> None:
    """Make the folders of these names."""
    for parent in {name.rpartition("/")[0] for name in names}:
        with storage_errors(folder / parent):
            (folder / parent).mkdir(parents=True, exist_ok=True)


def require_space(folder: Path, size_bytes: int) -> None:
    """Raise SetupError where the folder's disk has less than `size_bytes` left."""
    free = shutil.disk_usage(folder).free
    if size_bytes > free:
        raise SetupError(
            f"{str(folder)!r} needs {size_bytes / 1e9:.2f} GB more, its disk has {free / 1e9:.2f} GB free.",
            hint="Free some space, or choose a folder on another disk.",
        )


def write_part(part: Path | str, buffers: Iterable[Any]) -> Written:
    """Write `buffers` to a new file, hashed on the way; the caller checks it and moves it to its place."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        for buffer in buffers:
            view = memoryview(buffer)
            digest.update(view)
            size += len(view)
            while view:
                view = view[file.write(view) :]
        mtime_ns = os.fstat(file.fileno()).st_mtime_ns
    return Written(size, digest.hexdigest(), mtime_ns)


def md5_of(path: Path | str) -> str:
    """The MD5 of a file's content."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - may be a str, see local_file()
        while buffer := file.read(_READ_BYTES):
            digest.update(buffer)
    return digest.hexdigest()


def looks_like_md5(etag: str) -> bool:
    """Whether an ETag may be the MD5 of the body: that of an object sent in parts never is."""
    return _MD5.fullmatch(etag) is not None


def multipart_md5_of(path: Path, part_bytes: int) -> str:
    """The ETag of an object sent in parts of this size: the MD5 of the parts' MD5s, and their number."""
    digests = []
    with path.open("rb") as file:
        while part := file.read(part_bytes):
            digests.append(hashlib.md5(part, usedforsecurity=False).digest())
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


@contextlib.contextmanager
def storage_errors(path: Path | str) -> Iterator[None]:
    """Turn an OSError about a path into a StorageError that names it."""
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"{str(exc.filename or path)!r}: {exc.strerror or exc}.",
            hint="Check the disk and its permissions.",
        ) from exc


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[Path]:
    """Hold the folder for one transfer; yields an empty folder for files in the making, gone afterwards.

    A second transfer into the same folder waits for the first. What a killed one left is removed.
    """
    private = folder / PRIVATE_FOLDER
    with storage_errors(private):
        private.mkdir(parents=True, exist_ok=True)
        if private.is_symlink():
            raise StorageError(f"{str(private)!r} is a symbolic link.", hint="Remove the link.")
        lock = (private / "lock").open("a")
    with lock:
        # Windows, or a network disk without locks.
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        parts = private / "parts"
        with storage_errors(parts):
            _remove(parts)
            parts.mkdir()
        try:
            with storage_errors(folder):
                yield parts
        finally:
            _remove(parts)


def _remove(parts: Path) -> None:
    if parts.is_symlink() or parts.is_file():
        parts.unlink()
    elif parts.exists():
        shutil.rmtree(parts)
