"""What operating systems and tools put beside a person's files: no label, no image and no sign of a format.

macOS copies to other disks and into archives with a file of its attributes beside each (`._0.json`: AppleDouble), Windows
leaves the state of its folder views, network storage keeps thumbnails, Jupyter copies of what was edited.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_NAMES = frozenset(
    {
        *("__macosx", "icon\r"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("@eadir", "#recycle", "lost+found"),
    }
)
"""In lower case."""


def is_system_file(name: str) -> bool:
    """Whether a file or folder of this name is a system's or a tool's own: it begins with a dot (`._0.jpg`, `.DS_Store`,
    `.ipynb_checkpoints`) or has a name that macOS, Windows or network storage use. A path that a label names counts
    all the same: this is for files that are found by looking."""
    return name.startswith(".") or name.lower() in _NAMES


def walk_files(folder: Path, *, into: Callable[[Path], bool] = lambda _: True) -> Iterator[Path]:
    """All files below `folder` that are a person's, each folder's own first and in the order of their names; of the
    folders below those that `into` is true for."""
    for place, folders, files in os.walk(folder):
        kept = (name for name in folders if not is_system_file(name))
        folders[:] = sorted(name for name in kept if into(Path(place) / name))
        yield from (Path(place) / name for name in sorted(files) if not is_system_file(name))
