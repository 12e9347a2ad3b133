"""All checks of one training, in the order in which a training would meet their subjects."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ocr_train.config.experiment import Experiment
from ocr_train.config.fine_tune import NONE
from ocr_train.cost import Estimate
from ocr_train.data.keep_set import require_keep_path
from ocr_train.doctor.before_training import disk_row, machine_rows
from ocr_train.doctor.data_sample import DataFound
from ocr_train.doctor.data_sources import join_found, look_at_source
from ocr_train.doctor.interpreter import paddle_rows, paddleocr_row, run_paddle
from ocr_train.doctor.packages import packages_row, python_row
from ocr_train.doctor.rows import CheckRow, fine, problem, warning
from ocr_train.doctor.s3 import s3_rows
from ocr_train.doctor.speed import speed_row
from ocr_train.doctor.tracking import tracking_rows
from ocr_train.doctor.trial import estimate_rows, trial_problem, try_training
from ocr_train.doctor.weights import weights_rows
from ocr_train.errors import ConfigError, DataError, OcrTrainError, SetupError, TrainingFailed
from ocr_train.ocr_engine.networks import cpu_count
from ocr_train.storage.rights import READING, WRITING
from ocr_train.tracking.run_folder import require_writable
from ocr_train.tracking.tracker import checkpoint_bytes_of
from ocr_train.trainer.device import choose_device
from ocr_train.trainer.imports import TRAINING, require_packages
from ocr_train.trainer.interpreter import Facts, interpreter, probe
from ocr_train.trainer.paddleocr import PaddleOcr, resolve_paths
from ocr_train.weights.catalog import ALIASES, NAMED


@dataclass(kw_only=True)
class Checkup:
    """What is checked, and what was found on the way that a later check needs.

    `uri` is where runs are tracked and `connect` opens it; `say` is told what is being looked at.
    """

    experiment: Experiment
    output: Path
    uri: str
    connect: Callable[[], Any]
    say: Callable[[str], None]
    facts: Facts | None = None
    paddleocr: PaddleOcr | None = None
    client: Any = None
    data: DataFound | None = None
    estimate: Estimate | None = None

    def rows(self, *, trial: bool) -> Iterator[CheckRow]:
        """Every row, as soon as it is known; `trial`: with a short training."""
        experiment = self.experiment
        yield fine("configuration", f"{experiment.name}: {experiment.description}")
        yield from own_rows()
        yield from self._trainer_rows()
        yield from self._tracking_rows()
        yield from self._machine_rows()
        with tempfile.TemporaryDirectory(prefix="ocr-train-doctor-") as folder:
            work = Path(folder)
            yield from self._data_rows(work)
            yield from self._keep_rows()
            if experiment.backup:
                self.say(f"S3: {experiment.backup}")
                yield from s3_rows("backup", experiment.backup, WRITING)
            self.say("weights to start from")
            yield from self._weights_rows()
            if trial:
                self.say("a short training; this takes a minute or more")
                yield from self._trial_rows(work)

    @cached_property
    def _python(self) -> Path:
        return interpreter(self.experiment.trainer_python)

    @cached_property
    def _trainer(self) -> dict[str, Any] | ConfigError:
        """The configuration with its paths found, or why they cannot be."""
        if self.paddleocr is None:
            return dict(self.experiment.trainer)
        try:
            return resolve_paths(
                self.experiment.trainer, self.experiment.source, self.paddleocr, names=[*NAMED, *ALIASES]
            )
        except ConfigError as exc:
            return exc

    def _trainer_rows(self) -> Iterator[CheckRow]:
        self.say(f"PaddlePaddle in {self._python}")
        try:
            self.facts = probe(self._python)
        except SetupError as exc:
            yield problem("trainer's Python", exc)
            return
        yield from paddle_rows(self._python, self.facts, run_paddle(self._python))
        row, self.paddleocr = paddleocr_row(self.experiment.paddleocr, self.facts)
        yield row
        if self.paddleocr and (self.experiment.paddleocr or self.experiment.trainer_python):
            try:
                require_packages(self._python, self.paddleocr.root, TRAINING, model_type=self.experiment.task)
            except SetupError as exc:
                yield problem("PaddleOCR's imports", exc)

    def _tracking_rows(self) -> Iterator[CheckRow]:
        if self.experiment.offline:
            yield fine("MLflow", "not asked: offline=true")
            return
        self.say("MLflow and its artifact store")

        def connect() -> Any:
            self.client = self.connect()
            return self.client

        yield from tracking_rows(self.uri, connect)

    def _machine_rows(self) -> Iterator[CheckRow]:
        size = checkpoint_bytes_of(self.client, self.experiment.name) if self.client else 0
        if self.facts:
            yield from machine_rows(self.experiment, self.facts, self.output, size)
            # GPUs that are not there have a row already.
            with contextlib.suppress(SetupError):
                device = choose_device(self.experiment.gpus, self.facts, cpus=self.experiment.cpus)
                yield speed_row(self.experiment, device, cpus=cpu_count())
        else:
            yield disk_row(self.output, size)
        new = not self.output.exists()
        try:
            require_writable(self.output)
        except OcrTrainError as exc:
            yield problem("output folder", exc)
        if new:
            with contextlib.suppress(OSError):
                self.output.rmdir()

    def _data_rows(self, work: Path) -> Iterator[CheckRow]:
        experiment = self.experiment
        request = experiment.data_request
        if isinstance(self._trainer, dict):
            request = replace(request, trainer=self._trainer)
        if experiment.demo is not None:
            self.data = DataFound(rows=(), train=experiment.demo.train, val=experiment.demo.val)
            yield fine("data", f"none given: the demo set ({experiment.demo.train} samples) is drawn")
            return
        found = []
        for number, source in enumerate(experiment.sources, start=1):
            rows, one = look_at_source(request, source, work / f"source_{number}", self.say)
            yield from rows
            found.append(one)
        reached = [one for one in found if one is not None]
        if len(reached) == len(found):
            self.data = join_found(experiment.sources, reached)
            yield from self.data.rows if len(found) > 1 else ()

    def _keep_rows(self) -> Iterator[CheckRow]:
        """Whether the set of what can be read already is there."""
        keep = self.experiment.keep
        if keep in ("", NONE):
            return
        if keep.startswith("s3://"):
            self.say(f"S3: {keep}")
            yield from s3_rows("keep", keep, READING)
            return
        try:
            require_keep_path(keep)
        except ConfigError as exc:
            yield problem("keep", exc)
        else:
            yield fine("keep", f"{keep}: read before training and after it")

    def _weights_rows(self) -> Iterator[CheckRow]:
        if self.experiment.resume:
            yield warning(
                "resume",
                f"{self.experiment.resume!r} is not looked up here",
                "`python -m ocr_train checkpoints RUN --verify` checks what a run has stored.",
            )
        if isinstance(self._trainer, ConfigError):
            yield problem("configuration", self._trainer)
        elif not self.experiment.resume or self.experiment.weights_only:
            root = self.paddleocr.root if self.paddleocr else None
            yield from weights_rows(self._trainer, self.output / "cache" / "weights", root)

    def _trial_rows(self, work: Path) -> Iterator[CheckRow]:
        experiment, data = self.experiment, self.data
        if self.facts is None or isinstance(self._trainer, ConfigError) or data is None:
            return
        try:
            device = choose_device(experiment.gpus, self.facts, cpus=experiment.cpus)
            result = try_training(experiment, self._trainer, data.layout, device.processes, work)
        except (TrainingFailed, DataError) as exc:
            yield trial_problem(exc)
            return
        except SetupError:
            # It has a row already.
            return
        rows, self.estimate = estimate_rows(
            experiment,
            result,
            train=data.train,
            val=data.val,
            processes=device.processes,
            machines=experiment.machines,
            about=data.about,
            parts=data.parts,
        )
        yield from rows


def own_rows() -> list[CheckRow]:
    """Our own Python and packages."""
    return [python_row(sys.version_info[:2]), packages_row()]
