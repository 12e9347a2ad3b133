"""Reading PaddleOCR's `.states` file, a pickle, without running what it says."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import read_regular


@dataclass(frozen=True, kw_only=True)
class States:
    """What a `.states` file says: epoch, the trainer's own global step, and its best metrics so far.

    `step` is None where it does not say: PaddleOCR wrote no `global_step` before 2022.
    """

    epoch: int
    step: int | None
    metrics: Mapping[str, float]


# What numpy needs to rebuild a scalar: the only thing besides plain values that a .states file holds.
_SAFE_GLOBALS = {
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}


class _SafeUnpickler(pickle.Unpickler):
    """Refuses every import but those above, so that reading a foreign file runs nothing of it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _SAFE_GLOBALS:
            raise pickle.UnpicklingError(f"it would import {module}.{name}")
        return super().find_class(module, name)


def read_states(path: Path) -> States:
    """Read PaddleOCR's `.states` pickle without running what it says; raises `DataError`.

    Format: `{"best_model_dict": {...}, "epoch": int, "global_step": int}`, PaddleOCR ppocr/utils/save_load.py.
    """
    try:
        data = read_regular(path)
        _check_sizes(data)
        values = _SafeUnpickler(io.BytesIO(data), encoding="latin1").load()
        best = values.get("best_model_dict") or {}
        metrics = _scores(best)
        step = values.get("global_step")
        states = States(
            epoch=_count(values["epoch"]), step=None if step is None else _count(step), metrics=metrics
        )
    except Exception as exc:
        # A foreign pickle can raise anything: MemoryError, OverflowError, LookupError, RecursionError ...
        raise DataError(
            f"{path} is not a PaddleOCR .states file: {exc}", hint="Resume from another checkpoint."
        ) from exc
    return states


def read_plain(path: Path) -> Any:
    """A pickle of plain values, such as `.pdiparams.info`, read without running what it says; raises `DataError`."""
    try:
        data = read_regular(path)
        _check_sizes(data)
        return _SafeUnpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as exc:
        # As above.
        raise DataError(f"{path} is not a pickle of plain values: {exc}") from exc


def _scores(best: Mapping[str, Any]) -> dict[str, float]:
    """The scores of a `best_model_dict`; none without `best_epoch`: then no evaluation has come yet.

    A resume at `start_epoch` puts an accuracy of 0 in place of the best one, whatever the model: that is no score.
    """
    scores = {
        str(key): float(value)
        for key, value in best.items()
        if key not in ("start_epoch", "best_epoch", "epoch", "global_step") and _is_number(value)
    }
    if scores.get("acc") == 0 and int(best.get("best_epoch", 0)) < int(best.get("start_epoch", 0)):
        del scores["acc"]
    return scores if "best_epoch" in best else {}


def _count(value: Any) -> int:
    number = int(value)
    if number < 0:
        raise ValueError(f"it counts {number}")
    return number


def _check_sizes(data: bytes) -> None:
    """Refuse a pickle that asks for more memory than its own size justifies; raises `ValueError`."""
    for opcode, argument, _ in pickletools.genops(data):
        # Each remembered object takes a byte at least, so no honest index is larger than the file.
        if opcode.name in ("LONG_BINPUT", "PUT") and int(argument or 0) > len(data):
            raise ValueError("it would take all memory")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return False
    return isinstance(value, (int, float)) or hasattr(value, "dtype")
