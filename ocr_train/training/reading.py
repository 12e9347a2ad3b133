"""Images read with a checkpoint before and after a training: how many, how long, and not beyond a stop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ocr_train.analysis.predictions import Reading
from ocr_train.config.experiment import Experiment
from ocr_train.errors import OcrTrainError
from ocr_train.models.reading_group import ReadingGroup, processes_for
from ocr_train.models.source import ModelSource
from ocr_train.trainer.stop_signals import StopFlag
from ocr_train.training.services import LaunchRequest

POLL_S = 0.2
READ_TIMEOUT_S = 1800.0
CPU_PAGES = 200
"""At most this many pages are read where there is no GPU: a page takes a CPU about a second."""


class ReadingStopped(Exception):  # noqa: N818 - nothing went wrong
    """We were asked to stop: what is left can be done later."""


def reading_limit(experiment: Experiment, launch: LaunchRequest) -> int:
    """How many images of a set are read at most."""
    slow = experiment.task == "det" and not launch.device.gpus
    return min(experiment.evaluation_images, CPU_PAGES) if slow else experiment.evaluation_images


def read_until_stopped(
    source: ModelSource,
    images: Sequence[Path],
    launch: LaunchRequest,
    stop: StopFlag,
    *,
    texts: Sequence[str] = (),
) -> Sequence[Reading]:
    """Read `images`, whose labels are `texts` where they are given, with the checkpoint; raises `ReadingStopped` once we are asked to stop, and `OcrTrainError`."""
    model = source.model(launch.python, launch.paddleocr.root, launch.env)
    use_gpu = bool(launch.device.gpus)
    count = processes_for(source.task, len(images), use_gpu=use_gpu)
    process = ReadingGroup.start(model, images, processes=count, use_gpu=use_gpu, texts=texts)
    deadline = time.monotonic() + READ_TIMEOUT_S
    try:
        while not process.poll():
            require_no_stop(stop)
            if time.monotonic() > deadline:
                raise OcrTrainError(f"the images were not read within {READ_TIMEOUT_S:g} s")
            time.sleep(POLL_S)
        return process.result()
    finally:
        process.close()


def require_no_stop(stop: StopFlag) -> None:
    """Raise `ReadingStopped` where a stop was asked for."""
    if stop.number is not None:
        raise ReadingStopped
