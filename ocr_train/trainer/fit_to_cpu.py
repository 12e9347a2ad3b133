"""Settings that cost a training on the CPU time and change no result: they are fitted to the machine (docs/performance.md).

Processes that load data take turns with the trainer on the same CPUs, and evaluation in large batches does not fit into
their cache. What a launch names itself stays.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ocr_train.config.image_size import image_pixels
from ocr_train.config.overrides import get_key, set_key
from ocr_train.config.trainer_settings import WORKERS
from ocr_train.ocr_engine.networks import PART_PIXELS, cpu_count
from ocr_train.trainer.device import Device

EVAL_BATCH = "Eval.loader.batch_size_per_card"
WORKER_KEYS = (WORKERS, "Eval.loader.num_workers")


def fit_to_cpu(config: dict[str, Any], device: Device, *, given: Collection[str], cpus: int = 0) -> str:
    """Change `config`, rendered for `device`, in place; one line on what was changed, or nothing. `given` are the keys
    that the launch names; `cpus` is this machine's where it is 0."""
    if device.gpus:
        return ""
    cpus = cpus or cpu_count()
    changed = [*_fit_workers(config, max(1, cpus // device.here), given), *_fit_evaluation(config, given)]
    return f"for {cpus} CPU(s): {', '.join(changed)}" if changed else ""


def _fit_workers(config: dict[str, Any], most: int, given: Collection[str]) -> list[str]:
    changed = []
    for key in WORKER_KEYS:
        workers = get_key(config, key, None)
        if isinstance(workers, int) and workers > most and key not in given:
            set_key(config, key, most)
            changed.append(f"{key}={most} instead of {workers}")
    return changed


def _fit_evaluation(config: dict[str, Any], given: Collection[str]) -> list[str]:
    """Detection is evaluated page by page anyway."""
    batch, pixels = get_key(config, EVAL_BATCH, None), image_pixels(config, "Eval")
    if not isinstance(batch, int) or not pixels or EVAL_BATCH in given:
        return []
    fitting = max(1, PART_PIXELS // pixels)
    if batch <= fitting:
        return []
    set_key(config, EVAL_BATCH, fitting)
    return [f"{EVAL_BATCH}={fitting} instead of {batch}"]
