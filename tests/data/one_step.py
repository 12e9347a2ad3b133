"""One step of a real training on a folder of data: what `train` does, from the folder to PaddleOCR's own tools/train.py."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.for_training import Dataset, Fetch, prepare
from ocr_train.events import Event
from ocr_train.run import Echo
from ocr_train.trainer import paddleocr as paddle
from ocr_train.trainer.device import Device, trainer_env
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.log_parser import parse_lines

PYTHON = Path(sys.executable)
SCRIPT = Path(__file__).with_name("train_each.py")
CPU = Device(gpus=(), note="")


@functools.cache
def paddleocr() -> paddle.PaddleOcr:
    """The PaddleOCR of this interpreter: asking for it starts a Python that imports Paddle."""
    return paddle.find_paddleocr("", probe(PYTHON))


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A dataset that `train` made of a folder, what it said, and the configuration of the trainer."""

    dataset: Dataset
    said: tuple[str, ...]
    config: Path


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of a training: its exit status, its whole log, and the events that a run would see."""

    status: int
    log: str
    events: tuple[Event, ...]


def no_fetch(uri: str, folder: Path, echo: Echo) -> Path:
    """These data are on this machine."""
    raise AssertionError(uri)


def prepared(launch: Launch, place: Path, *, fetch: Fetch = no_fetch) -> Prepared:
    """The data of `launch` as `train` prepares them in `place`, and the configuration that it gives the trainer."""
    experiment = load_experiment(launch, EXPERIMENTS)
    said: list[str] = []
    request = experiment.data_request
    dataset = prepare(request, place / "data", place / "cache", fetch=fetch, echo=said.append)
    data = paddle.TrainingData(
        images=dataset.images,
        train_labels=tuple(part.path for part in dataset.train_parts),
        val_labels=tuple(part.path for part in dataset.val_parts),
        train_counts=tuple(part.samples for part in dataset.train_parts),
    )
    trainer = paddle.resolve_paths(experiment.trainer, experiment.source, paddleocr())
    config = paddle.render_config(trainer, data, CPU, save_dir=place / "trainer", checkpoint=None)
    paddle.write_config(config, place / "config.yml")
    return Prepared(dataset=dataset, said=tuple(said), config=place / "config.yml")


def train_all(configs: Sequence[Path], *, path: str = "", timeout_s: float = 300) -> dict[Path, Trained]:
    """Train with each configuration, in one child that imports Paddle once; `path` is where it finds other packages."""
    root = paddle.find_paddleocr("", probe(PYTHON))
    commands = [paddle.trainer_argv(PYTHON, root, one, CPU, log_dir=one.parent / "logs") for one in configs]
    # The command of each is [python, script, "-c", its configuration]: the child runs the same without Python's start.
    assert all(
        one[1:] == [*commands[0][1:3], str(config)] for one, config in zip(commands, configs, strict=True)
    )
    done = subprocess.run(
        [str(PYTHON), str(SCRIPT), commands[0][1], *map(str, configs)],
        env={**trainer_env(os.environ, CPU), **({"PYTHONPATH": path} if path else {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {config: _trained(config) for config in configs}


def _trained(config: Path) -> Trained:
    log = config.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    status = int(config.with_suffix(".rc").read_text(encoding="utf-8"))
    return Trained(status=status, log=log, events=tuple(parse_lines(log.split("\n"))))
