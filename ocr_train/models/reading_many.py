"""Reads any number of images: a process for `chunk` of them, so that memory stays the same, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ocr_train.analysis.predictions import Reading
from ocr_train.errors import SetupError
from ocr_train.models.inference import Model, ReadingProcess

_POLL_S = 0.5


def read_many(
    model: Model,
    images: Sequence[Path],
    *,
    rec: Model | None = None,
    use_gpu: bool = False,
    stall_s: float = 600,
    progress: Callable[[int], None],
    chunk: int = 500,
    texts: Sequence[str] = (),
) -> Iterator[Reading]:
    """What `model` says of each of `images`, in their order, as `read_images`; `progress` is told how many are read.
    `texts`, one for each image, are what a recognition model is asked the probability of.

    Raises `DataError` where the model cannot be used, `SetupError` where the child cannot run or reads no image
    for `stall_s`.
    """
    for start in range(0, len(images), chunk):
        some = images[start : start + chunk]
        asked = texts[start : start + chunk]
        with ReadingProcess.start(model, some, rec=rec, use_gpu=use_gpu, texts=asked) as process:
            _wait(process, start, stall_s, progress)
            yield from process.result()
        progress(start + len(some))


def _wait(process: ReadingProcess, before: int, stall_s: float, progress: Callable[[int], None]) -> None:
    read, since = 0, time.monotonic()
    while not process.wait(_POLL_S):
        now = process.count_answers()
        if now > read:
            read, since = now, time.monotonic()
            progress(before + read)
        elif time.monotonic() - since > stall_s:
            raise SetupError(
                f"no image was read for {stall_s:g} s, after {before + read} of them.",
                hint="Give more time with --timeout-s, or smaller images.",
            )
