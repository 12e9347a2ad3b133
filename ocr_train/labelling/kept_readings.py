"""What was read is kept while an answer to many images is made, so that the same command goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ocr_train.analysis.predictions import Reading, parse_reading

NAME = "readings.jsonl"


class KeptReadings:
    """The readings in `folder`/readings.jsonl by models of this `identity`; those of others are dropped.

    An image that has another size or time than when it was read is read again. Raises `OSError`.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / NAME
        self._known = _load(self._path, identity)
        folder.mkdir(parents=True, exist_ok=True)
        if not self._known:
            self._path.write_text(json.dumps({"models": identity}) + "\n", encoding="utf-8")

    def get(self, image: Path) -> Reading | None:
        """What was read in it, where that is known."""
        kept = self._known.get(_state(image))
        return None if kept is None else parse_reading(image, kept)

    def add(self, reading: Reading) -> None:
        """Keep one more; an image that could not be read is tried again the next time."""
        if reading.error:
            return
        values = {key: value for key, value in asdict(reading).items() if key != "image"}
        line = json.dumps({"state": _state(reading.image), **values}, ensure_ascii=False)
        with self._path.open("ab") as file:
            file.write(f"{line}\n".encode("utf-8", "backslashreplace"))


def _state(image: Path) -> str:
    """The same for the same file with the same content, as far as its size and time tell."""
    try:
        found = image.stat()
    except OSError:
        return ""
    return f"{image.absolute()} {found.st_size} {found.st_mtime_ns}"


def _load(path: Path, identity: str) -> dict[str, Mapping[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    known: dict[str, Mapping[str, Any]] = {}
    for number, line in enumerate(lines):
        try:
            value = json.loads(line)
        except ValueError:
            # The process was ended in the middle of a line.
            continue
        if number == 0 and value.get("models") != identity:
            return {}
        if "state" in value:
            known[value["state"]] = value
    return known
