"""What runs an exported network where it is served: onnxruntime where model.onnx was checked, else Paddle."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .documents import read_json
from .errors import EngineError
from .files import open_regular

if TYPE_CHECKING:
    from .model import Engine

BACKEND = "OCR_SERVE_BACKEND"
CHOICES = ("auto", "onnx", "paddle")
_BLOCK = 1 << 20


def backend_from(environ: Mapping[str, str] = os.environ) -> str:
    """Which one the environment asks for: auto, onnx or paddle; raises `ValueError` for anything else."""
    asked = environ.get(BACKEND, "").strip().lower() or CHOICES[0]
    if asked not in CHOICES:
        raise ValueError(f"{BACKEND}={asked!r} is none of {', '.join(CHOICES)}")
    return asked


def open_served(
    folder: Path, root: str = "", *, backend: str = "auto", threads: int = 0
) -> tuple[Engine, str]:
    """The exported model in `folder`, and in a sentence what runs it.

    auto takes onnxruntime where it is installed and `unchecked_onnx` has nothing to say, else Paddle; `threads`
    are onnxruntime's. Raises `EngineError` where the one that was asked for cannot be used.
    """
    from .model import open_exported, open_onnx

    if backend == "onnx":
        return open_onnx(folder, root, threads=threads), f"onnxruntime reads, because {BACKEND} asks for it"
    why = f"{BACKEND} asks for it" if backend == "paddle" else _why_paddle(folder)
    if not why:
        try:
            return (
                open_onnx(folder, root, threads=threads),
                "onnxruntime reads: model.onnx agreed with the checkpoint when it was exported",
            )
        except EngineError as exc:
            why = str(exc)
    return open_exported(folder, root), f"Paddle reads, because {why}"


def _why_paddle(folder: Path) -> str:
    why = unchecked_onnx(folder)
    if not why and importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed"
    return why


def unchecked_onnx(folder: Path) -> str:
    """Why model.onnx of an exported folder must not answer by itself; "" where it may.

    It may where the export has read images with it and with the checkpoint and all answers agreed (`checked` of
    model.json), and it is that very file (`files` has its SHA-256).
    """
    path = folder / "model.onnx"
    if not path.is_file():
        return "there is no model.onnx"
    try:
        document = read_json(folder / "model.json")
        said, recorded = document["checked"]["onnx"], document["files"][path.name]
        agreed = said["images"] > 0 and said["differences"] == 0
    except (OSError, ValueError, KeyError, TypeError):
        return "model.json does not say that model.onnx was checked"
    if not agreed:
        return "model.onnx did not agree with the checkpoint"
    return "" if _sha256(path) == recorded else "model.onnx is not the file that was checked"


def _sha256(path: Path) -> str:
    found: Any = hashlib.sha256()
    with open_regular(path) as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return str(found.hexdigest())
