"""Whether the batches that wait in shared memory for the trainer find room. A full one ends a worker with a bus error.

Paddle's loader keeps two batches ahead for each worker (`paddle/io/dataloader/dataloader_iter.py`), and PaddleOCR has
them in shared memory unless `loader.use_shared_memory` is false (`ppocr/data/__init__.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_train.config.epoch_steps import batch_size
from ocr_train.config.image_size import image_pixels
from ocr_train.config.overrides import get_key
from ocr_train.disk import human
from ocr_train.doctor.rows import CheckRow, fine, problem, warning
from ocr_train.errors import SetupError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - it is looked at, nothing is written
SUBJECT = str(SHARED_MEMORY)
SMALL_BYTES = 64 * 1024 * 1024
"""What Docker gives a container that says nothing."""
AHEAD = 2
_FLOAT_BYTES = 4
_MAPS = {"det": 7}
"""Values for each pixel in the trainer's memory: DB has four maps beside the three colours."""


def shared_memory_free(folder: Path = SHARED_MEMORY) -> int | None:
    """Bytes that are free there; None on a system without it."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def shared_memory_row(trainer: Mapping[str, Any], processes: int, free: int | None) -> CheckRow:
    """Whether the batches of `processes` processes on this machine fit into `free` bytes of shared memory."""
    loader = get_key(trainer, "Train.loader", None) or {}
    workers = loader.get("num_workers")
    workers = workers if isinstance(workers, int) else 0
    if free is None or not workers or not loader.get("use_shared_memory", True):
        why = "use_shared_memory is off" if workers else "no workers of their own load the data"
        return fine(SUBJECT, f"not used: {why if free is not None else 'this system has none'}")
    pixels = image_pixels(trainer)
    said = f"{human(free)} free for {workers} workers with batches of {batch_size(trainer)}"
    if not pixels:
        if free > SMALL_BYTES:
            return fine(SUBJECT, said)
        return warning(SUBJECT, said, _todo(4 * SMALL_BYTES))
    values = pixels * _MAPS.get(str(get_key(trainer, "Architecture.model_type", "")), 3)
    least = processes * workers * batch_size(trainer) * values * _FLOAT_BYTES
    needed = AHEAD * least
    said = f"{human(free)} free; {workers} workers keep {human(needed)} of batches there"
    if free < least:
        return problem(
            SUBJECT, SetupError(f"{said}: they would end with a bus error.", hint=_todo(2 * needed))
        )
    return warning(SUBJECT, said, _todo(2 * needed)) if free < needed else fine(SUBJECT, said)


def _todo(size: int) -> str:
    gigabytes = max(1, -(-size // 1024**3))
    return (
        f"Give it more (docker run --shm-size={gigabytes}g; Kubernetes: an emptyDir with medium Memory at /dev/shm), "
        "or do without: overrides='Train.loader.use_shared_memory=false Eval.loader.use_shared_memory=false'."
    )
