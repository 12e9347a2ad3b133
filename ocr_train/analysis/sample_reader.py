"""The sample read beside the training: a thread that waits for the reading process, scores and draws."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from ocr_train.analysis.predictions import Reading, score_all
from ocr_train.analysis.sampling import ValidationSet
from ocr_train.analysis.step_files import StepFiles, write_step

POLL_S = 0.2


class RunningReader(Protocol):
    """A process that reads images; `ocr_train.models.inference.ReadingProcess` is one."""

    def poll(self) -> bool:
        """Whether it has ended."""

    def result(self) -> Sequence[Reading]:
        """One answer for each image, in their order; raises where it failed."""

    def close(self) -> None:
        """End it, and leave no file behind."""


StartReading = Callable[[Path, Path, Sequence[Path]], RunningReader]
"""Starts a reading of images with the checkpoint at a prefix and its configuration."""


@dataclass(frozen=True, kw_only=True)
class SampleRequest:
    """A copy of the weights at `step` (of the run) in `folder`: model.pdparams, config.yml, dict.txt."""

    folder: Path
    step: int
    time_ms: int

    def discard(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_sample(
    request: SampleRequest, chosen: ValidationSet, root: Path, start: StartReading, stop: threading.Event
) -> Future[StepFiles | None]:
    """Read the chosen images in a thread of its own, score and draw them below `root`: what was written, None where
    `stop` was set meanwhile. The copy of the weights is removed either way, before the result is there."""
    future: Future[StepFiles | None] = Future()

    def run() -> None:
        try:
            finish = partial(future.set_result, _read(request, chosen, root, start, stop))
        except Exception as exc:  # noqa: BLE001 - handed over by the future, whatever it is
            finish = partial(future.set_exception, exc)
        request.discard()
        finish()

    threading.Thread(target=run, name="read-sample", daemon=True).start()
    return future


def _read(
    request: SampleRequest, chosen: ValidationSet, root: Path, start: StartReading, stop: threading.Event
) -> StepFiles | None:
    reading = start(request.folder / "model", request.folder / "config.yml", chosen.paths)
    try:
        while not reading.poll():
            if stop.wait(POLL_S):
                return None
        scored = score_all(chosen, reading.result())
    finally:
        reading.close()
    return write_step(chosen, scored, root, step=request.step, time_ms=request.time_ms)
