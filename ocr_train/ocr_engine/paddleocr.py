"""Where PaddleOCR's `ppocr` is, and how it becomes importable."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from .errors import EngineError

PACKAGES = ("unstructured_paddleocr", "paddleocr")
"""Installed packages that carry PaddleOCR's `ppocr` inside."""


def find_ppocr(root: str) -> Path:
    """The folder `ppocr` in `root`, else the one that this interpreter has: on its path or inside a package.

    Nothing is imported. Raises `EngineError` where there is none.
    """
    if root:
        found = Path(root) / "ppocr"
    else:
        found = _importable("ppocr") or next(
            (folder / "ppocr" for folder in map(_importable, PACKAGES) if folder and _is_whole(folder)),
            Path(),
        )
    if found == Path() or not found.is_dir():
        raise EngineError(
            "there is no PaddleOCR (ppocr) in {}".format(repr(root) if root else "this interpreter"),
            "Name one that you trust with --paddleocr FOLDER, or an interpreter that has it with --trainer-python.",
        )
    return found


def _importable(package: str) -> Path | None:
    # It finds a package without importing it.
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations or []) if spec else []
    return next((Path(place) for place in places), None)


def _is_whole(folder: Path) -> bool:
    return (folder / "ppocr" / "modeling").is_dir()


def put_on_path(root: str) -> str:
    """Make `ppocr` importable, and say from which folder. Raises `EngineError` where there is none."""
    # Else albumentations asks the network for a newer version when it is imported.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    home = str(find_ppocr(root).parent)
    if home not in sys.path:
        sys.path.insert(0, home)
    return home
