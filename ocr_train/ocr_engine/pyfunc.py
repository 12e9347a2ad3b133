"""The model as MLflow serves it: base64 images in, boxes or texts out, an error for a row that is none.

MLflow calls `_load_pyfunc` with the folder of exported models (`det/`, `rec/` or `cls/`, or `det/` and `rec/` for
both together), in an environment that has what the model's requirements.txt names, and this package on its path.
Nothing is unpickled.
"""

from __future__ import annotations

import base64
import binascii
import logging
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .backend import backend_from, open_served
from .errors import reason
from .images import ImageError, decode_image, read_image_size
from .limits import Limits, Turns, limits_from
from .networks import threads_from

IMAGE = "image"
"""The one input column."""
GROUP_PIXELS = 16_000_000
"""Images are decoded and read in groups of at most so many pixels; a larger one, or one whose header does not say
how large it is, is a group of its own. So a request takes the memory of one group, however many rows it has."""
OUTPUTS: dict[str, dict[str, Any]] = {
    "det": {"boxes": [], "scores": []},
    "rec": {"text": "", "score": 0.0},
    "cls": {"label": "", "score": 0.0},
    "det+rec": {"lines": []},
}
"""The output columns of each task, with what stands in a row that has an error."""
_DATA_URI = re.compile(r"data:[\w.+/-]*(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")
# Below MLflow's own logger, so that the server's log has it.
_LOG = logging.getLogger("mlflow.ocr_engine")


def _load_pyfunc(path: str) -> OcrModel:
    """The model in the folder `path`, ready to predict: MLflow's hook."""
    limits = limits_from(os.environ)
    # OpenCV reads it when it is first loaded; it knows every format.
    if limits.max_image_pixels:
        os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(limits.max_image_pixels))
    found = {folder.name: folder for folder in sorted(Path(path).iterdir()) if folder.is_dir()}
    # Before the first part is opened: Paddle, which comes with PaddleOCR's transforms, changes the variable.
    threads = threads_from(os.environ)
    readers = {task: _engine(folder, limits, threads) for task, folder in found.items() if task in OUTPUTS}
    if not readers:
        raise FileNotFoundError(f"no exported model in {path!r}: det/, rec/ or cls/")
    if {"det", "rec"} <= set(readers):
        from .lines import Reader

        return OcrModel("det+rec", Reader(readers["det"], readers["rec"]), limits)
    return OcrModel(*readers.popitem(), limits)


def _engine(folder: Path, limits: Limits, threads: int) -> Any:
    own = folder / "paddleocr"
    engine, sentence = open_served(
        folder, str(own) if own.is_dir() else "", backend=backend_from(os.environ), threads=threads
    )
    _LOG.info("%s: %s", folder.name, sentence)
    engine.max_pixels = limits.max_network_pixels
    return engine


class OcrModel:
    """Answers a table with a column `image`; `reader` is what has `read(images)` and perhaps a `batch_size`."""

    def __init__(self, task: str, reader: Any, limits: Limits | None = None) -> None:
        self.task = task
        self._reader = reader
        self._limits = limits or Limits()
        # Requests come in several threads; a Paddle predictor serves one.
        self._turns = Turns()
        # On a page there may be a thousand lines: of pages one is a group.
        self._group_size = 1 if task == "det+rec" else getattr(reader, "batch_size", 32)

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """A pandas table with the columns of `OUTPUTS` and `error` ("" where all is well), one row an image.

        Rows beyond a limit of the request have an error that names it; those before are answered.
        """
        import pandas

        end = time.monotonic() + self._limits.time_limit_s
        answers: dict[int, dict[str, Any]] = {}
        values = _column(model_input)
        for group in self._groups(values, answers):
            if self._limits.time_limit_s and time.monotonic() > end:
                late = f"not read: the request has taken {self._limits.time_limit_s:g} s; send fewer images at once"
                late += ", or more time: OCR_SERVE_TIME_LIMIT_S of the server"
                answers.update(
                    (number, {"error": late}) for number in range(len(values)) if number not in answers
                )
                break
            with self._turns:
                self._read(group, answers)
        rows = [self._row(answers[number]) for number in range(len(values))]
        return pandas.DataFrame(rows, columns=[*OUTPUTS[self.task], "error"])

    def _groups(
        self, values: Sequence[Any], answers: dict[int, dict[str, Any]]
    ) -> Iterator[list[tuple[int, bytes]]]:
        """The files of the images that are to be read, each with its row, some at a time; the others' errors go
        into `answers`."""
        group: list[tuple[int, bytes]] = []
        held = all_bytes = all_pixels = 0
        for number, value in enumerate(values):
            try:
                self._limits.require("max_rows", number + 1, f"it is row {number + 1} of the request")
                data = image_bytes(value, self._limits)
                pixels = _pixels(data, self._limits)
                all_bytes += len(data)
                self._limits.require(
                    "max_bytes", all_bytes, f"up to here the request has {all_bytes} bytes of images"
                )
                all_pixels += pixels or 0
                self._limits.require(
                    "max_pixels", all_pixels, f"up to here the request has {all_pixels} pixels"
                )
            except ImageError as exc:
                answers[number] = {"error": str(exc)}
                continue
            cost = pixels or GROUP_PIXELS
            if group and (len(group) >= self._group_size or held + cost > GROUP_PIXELS):
                yield group
                group, held = [], 0
            group.append((number, data))
            held += cost
        if group:
            yield group

    def _read(self, group: Sequence[tuple[int, bytes]], answers: dict[int, dict[str, Any]]) -> None:
        """Decode and read the images of a group."""
        upright = not getattr(self._reader, "ignore_orientation", False)
        pictures, numbers = [], []
        for number, data in group:
            try:
                pictures.append(decode_image(data, ignore_orientation=not upright))
                numbers.append(number)
            except (ImageError, MemoryError) as exc:
                answers[number] = {"error": str(exc) or "there is no memory for it"}
        try:
            found = self._reader.read(pictures) if pictures else []
        except Exception as exc:  # noqa: BLE001 - an image must not cost the request, nor the server
            found = [{"error": reason(exc)} for _ in pictures]
        for place, number in enumerate(numbers):
            answers[number] = found[place]

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
    values = list(model_input)
    # MLflow makes one row of {"image": [...]}, with the list in its cell.
    if len(values) == 1 and isinstance(values[0], list):
        return list(values[0])
    return values


def image_bytes(value: Any, limits: Limits) -> bytes:
    """The bytes of the image file in a base64 text or data URI; raises `ImageError` for what is none.

    A file's bytes as they are will do, too. File names and addresses are never followed.
    """
    # Four letters are three bytes: known before anything is decoded.
    if isinstance(value, str):
        least = len(value) * 3 // 4 - len(value) // 8
        limits.require("max_image_bytes", least, f"the image has some {least} bytes")
    data = _bytes_of(value)
    if not data:
        raise ImageError("the image is empty")
    limits.require("max_image_bytes", len(data), f"the image has {len(data)} bytes")
    return data


def _pixels(data: bytes, limits: Limits) -> int | None:
    """How many pixels the image has, None where its header does not say; raises `ImageError` for too many."""
    size = read_image_size(data)
    if size is None:
        return None
    pixels = size[0] * size[1]
    limits.require("max_image_pixels", pixels, f"the image has {size[0]}x{size[1]} pixels, {pixels} in all")
    return pixels


def _bytes_of(value: Any) -> bytes:
    # NaN: a missing value in tables.
    if value is None or (isinstance(value, float) and math.isnan(value)):
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
