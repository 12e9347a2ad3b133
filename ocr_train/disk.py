"""Files on a disk: their sums, whether the next checkpoints will fit, and whether an error says that they did not."""

from __future__ import annotations

import errno
import hashlib
import shutil
from pathlib import Path
from typing import BinaryIO

from ocr_train.errors import SetupError, StorageError

UNKNOWN_BYTES = 1 << 30
"""What must be free where nothing is known about the size of a checkpoint."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BLOCK_BYTES = 1 << 20
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def free_bytes(folder: Path) -> int:
    """What may still be written below `folder` or, where it does not exist yet, above it."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def folder_size(folder: Path) -> int:
    """The bytes of all files below `folder`; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file as hexadecimal text; raises `OSError`."""
    with path.open("rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: BinaryIO) -> str:
    """The SHA-256 of what is left to read, in blocks: memory does not grow with the file."""
    total = hashlib.sha256()
    while block := stream.read(_BLOCK_BYTES):
        total.update(block)
    return total.hexdigest()


def is_full(exc: BaseException) -> bool:
    """Whether the error says that a disk, a quota or a file's limit is full."""
    return isinstance(exc, OSError) and exc.errno in FULL


def refused(exc: OSError, what: str = "") -> StorageError:
    """What the file system reported, as an error that names the path, and what to do."""
    where = repr(str(exc.filename)) if exc.filename is not None else "a file"
    hint = (
        "Free some space there, or choose another disk with --output (or OCR_TRAIN_OUTPUT)."
        if is_full(exc)
        else "Check the path, its permissions and the free space."
    )
    return StorageError(f"{what or where} cannot be used: {exc.strerror or exc}.", hint=hint)


def require_room(folder: Path, checkpoint_bytes: int) -> None:
    """Raise `SetupError` where two checkpoints of this size do not fit; 0 bytes: the size is not known."""
    needed = 2 * checkpoint_bytes or UNKNOWN_BYTES
    free = free_bytes(folder)
    if free >= needed:
        return
    why = (
        f"two checkpoints of {human(checkpoint_bytes)} each"
        if checkpoint_bytes
        else f"checkpoints of a size not known yet, for which {human(needed)} must be free"
    )
    raise SetupError(
        f"{folder} has {human(free)} free, and training writes {why}.",
        hint="Free some space there, or choose another disk with --output (or OCR_TRAIN_OUTPUT).",
    )


def human(size: float) -> str:
    """A size as people read it: 12.3 MB."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
