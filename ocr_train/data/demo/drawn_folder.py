"""A folder that we draw into: marked as ours by a file that says what was asked for, so that it may be drawn again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_text
from ocr_train.errors import DataError


def make_room(folder: Path, marker: str, names: Sequence[str], document: Mapping[str, Any]) -> None:
    """Remove `names` (label files and folders of images) from `folder`, label files first, and write the file `marker` with
    `document`. Raises `DataError`, and changes nothing, where the folder has any of them and no marker of ours."""
    found = [name for name in names if (folder / name).exists()]
    if not (folder / marker).is_file() and (found or (folder.exists() and not folder.is_dir())):
        raise DataError(
            f"{folder}: there is data that was not drawn by this command ({', '.join(found) or 'it is a file'});"
            " it was not changed.",
            hint="Name an empty or a new folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(found, key=lambda name: (folder / name).is_dir()):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink()
    write_text(folder / marker, json.dumps(document, ensure_ascii=False) + "\n")
