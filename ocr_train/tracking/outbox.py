"""What the server does not have yet besides records: files, the dataset, checkpoints. `pending.jsonl`.

Append-only, a line when something has to go out and a line when it has gone: whoever dies in between leaves a
list that is true. Several of these objects, in several threads, may write to one file.
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocr_train.ocr_engine.documents import parse_json


@dataclass(frozen=True, kw_only=True)
class File:
    """`path` (absolute, or relative to the run's folder) is to be stored as the artifact `folder`/<its name>."""

    path: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class DatasetInput:
    """The run's dataset, as MLflow's `log_inputs` takes it."""

    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A finished checkpoint of the run: its copy in `path`, or, where `path` ends in no folder of ours, the
    trainer's own set with that prefix. `best`: the alias `best` is to name it. `keep_last`: so many of the run's
    checkpoints are to stay, 0 for all."""

    path: str
    name: str
    kind: str
    step: int
    epoch: int
    best: bool = False
    keep_last: int = 0


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Every file below `path` is to be stored under the same artifact path."""

    path: str


Item = File | DatasetInput | Checkpoint | Tree
_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (File, DatasetInput, Checkpoint, Tree)
}


class Outbox:
    """The list of one run. Never raises for a full disk: what cannot be written is kept in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._unwritten: list[str] = []

    def add(self, item: Item) -> str:
        """Note that `item` has to go out; the key to `done`."""
        key = uuid.uuid4().hex[:12]
        self._append({"id": key, "item": type(item).__name__.lower(), **asdict(item)})
        return key

    def done(self, key: str) -> None:
        """Note that it has gone, or need not go any more."""
        self._append({"id": key, "done": True})

    def pending(self) -> dict[str, Item]:
        """What has to go out, in the order in which it was noted. Torn and foreign lines are passed over."""
        items: dict[str, Item] = {}
        for line in self._lines():
            _apply(line, items)
        return items

    def ever(self) -> list[Item]:
        """Everything that was ever noted, each thing once, in order: what has gone, too."""
        items: dict[Item, None] = {}
        for line in self._lines():
            noted: dict[str, Item] = {}
            _apply(line, noted)
            items.update(dict.fromkeys(noted.values()))
        return list(items)

    def _lines(self) -> list[str]:
        with self._lock:
            lines: list[str] = []
            with contextlib.suppress(FileNotFoundError):
                lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
            return lines + self._unwritten

    def _append(self, values: Mapping[str, Any]) -> None:
        with self._lock:
            self._unwritten.append(json.dumps(values, ensure_ascii=False))
            with contextlib.suppress(OSError):
                # The newline in front ends what a crash or a full disk may have torn off.
                data = "".join(f"\n{line}\n" for line in self._unwritten).encode("utf-8", "backslashreplace")
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab", buffering=0) as file:
                    while data:
                        data = data[file.write(data) :]
                self._unwritten.clear()


def _apply(line: str, items: dict[str, Item]) -> None:
    try:
        values = parse_json(line)
        key = str(values.pop("id"))
        if values.get("done"):
            items.pop(key, None)
        else:
            items[key] = _KINDS[values.pop("item")](**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return
