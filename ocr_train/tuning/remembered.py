"""What was measured before on a machine like this one, for a training like this one: it need not be measured again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_text
from ocr_train.ocr_engine.documents import DocumentError, read_json
from ocr_train.ocr_engine.networks import cpu_count
from ocr_train.tuning.measurement import Setting

FOLDER = "tuning"
"""In the cache of `output`."""
BUSY = 1.5
"""Processes that want to run, for each core: what prepares a training is one of them."""


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A decision: the setting, and when it was measured (as people read it)."""

    setting: Setting
    when: str


def key_of(facts: Mapping[str, Any]) -> str:
    """What a decision is remembered by: `facts` are all that it depends on, besides this machine."""
    text = json.dumps({**facts, "machine": machine()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def machine() -> dict[str, object]:
    """The hardware: a container of the same kind on another host is the same machine."""
    import psutil

    processor = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        processor = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""
        )
    # Of a container's memory a little more or less may be free for the system.
    memory = round(psutil.virtual_memory().total / 2**30)
    return {"processor": processor, "cores": cpu_count(), "memory_gib": memory}


def busy() -> str:
    """One sentence where other programs keep this machine's cores busy, else nothing: what is measured then is theirs, too."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= BUSY * cpu_count():
        return ""
    return (
        f"other programs keep this machine busy (load {load:.1f} on {cpu_count()} cores): the figures may be wrong, measure "
        "again when it is quiet"
    )


def recall(cache: Path, key: str) -> Remembered | None:
    """The decision with this key, None where there is none that can be read."""
    with contextlib.suppress(OSError, DocumentError, KeyError, TypeError, ValueError):
        found = read_json(cache / FOLDER / f"{key}.json")
        setting = Setting(batch=int(found["batch_size"]), workers=int(found["num_workers"]))
        if setting.batch >= 1 and setting.workers >= 0:
            return Remembered(setting=setting, when=str(found["when"])[:40])
    return None


def remember_setting(cache: Path, key: str, setting: Setting) -> None:
    """Keep the decision for the next start; a disk that takes no file keeps none."""
    document = {
        "batch_size": setting.batch,
        "num_workers": setting.workers,
        "when": time.strftime("%Y-%m-%d %H:%M"),
    }
    with contextlib.suppress(OSError):
        (cache / FOLDER).mkdir(parents=True, exist_ok=True)
        write_text(cache / FOLDER / f"{key}.json", json.dumps(document))
