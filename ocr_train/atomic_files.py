"""Writing a file so that it is there whole or not at all.

It is written under another name beside its place and renamed when it is whole. Whoever reads it meanwhile has the old
one. A failure, a full disk too, leaves the old one and removes what was begun.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME_CHARACTERS = 60
"""So much of the name goes into the name of the part: 255 bytes are the limit, and a character takes up to 4."""


@contextmanager
def whole_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Where to write what becomes `path` at the end of the block; nothing changes where the block raises.

    The folder must be there. `private`: only its owner may read the file, from its first byte on.
    Raises `OSError`.
    """
    part = path.with_name(f".{path.name[-_NAME_CHARACTERS:]}.{os.getpid()}.part")
    try:
        if private:
            # A file that is there already would keep its permissions.
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield part
        part.replace(path)
    finally:
        # After a success, too: renaming a hard link to the file that is there already does nothing.
        part.unlink(missing_ok=True)


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
