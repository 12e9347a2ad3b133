"""The newest predictions for a run's fixed validation images, from the artifacts `samples/`.

`samples/latest.json` is {"path": "samples/step_00000120"}; that folder has `samples.json`: {"step", "task", "seed",
"images": [{"name", "picture", "truth", "prediction", and numbers such as "recall" or "edit_distance"}]}, and the
pictures. Pictures come from outside: they are decoded and written anew, smaller.
"""

from __future__ import annotations

import io
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_train.compare.values import Picture, RunSamples
from ocr_train.errors import OcrTrainError
from ocr_train.ocr_engine.documents import read_json
from ocr_train.tracking.artifacts import Artifacts

ROOT = "samples"
LATEST = f"{ROOT}/latest.json"
MAX_SIDE_PX = 480
MAX_BYTES = 20_000_000
"""A larger artifact is not one of our pictures."""
_STEP_FOLDER = re.compile(rf"{ROOT}/step_\d+")
_FILE_NAME = re.compile(r"[\w\-]+\.(?:png|jpe?g)", re.IGNORECASE | re.ASCII)
_NONE = "this run has no sample pictures: it was trained without them."


def read_run_samples(artifacts: Artifacts, *, most: int) -> RunSamples:
    """The newest samples, `most` pictures at most; what is missing or damaged is named in `problem`."""
    with tempfile.TemporaryDirectory() as parent:
        scratch = Path(parent)
        try:
            if LATEST not in artifacts.list(ROOT):
                return RunSamples(problem=_NONE)
            folder = str(_json(artifacts, LATEST, scratch).get("path", "")).rstrip("/")
            if not _STEP_FOLDER.fullmatch(folder):
                return RunSamples(problem=f"{LATEST} does not name a folder of samples.")
            document = _json(artifacts, f"{folder}/samples.json", scratch)
            entries = [entry for entry in document.get("images", ()) if isinstance(entry, dict)]
            sizes = artifacts.list(folder)
            pictures = [_picture(artifacts, folder, entry, sizes, scratch) for entry in entries[:most]]
            step = document.get("step", 0)
            return RunSamples(
                step=step if isinstance(step, int) else 0,
                pictures=tuple(pictures),
                problem="" if pictures else "its samples have no picture.",
            )
        except (OcrTrainError, OSError, ValueError, TypeError) as exc:
            return RunSamples(problem=f"its samples cannot be read: {exc}")


def _json(artifacts: Artifacts, path: str, scratch: Path) -> dict[str, Any]:
    document = read_json(artifacts.download(path, scratch))
    if not isinstance(document, dict):
        raise TypeError(f"{path} is not a JSON object")
    return document


def _picture(
    artifacts: Artifacts, folder: str, entry: Mapping[str, Any], sizes: Mapping[str, int], scratch: Path
) -> Picture:
    name = str(entry.get("picture", ""))
    path = f"{folder}/{name}"
    image = b""
    if _FILE_NAME.fullmatch(name) and path in sizes and sizes[path] <= MAX_BYTES:
        image = _smaller(artifacts.download(path, scratch))
    return Picture(
        name=str(entry.get("name", name)),
        image=image,
        truth=_in_words(entry.get("truth")),
        prediction=_in_words(entry.get("prediction")),
        text=isinstance(entry.get("truth"), str) and isinstance(entry.get("prediction"), str),
        scores={
            key: float(value)
            for key, value in entry.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        },
    )


def _in_words(value: object) -> str:
    """A truth or prediction for people: a text, or how many boxes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"{len(value)} boxes" if len(value) != 1 else "1 box"
    return "" if value is None else str(value)


def _smaller(path: Path) -> bytes:
    """The picture with its longer side at most MAX_SIDE_PX: a JPEG, nothing where it is none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # A decompression bomb is only a warning at first.
            warnings.simplefilter("error")
            with Image.open(path, formats=("PNG", "JPEG")) as picture:
                small = picture.convert("RGB")
        small.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
        data = io.BytesIO()
        small.save(data, "JPEG", quality=85)
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return b""
    return data.getvalue()
