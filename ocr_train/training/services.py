"""What a training is given from outside, and what is known before its trainer starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.cluster.leader import Leader
from ocr_train.data.backup import Backup
from ocr_train.data.for_training import Dataset, Fetch
from ocr_train.resume.resolve import ResumePoint
from ocr_train.run import Echo, Run
from ocr_train.trainer.device import Device
from ocr_train.trainer.interpreter import Facts
from ocr_train.trainer.paddleocr import PaddleOcr
from ocr_train.trainer.stop_signals import StopFlag
from ocr_train.trainer.supervision import Supervisor
from ocr_train.trainer.tools import Trainer
from ocr_train.training.sample_check import SampleCheck
from ocr_train.weights.start import Settled


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the pipeline is given: the MLflow client, the trainer's interpreter looked into, how
    to fetch, where to speak, whether to stop, the monotonic second in which it all began, a second folder for
    checkpoints where there is one, who started this training as one of many, and, where several machines train together,
    this one's way to the others if it leads, and its `address` among them."""

    client: Any
    probe: Callable[[], Facts]
    fetch: Fetch
    backup: Callable[[Dataset, str], Backup]
    echo: Echo
    stop: StopFlag
    started: float
    checkpoint_copies: Path | None = None
    supervisor: Supervisor | None = None
    leader: Leader | None = None
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """What the trainer is launched with, and where."""

    python: Path
    paddleocr: PaddleOcr
    device: Device
    env: Mapping[str, str]
    versions: Mapping[str, str]

    @property
    def visible_gpus(self) -> tuple[str, ...]:
        """The GPUs that train, as CUDA_VISIBLE_DEVICES names them; none on the CPU."""
        return tuple(self.env["CUDA_VISIBLE_DEVICES"].split(",")) if self.device.gpus else ()

    @property
    def trainer(self) -> Trainer:
        """The same for PaddleOCR's other tools."""
        return Trainer(python=self.python, paddleocr=self.paddleocr, env=self.env, versions=self.versions)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The trainer's configuration; `plain` is the same without a resume, and with the addresses of weights that were
    fetched. `effective_batch` are the samples that all processes see in a step."""

    config: dict[str, Any]
    plain: dict[str, Any]
    steps_per_epoch: int
    effective_batch: int


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """Everything that must be known before the trainer starts; `script_job` is the file that says what the script around
    the trainer is to do, `samples` the check of a few samples, which may still be under way, `point` the checkpoint that
    training goes on from, or takes its weights from."""

    run: Run
    dataset: Dataset
    launch: LaunchRequest
    settled: Settled
    num_workers: int | None
    script_job: Path | None
    argv: Sequence[str]
    samples: SampleCheck
    point: ResumePoint | None = None
