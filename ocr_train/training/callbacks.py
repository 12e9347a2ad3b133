"""Which callbacks watch a training, in which order: the order in which each of them sees an event."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.ocr_engine.settings import TASKS
from ocr_train.run import Retention, Run
from ocr_train.tracking.artifacts import ArtifactSink, FolderArtifacts
from ocr_train.tracking.run_folder import CLEAN_CONFIG
from ocr_train.tracking.tracker import Tracker

if TYPE_CHECKING:
    from callbacks.checkpoint_copy import CheckpointCopyCallback
    from ocr_train.analysis.sample_reader import StartReading
    from ocr_train.checkpoints.store import CheckpointStore
    from ocr_train.config.experiment import Experiment
    from ocr_train.trainer.dispatch import EventHandler
    from ocr_train.training.services import Services, TrainingSetup


COPIES_KEPT = 2
"""In the second folder, besides the best: one that is torn leaves the one before it."""


def make_callbacks(
    tracker: Tracker, setup: TrainingSetup, experiment: Experiment, services: Services
) -> Sequence[EventHandler]:
    """Checkpoints come first: they are copied before anything else happens."""
    from callbacks.checkpoints import CheckpointCallback
    from callbacks.learning_rate import LearningRateCallback
    from callbacks.limits import LimitsCallback
    from callbacks.metrics import MetricsCallback
    from callbacks.nodes import NodesCallback
    from callbacks.progress import ProgressCallback
    from callbacks.samples import SampleCallback
    from callbacks.supervisor import SupervisorCallback
    from callbacks.system import SystemMetricsCallback
    from callbacks.time_use import TimeUseCallback
    from callbacks.watchdog import WatchdogCallback

    copies = services.checkpoint_copies
    return [
        CheckpointCallback(
            lambda run: _make_store(tracker.artifacts, run),
            services.echo,
            retain=lambda run, store: _retain(tracker, run, store),
            patience_s=tracker.patience_s,
        ),
        *([_copying_to(copies, tracker, services)] if copies else []),
        MetricsCallback(tracker),
        SystemMetricsCallback(tracker),
        TimeUseCallback(tracker, started=services.started, hourly_usd=experiment.usd_an_hour),
        LearningRateCallback(),
        ProgressCallback(sys.stdout),
        SampleCallback(
            tracker,
            _reading_with(setup),
            services.echo,
            images=experiment.sample_images if _can_read(experiment.task, setup) else 0,
        ),
        *((NodesCallback(services.leader.problem),) if services.leader else ()),
        *((SupervisorCallback(services.supervisor),) if services.supervisor else ()),
        LimitsCallback(
            experiment.limits,
            started=services.started,
            usd_an_hour=experiment.usd_an_hour,
            report=services.echo,
        ),
        WatchdogCallback(stall_timeout_s=experiment.stall_timeout_s, nan_windows=experiment.nan_windows),
    ]


def _can_read(task: str, setup: TrainingSetup) -> bool:
    """Whether checkpoints of such a model can be read here."""
    return task in TASKS and (setup.launch.paddleocr.root / "ppocr").is_dir()


def _copying_to(root: Path, tracker: Tracker, services: Services) -> CheckpointCopyCallback:
    """The callback that keeps the newest checkpoints and the best one in `root`, with a note of whose they are."""
    from callbacks.checkpoint_copy import CheckpointCopyCallback
    from ocr_train.checkpoints.copies import note_run, remove_torn

    artifacts = FolderArtifacts(root)

    def store(run: Run) -> CheckpointStore:
        for folder in remove_torn(root):
            services.echo(f"{root}: {folder} is not whole and was removed")
        note_run(root, "" if tracker.offline else tracker.run_id)
        return _make_store(artifacts, run)

    def retain(kept: CheckpointStore) -> None:
        from ocr_train.runs.retention import apply_retention

        for folder in apply_retention(artifacts, Retention(COPIES_KEPT), None, tracker.run_id):
            kept.forget(folder)

    return CheckpointCopyCallback(store, services.echo, retain=retain)


def _make_store(artifacts: ArtifactSink, run: Run) -> CheckpointStore:
    from ocr_train.checkpoints.store import CheckpointStore

    common = [run.folder / CLEAN_CONFIG] + ([run.dictionary] if run.dictionary else [])
    return CheckpointStore(
        artifacts,
        model=run.model,
        dataset_digest=run.dataset_digest,
        versions=run.versions,
        common=common,
    )


def _retain(tracker: Tracker, run: Run, store: CheckpointStore) -> None:
    """Delete what the run's retention does not keep."""
    from ocr_train.runs.retention import apply_retention

    client = None if tracker.offline else tracker.client
    for folder in apply_retention(tracker.artifacts, run.retention, client, tracker.run_id):
        store.forget(folder)


def _reading_with(setup: TrainingSetup) -> StartReading:
    """How samples are read beside the training: on the CPU, on one thread, whenever no other process needs it."""
    from ocr_train.models.inference import CHECKPOINT, Model, ReadingProcess

    env = {**setup.launch.env, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}

    def start(prefix: Path, config: Path, images: Sequence[Path]) -> ReadingProcess:
        model = Model(
            kind=CHECKPOINT,
            path=prefix,
            config=config,
            python=setup.launch.python,
            root=setup.launch.paddleocr.root,
            env=env,
        )
        return ReadingProcess.start(model, images, nice=19)

    return start
