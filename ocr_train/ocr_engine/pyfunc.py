"""The model as MLflow serves it: base64 images in, boxes or texts out, an error for a row that is none.

MLflow calls `_load_pyfunc` with the folder of exported models (`det/`, `rec/` or `cls/`, or `det/` and `rec/` for
both together), in an environment that has what the model's requirements.txt names, and this package on its path.
Nothing is unpickled.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .images import ImageError, decode_image

IMAGE = "image"
"""The one input column."""
MAX_IMAGE_BYTES = 50_000_000
MAX_PIXELS = 100_000_000
"""Larger ones are an error of their row: they would take the memory of all others (OpenCV's own limit is 2^30)."""
OUTPUTS: dict[str, dict[str, Any]] = {
    "det": {"boxes": [], "scores": []},
    "rec": {"text": "", "score": 0.0},
    "cls": {"label": "", "score": 0.0},
    "det+rec": {"lines": []},
}
"""The output columns of each task, with what stands in a row that has an error."""
_DATA_URI = re.compile(r"data:[\w.+/-]*(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")


def _load_pyfunc(path: str) -> OcrModel:
    """The model in the folder `path`, ready to predict: MLflow's hook."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))  # read when cv2 is first loaded
    found = {folder.name: folder for folder in sorted(Path(path).iterdir()) if folder.is_dir()}
    readers = {task: _engine(folder) for task, folder in found.items() if task in OUTPUTS}
    if not readers:
        raise FileNotFoundError(f"no exported model in {path!r}: det/, rec/ or cls/")
    if {"det", "rec"} <= set(readers):
        from .lines import Reader

        return OcrModel("det+rec", Reader(readers["det"], readers["rec"]))
    return OcrModel(*readers.popitem())


def _engine(folder: Path) -> Any:
    from .model import open_exported

    own = folder / "paddleocr"
    return open_exported(folder, str(own) if own.is_dir() else "")


class OcrModel:
    """Answers a table with a column `image`; `reader` is what has `read(images)`."""

    def __init__(self, task: str, reader: Any) -> None:
        self.task = task
        self._reader = reader
        self._lock = threading.Lock()  # requests come in several threads; a Paddle predictor serves one

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """A pandas table with the columns of `OUTPUTS` and `error` ("" where all is well), one row an image."""
        import pandas

        values = _column(model_input)
        upright = not getattr(self._reader, "ignore_orientation", False)
        decoded = [picture_of(value, ignore_orientation=not upright) for value in values]
        good = [image for image, _ in decoded if image is not None]
        with self._lock:
            answers = iter(self._reader.read(good) if good else ())
        rows = [
            self._row(next(answers) if image is not None else {"error": error}) for image, error in decoded
        ]
        return pandas.DataFrame(rows, columns=[*OUTPUTS[self.task], "error"])

    def _row(self, answer: dict[str, Any]) -> dict[str, Any]:
        row = {key: answer.get(key, nothing) for key, nothing in OUTPUTS[self.task].items()}
        return {**row, "error": answer.get("error") or ""}


def _column(model_input: Any) -> Sequence[Any]:
    """The images of a table, of one row as a mapping, or of a plain list."""
    columns = getattr(model_input, "columns", None)
    if isinstance(model_input, dict) or columns is not None:
        if IMAGE not in model_input:
            raise ValueError(f"the input has no column {IMAGE!r}")
        model_input = model_input[IMAGE]
    if isinstance(model_input, (str, bytes)):
        return [model_input]
    return list(model_input)


def picture_of(value: Any, *, ignore_orientation: bool = False) -> tuple[Any, str]:
    """The BGR picture (HxWx3, uint8) of a base64 text or data URI, or None and what is wrong.

    A picture's bytes as they are will do, too. File names and addresses are never followed.
    """
    try:
        return decode_image(_limited(_bytes_of(value)), ignore_orientation=ignore_orientation), ""
    except ImageError as exc:
        return None, str(exc)


def _limited(data: bytes) -> bytes:
    if not data:
        raise ImageError("the image is empty")
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageError(f"the image has {len(data)} bytes; at most {MAX_IMAGE_BYTES} are read")
    return data


def _bytes_of(value: Any) -> bytes:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # NaN: a missing value in tables
        raise ImageError("the row has no image: give the base64 text of an image file")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if not isinstance(value, str):
        raise ImageError(f"the image is a {type(value).__name__}, not a base64 text")
    head = _DATA_URI.match(value)
    if value[:5].lower() == "data:" and head is None:
        raise ImageError("a data URI must be of the form data:image/png;base64,...")
    text = "".join(value[head.end() if head else 0 :].split()).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        start = value[:30] + ("..." if len(value) > 30 else "")
        raise ImageError(f"not base64: {start!r}; file names and addresses are not read") from exc
