"""The cheap part, which `train` checks itself before anything is fetched: no network, no second question to Paddle."""

from __future__ import annotations

import os
from pathlib import Path

from ocr_train.config.experiment import Experiment
from ocr_train.disk import UNKNOWN_BYTES, free_bytes, human, require_room
from ocr_train.doctor.gpus import device_row, find_gpus
from ocr_train.doctor.rows import CheckRow, fine, problem
from ocr_train.doctor.shared_memory import shared_memory_free, shared_memory_row
from ocr_train.errors import SetupError
from ocr_train.trainer.interpreter import Facts


def machine_rows(experiment: Experiment, facts: Facts, output: Path, checkpoint_bytes: int) -> list[CheckRow]:
    """GPUs, shared memory and disk; `checkpoint_bytes` is the size of a checkpoint, 0 where it is not known."""
    gpus = experiment.gpus
    trained = gpus if isinstance(gpus, tuple) else range(facts.gpus if gpus == "auto" else 0)
    return [
        device_row(gpus, facts, find_gpus(), os.environ.get("CUDA_VISIBLE_DEVICES")),
        shared_memory_row(experiment.trainer, len(trained) or experiment.cpus, shared_memory_free()),
        disk_row(output, checkpoint_bytes),
    ]


def disk_row(output: Path, checkpoint_bytes: int) -> CheckRow:
    """Whether the disk of `output` holds the next two checkpoints."""
    subject = "disk"
    try:
        require_room(output, checkpoint_bytes)
    except SetupError as exc:
        return problem(subject, exc)
    needed = (
        f"two checkpoints need {human(2 * checkpoint_bytes)}"
        if checkpoint_bytes
        else f"{human(UNKNOWN_BYTES)} must be free, as the size of a checkpoint is not known yet"
    )
    return fine(subject, f"{human(free_bytes(output))} free for {output}; {needed}")
