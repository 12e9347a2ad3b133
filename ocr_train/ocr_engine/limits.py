"""How much one request may ask of a served model, and in which order requests take their turns.

Every limit can be set in the environment of the server before it starts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .images import ImageError

PREFIX = "OCR_SERVE_"
SERVED = "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"
"""In the environment of every model server of MLflow's: after so many seconds it answers 504 by itself."""
_SHARE_OF_TIMEOUT = 0.8
_MLFLOW_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Limits:
    """0 is no limit. Those of a whole request hold where the model is served; in Python a table may be any length."""

    max_image_bytes: int = 50_000_000
    max_image_pixels: int = 100_000_000
    max_network_pixels: int = 16_000_000
    """What an image may have when the run's transforms have resized it for the network."""
    max_rows: int = 0
    max_bytes: int = 0
    max_pixels: int = 0
    time_limit_s: float = 0

    def require(self, name: str, value: float, what: str) -> None:
        """Raise `ImageError` where `value` is beyond the limit `name`: it names the limit and what raises it."""
        limit = getattr(self, name)
        if limit and value > limit:
            raise ImageError(f"{what}; at most {limit} are read ({PREFIX}{name.upper()} of the server)")


def limits_from(environ: Mapping[str, str] = os.environ) -> Limits:
    """The limits that the environment sets, else the defaults; raises `ValueError` for what is not a number."""
    values: dict[str, Any] = {}
    if SERVED in environ:
        timeout_s = _number(SERVED, environ[SERVED]) or _MLFLOW_TIMEOUT_S
        values = {"max_rows": 10_000, "max_bytes": 250_000_000, "max_pixels": 400_000_000}
        values["time_limit_s"] = _SHARE_OF_TIMEOUT * timeout_s
    for field in fields(Limits):
        name = PREFIX + field.name.upper()
        if environ.get(name, "").strip():
            number = _number(name, environ[name])
            values[field.name] = number if field.name.endswith("_s") else int(number)
    return Limits(**values)


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise ValueError(f"{name}={text!r} is not a number from 0 (0: no limit)")
    return number


class Turns:
    """A lock that is given to whoever waits longest: a long request and a short one alternate."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tickets = 0
        self._turn = 0

    def __enter__(self) -> None:
        with self._changed:
            mine = self._tickets
            self._tickets += 1
            self._changed.wait_for(lambda: self._turn == mine)

    def __exit__(self, *_: Any) -> None:
        with self._changed:
            self._turn += 1
            self._changed.notify_all()
