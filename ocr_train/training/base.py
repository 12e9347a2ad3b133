"""What the weights that a fine-tune starts from can do before it: measured on the user's own validation set.

They are the first checkpoint of the run, at step 0, and its best one until training is better.
"""

from __future__ import annotations

import math
import pickle
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_train.checkpoints.manifest import BEST
from ocr_train.errors import OcrTrainError
from ocr_train.events import BestUpdated, CheckpointSaved, EvalCompleted, Event
from ocr_train.models.evaluate import evaluate
from ocr_train.models.inference import CHECKPOINT
from ocr_train.models.source import ModelSource
from ocr_train.models.validation_data import ValidationData
from ocr_train.run import Run
from ocr_train.trainer.files import BEST_NAME, states_of, weights_of
from ocr_train.training.services import Services, TrainingSetup
from ocr_train.weights.start import Settled

FOLDER = "base"


@dataclass(frozen=True, kw_only=True)
class Base:
    """The weights before training: `metrics` by PaddleOCR's names, and a checkpoint set of them at `prefix`."""

    metrics: Mapping[str, float]
    prefix: Path
    source: str

    @property
    def params(self) -> dict[str, str]:
        """The scores, for the run's params: they never change. Speed is no score."""
        return {f"base/{name}": f"{value:.6g}" for name, value in self.metrics.items() if name != "fps"}

    def events(self) -> tuple[Event, ...]:
        """What callbacks see of it: an evaluation at step 0, and a checkpoint that is the best so far."""
        now = int(time.time() * 1000)

        def named(start: str) -> dict[str, float]:
            return {f"{start}/{name}": value for name, value in self.metrics.items()}

        return (
            EvalCompleted(metrics=named("eval"), step=0, epoch=0, time_ms=now),
            BestUpdated(metrics=named("best"), step=0, best_epoch=0, time_ms=now),
            CheckpointSaved(name=BEST_NAME, kind=BEST, prefix=str(self.prefix), step=0, epoch=0, time_ms=now),
        )

    def verdict(self, best: float | None, main: str) -> str:
        """What to say of a run whose best main metric is `best`: nothing where training was better."""
        before = self.metrics.get(main, 0.0)
        if best is not None and best > before:
            return ""
        return (
            f"no checkpoint is better than the weights that training started from ({main} {before:.4f}): they are the "
            "best one. Try a smaller learning_rate, more epochs or more images; freeze=backbone keeps more of what they "
            "have learnt"
        )


def measure_base(setup: TrainingSetup, services: Services) -> Base | None:
    """Evaluate the weights that training starts from; None where there are none that can be evaluated.

    An evaluation that fails keeps nobody from training: it is said.
    """
    settled = setup.settled
    if settled.weights is None:
        return None
    if not settled.usable:
        services.echo(
            "base: not measured, because layers that inference needs start from nothing "
            f"({len(settled.new)} of them)"
        )
        return None
    work = setup.run.folder / FOLDER
    data = ValidationData(
        images=setup.dataset.images,
        labels=setup.dataset.val,
        samples=setup.dataset.val_samples,
        digest=setup.dataset.manifest.digest,
        origin=setup.dataset.source,
        own=True,
    )
    try:
        found = evaluate(
            source_before(setup.run, settled),
            data,
            trainer=setup.launch.trainer,
            use_gpu=bool(setup.launch.device.gpus),
            work=work,
            echo=services.echo,
        )
    except OcrTrainError as exc:
        services.echo(f"base: not measured: {exc.problem}")
        return None
    metrics = {name: value for name, value in found.metrics.items() if math.isfinite(value)}
    prefix = write_set(settled.weights, work, metrics, setup.run.main_metric)
    services.echo(
        f"base: {setup.run.main_metric} {metrics.get(setup.run.main_metric, 0.0):.4f} is what {settled.source} has "
        f"before training, on {found.samples} validation samples ({found.seconds:.0f} s)"
    )
    return Base(metrics=metrics, prefix=prefix, source=settled.source)


def source_before(run: Run, settled: Settled) -> ModelSource:
    """The weights before training as a model that can be read with."""
    weights = settled.weights or Path()
    return ModelSource(
        kind=CHECKPOINT,
        path=weights.with_suffix(""),
        config=run.config,
        dictionary=run.dictionary,
        task=run.task,
        name=run.model,
        run_id=run.run_id,
        description=f"{settled.source}, before training,",
    )


def write_set(weights: Path, folder: Path, metrics: Mapping[str, float], main: str) -> Path:
    """A set as PaddleOCR writes one, without an optimizer's state: there is none yet."""
    prefix = folder / BEST_NAME
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, weights_of(prefix))
    best = {**metrics, main: metrics.get(main, 0.0), "best_epoch": 0}
    states = {"best_model_dict": best, "epoch": 0, "global_step": 0}
    states_of(prefix).write_bytes(pickle.dumps(states, protocol=2))
    return prefix
