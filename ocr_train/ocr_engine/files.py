"""Files from elsewhere: only regular ones are opened, so that a pipe or a device never keeps anybody waiting."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | Path) -> BinaryIO:
    """The file `path` to read, as bytes; raises `OSError` where it cannot be opened or is not a regular file.

    A pipe, a socket, a terminal or a device would block whoever opens or reads it: none is ever waited for.
    """
    number = os.open(path, _FLAGS)
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(number, "rb")
    os.close(number)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_ends(path: str, head_bytes: int, tail_bytes: int) -> tuple[int, bytes, bytes] | None:
    """The size of the regular file `path`, its first and its last bytes; None where it is none, or cannot be read.

    Four calls of the system and no object for the file, since a million files are asked.
    """
    try:
        number = os.open(path, _FLAGS)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            return None
        size = found.st_size
        head = _read_exactly(number, min(size, head_bytes))
        if size <= head_bytes:
            return size, head, head[-tail_bytes:]
        os.lseek(number, size - tail_bytes, os.SEEK_SET)
        return size, head, _read_exactly(number, tail_bytes)
    except OSError:
        return None
    finally:
        os.close(number)


def _read_exactly(number: int, count: int) -> bytes:
    """So many bytes of an open file; a network's file system may give fewer at a time. Raises `OSError` at the file's end."""
    data = os.read(number, count)
    while len(data) < count:
        more = os.read(number, count - len(data))
        if not more:
            raise OSError(errno.EIO, "it became shorter while it was read")
        data += more
    return data


def read_regular(path: str | Path, limit: int = 0) -> bytes:
    """All of the regular file `path`; raises `OSError`, also where it has more than `limit` bytes (0: any)."""
    with open_regular(path) as stream:
        if limit and os.fstat(stream.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", str(path))
        return stream.read()
