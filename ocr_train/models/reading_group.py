"""One reading in several processes: a CPU reads with one thread a process, and has more of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ocr_train.analysis.predictions import Reading
from ocr_train.models.inference import Model, ReadingProcess
from ocr_train.ocr_engine.networks import cpu_count

MOST = 4
"""More processes at most are not started: each takes some 0.6 GB."""
FEWEST = {"det": 8, "rec": 48, "cls": 48}
"""So many images of a task a process has at least: fewer are read in the seconds that it takes to start another one."""


def processes_for(task: str, images: int, *, use_gpu: bool) -> int:
    """How many processes read `images` images on this machine: one on a GPU."""
    if use_gpu:
        return 1
    return max(1, min(MOST, cpu_count(), images // FEWEST[task]))


class ReadingGroup:
    """A `ReadingProcess` for each share of the images: `poll` until it is true, then `result`, and in any case `close`."""

    def __init__(self, processes: Sequence[ReadingProcess], stack: ExitStack) -> None:
        self._processes = processes
        self._stack = stack

    @classmethod
    def start(
        cls,
        model: Model,
        images: Sequence[Path],
        *,
        processes: int,
        use_gpu: bool = False,
        texts: Sequence[str] = (),
    ) -> ReadingGroup:
        """Start them; each takes every `processes`-th image, so that all have as much to do. Raises as `ReadingProcess.start`."""
        with ExitStack() as stack:
            started = [
                stack.enter_context(
                    ReadingProcess.start(
                        model, images[first::processes], use_gpu=use_gpu, texts=texts[first::processes]
                    )
                )
                for first in range(processes)
            ]
            return cls(started, stack.pop_all())

    def poll(self) -> bool:
        """Whether all have ended, or one of them has failed."""
        ended = [process.poll() for process in self._processes]
        return all(ended) or any(process.failed for process in self._processes)

    def result(self) -> list[Reading]:
        """One reading for each image, in the order that was given; raises as `ReadingProcess.result`."""
        for process in self._processes:
            if process.failed:
                process.result()
        shares = [process.result() for process in self._processes]
        count = sum(map(len, shares))
        return [shares[number % len(shares)][number // len(shares)] for number in range(count)]

    def close(self) -> None:
        """Leave nothing behind. May be called twice."""
        self._stack.close()
