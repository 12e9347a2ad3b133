"""Label files of table models: JSON lines with the keys `filename` and `html`, and where PubTabNet keeps their images.

Source: ppocr/data/pubtab_dataset.py, which opens `data_dir` / `filename`. A line is an `ocr_train.data.labels.TableLine`;
`ocr_train.data.table_files` makes of the files what a training takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ocr_train.data.files.image_files import is_file

SUFFIX = ".jsonl"
FOLDERS = ("", "train", "val", "test", "images")
"""Where the images may lie, below the folder that names are relative to."""


def count_found(folder: Path, names: Sequence[str]) -> int:
    """How many of the images `names` lie in `folder`."""
    return sum(is_file(folder / name) for name in names)
