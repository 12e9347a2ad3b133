"""Writing a file so that it is there whole or not at all.

It is written under another name beside its place and renamed when it is whole. Whoever reads it meanwhile has the old
one. A failure, a full disk too, leaves the old one and removes what was begun. What a killed process has left of a
file is removed by the next one that writes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

_NAME_CHARACTERS = 60
"""So much of the name goes into the name of the part: 255 bytes are the limit, and a character takes up to 4."""
_PART = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d{1,10})\.part", re.DOTALL)
LEFT_AFTER_S = 3600.0
"""A part that was written to since may belong to a process of another machine or container, whose id says nothing
here."""


@contextmanager
def whole_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Where to write what becomes `path` at the end of the block; nothing changes where the block raises.

    The folder must be there. `private`: only its owner may read the file, from its first byte on.
    Raises `OSError`.
    """
    name = path.name[-_NAME_CHARACTERS:]
    _remove_leftovers(path.parent, name)
    part = path.with_name(f".{name}.{os.getpid()}.part")
    # One of a killed process that had our id: a private file would have its permissions.
    part.unlink(missing_ok=True)
    try:
        if private:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield part
        part.replace(path)
    finally:
        # After a success, too: renaming a hard link to the file that is there already does nothing.
        part.unlink(missing_ok=True)


def _remove_leftovers(folder: Path, name: str) -> None:
    """Remove parts of the file `name` that were left by processes which are gone."""
    for part, pid in _parts_found(folder):
        if part.name != f".{name}.{pid}.part":
            continue
        import psutil

        # Removing them is a courtesy: the file is written all the same.
        with contextlib.suppress(OSError):
            old = time.time() - part.stat().st_mtime > LEFT_AFTER_S
            if old and not psutil.pid_exists(pid):
                part.unlink()


@lru_cache(maxsize=1024)
def _parts_found(folder: Path) -> Sequence[tuple[Path, int]]:
    """The parts in `folder`, with the ids of their processes, as this process saw them at first: a folder that takes
    thousands of files is read once."""
    with contextlib.suppress(OSError):
        matches = [(path, _PART.fullmatch(path.name)) for path in folder.iterdir()]
        return [(path, int(match["pid"])) for path, match in matches if match]
    return ()


def write_bytes(path: Path, data: bytes) -> None:
    """Write `path` and make its folder; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Write `path` in UTF-8 and make its folder; `private`: for its owner alone. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, private=private) as part:
        part.write_bytes(text.encode())
