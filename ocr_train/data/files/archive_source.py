"""A local archive as `data`: unpacked once into the cache, used from there.

The folder's name holds the archive's path, size and time of change, so that an archive that was replaced is
unpacked anew and the same one never again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ocr_train.data.files.image_files import safe_name
from ocr_train.data.files.system_files import is_system_file
from ocr_train.errors import DataError, StorageError
from ocr_train.storage import archive as storage_archive
from ocr_train.storage.local import exclusive, storage_errors


def is_archive_path(path: Path) -> bool:
    """Whether `path` is meant as an archive: by its name, unless it is a folder. It need not exist.

    Raises `ConfigError` for a file that is an archive of a kind that is not read.
    """
    if path.is_file():
        storage_archive.refuse_unread(path.name, str(path))
    return storage_archive.is_archive(path.name) and not path.is_dir()


def unpack_once(
    archive: Path, cache: Path, *, limit_bytes: int = storage_archive.DEFAULT_LIMIT_BYTES
) -> Path:
    """The data folder of `archive` (.tar, .tar.gz, .tar.xz, .zip), extracted below `cache` where it is not yet.

    Where the archive holds one folder and nothing else, that is the data folder. Extracting is whole or not at
    all: after an interruption it starts again. Two processes may ask at once, the second waits.

    Raises `DataError` where there is no such file, `StorageError` for an archive that is broken, refused, beyond
    `limit_bytes` or changed meanwhile, `SetupError` where the disk is too small.
    """
    archive = archive.expanduser().absolute()
    folder = cache / unpacked_name(archive)
    if not folder.is_dir():
        with exclusive(cache) as parts:
            if not folder.is_dir():
                _unpack(archive, folder, parts, limit_bytes)
    return _data_folder(folder)


def unpacked_name(archive: Path) -> str:
    """The name of the folder of `archive` in a cache: another one where it was replaced. Raises `DataError`."""
    status = _status(archive)
    identity = f"{archive.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{safe_name(archive.name.partition('.')[0])}-{digest}"


def _status(archive: Path) -> os.stat_result:
    try:
        return archive.stat()
    except OSError as exc:
        raise DataError(
            f"data: {str(archive)!r} cannot be read: {exc.strerror}.",
            hint="Give a folder, an archive (.tar, .tar.gz, .tar.xz, .zip) or s3://bucket/prefix.",
        ) from exc


def _unpack(archive: Path, folder: Path, parts: Path, limit_bytes: int) -> None:
    """Extract beside, then rename: a folder with the final name is always whole."""
    tree, members = parts / "tree", parts / "members"
    with storage_errors(parts):
        tree.mkdir()
        members.mkdir()
    storage_archive.extract_archive(archive, tree, parts=members, limit_bytes=limit_bytes)
    if unpacked_name(archive) != folder.name:
        raise StorageError(
            f"{str(archive)!r} changed while it was being extracted.",
            hint="Run the command again once it is complete.",
        )
    with storage_errors(folder):
        tree.replace(folder)


def _data_folder(folder: Path) -> Path:
    """The one folder in `folder`, or `folder` itself where more lies beside it."""
    with storage_errors(folder):
        inside = [path for path in folder.iterdir() if not is_system_file(path.name)]
    only = inside[0] if len(inside) == 1 else folder
    return only if only.is_dir() else folder
