"""What would train faster on this machine, and is left to the user because it makes the training another one, or needs more of
the machine: pure, values in and sentences out. What is safe is set without asking (`trainer/fit_to_cpu.py`)."""

from __future__ import annotations

from ocr_train.config.experiment import Experiment
from ocr_train.config.overrides import get_key
from ocr_train.config.trainer_settings import WORKERS
from ocr_train.doctor.rows import CheckRow, advice, fine
from ocr_train.trainer.device import Device

SUBJECT = "speed"
MOST_PROCESSES = 8
"""More were not measured."""


def speed_row(experiment: Experiment, device: Device, *, cpus: int) -> CheckRow:
    """What would be faster on a machine with so many `cpus`, or that nothing is known."""
    found = _processes(experiment, device, cpus) or _workers(experiment, device, cpus)
    return found or fine(SUBJECT, f"nothing is known that would train faster on {device.name}")


def faster(experiment: Experiment, device: Device, *, cpus: int) -> str:
    """The same as one sentence for the end of a run; empty where nothing is known."""
    row = speed_row(experiment, device, cpus=cpus)
    return f"{row.found}: {row.todo}" if row.todo else ""


def _processes(experiment: Experiment, device: Device, cpus: int) -> CheckRow | None:
    """Each process on the CPU has one thread: others are idle (docs/performance.md)."""
    if device.gpus or device.here > 1 or device.nodes > 1:
        return None
    batch = experiment.batch_size
    fitting = [number for number in range(2, min(cpus, MOST_PROCESSES) + 1) if batch % number == 0]
    if not fitting:
        return None
    return advice(
        SUBJECT,
        f"one process trains, on one of {cpus} CPUs; two that share each batch were 1.6 to 2 times as fast",
        f"cpus={fitting[-1]}, where memory holds as many trainers. Batch normalisation then sees a share of the batch.",
    )


def _workers(experiment: Experiment, device: Device, cpus: int) -> CheckRow | None:
    """On a GPU: loading is what the CPUs are for, and more processes than CPUs take turns."""
    workers = get_key(experiment.trainer, WORKERS, None)
    if not device.gpus or not isinstance(workers, int):
        return None
    most = max(1, cpus // device.here)
    if workers <= most:
        return None
    return advice(
        SUBJECT,
        f"{workers} processes load images for each of {device.here} GPU(s), and there are {cpus} CPUs",
        f"num_workers={most}, or num_workers=auto, which measures it.",
    )
