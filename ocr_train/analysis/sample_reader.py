"""One look at the sample beside the training: a thread that waits for the reading process, scores and draws."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ocr_train.analysis.predictions import Prediction, score_all
from ocr_train.analysis.sampling import ValidationSet
from ocr_train.analysis.step_files import StepFiles, write_step

POLL_S = 0.2
JOIN_S = 10.0


class RunningReader(Protocol):
    """A process that reads images; `ocr_train.models.inference.ReadingProcess` is one."""

    def poll(self) -> bool:
        """Whether it has ended."""

    def result(self) -> Sequence[Prediction]:
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


class SampleReading:
    """Begins at once; ask `done`, then `result`. `stop` ends the process; the copy of the weights goes either way."""

    def __init__(
        self, request: SampleRequest, chosen: ValidationSet, root: Path, start: StartReading
    ) -> None:
        self._request = request
        self._chosen = chosen
        self._root = root
        self._start = start
        self._stop = threading.Event()
        self._files: StepFiles | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="look-at-sample", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return not self._thread.is_alive()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout=max(0.0, timeout_s))
        return self.done

    def result(self) -> StepFiles | None:
        """What was written, None after `stop`; raises what went wrong, of whatever class."""
        if self._error is not None:
            raise self._error
        return self._files

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        self._stop.set()
        self._thread.join(timeout=JOIN_S)

    def _run(self) -> None:
        try:
            answers = self._read()
            if answers is not None:
                scored = score_all(self._chosen, answers)
                self._files = write_step(
                    self._chosen, scored, self._root, step=self._request.step, time_ms=self._request.time_ms
                )
        except Exception as exc:  # noqa: BLE001 - handed over by `result`, whatever it is
            self._error = exc
        finally:
            self._request.discard()

    def _read(self) -> Sequence[Prediction] | None:
        folder = self._request.folder
        reading = self._start(folder / "model", folder / "config.yml", self._chosen.paths)
        try:
            while not reading.poll():
                if self._stop.wait(POLL_S):
                    return None
            return reading.result()
        finally:
            reading.close()
