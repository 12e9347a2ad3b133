"""What several test files build: checkpoint sets as PaddleOCR writes them, stores to keep them in, runs."""

from __future__ import annotations

import logging
import pickle
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ocr_train.checkpoints.manifest import CheckpointManifest
from ocr_train.checkpoints.snapshots import Snapshot, take_snapshot
from ocr_train.checkpoints.store import CheckpointStore
from ocr_train.disk import sha256_of
from ocr_train.errors import TrackingError
from ocr_train.run import Run
from ocr_train.trainer.files import SUFFIXES


def write_checkpoint(
    prefix: Path,
    *,
    epoch: int = 1,
    step: int | None = 10,
    metrics: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Path:
    """A set at `prefix` in PaddleOCR's order and formats; `seed` decides the weights. Returns `prefix`.

    `.pdparams` and `.pdopt` are what paddle.save writes: pickles of arrays by name. `.states` is protocol 2,
    with the numpy floats and the bool that real ones carry in `best_model_dict`.
    """
    prefix.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    weights = {"conv1.weight": random.random((4, 3), dtype=np.float32), "conv1.bias": np.zeros(4)}
    Path(f"{prefix}.pdparams").write_bytes(pickle.dumps(weights, protocol=4))
    moments = {
        "conv1_moment1_0": random.random((4, 3), dtype=np.float32),
        "LR_Scheduler": {"last_epoch": epoch},
    }
    Path(f"{prefix}.pdopt").write_bytes(pickle.dumps(moments, protocol=4))
    Path(f"{prefix}.states").write_bytes(states_bytes(epoch=epoch, step=step, metrics=metrics))
    return prefix


def write_ppocr(folder: Path) -> Path:
    """As much of PaddleOCR's source as tells which names a configuration may use: nothing of it runs."""
    names = {
        "data/imaug": "DecodeImage CTCLabelEncode RecResizeImg KeepKeys",
        "data": "SimpleDataSet MultiScaleSampler",
        "modeling": "MobileNetV3 SequenceEncoder CTCHead",
        "losses": "CTCLoss",
        "metrics": "RecMetric DistillationMetric",
        "postprocess": "CTCLabelDecode DistillationCTCLabelDecode",
        "optimizer": "Adam Cosine",
    }
    for part, classes in names.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        source = "".join(f"class {name}:\n    pass\n" for name in classes.split())
        (folder / part / "__init__.py").write_text(source, encoding="utf-8")
    return folder


def states_bytes(*, epoch: int, step: int | None, metrics: Mapping[str, float] | None = None) -> bytes:
    """The bytes of a `.states` file."""
    values = {"hmean": 0.5} if metrics is None else metrics
    best = {key: np.float64(value) for key, value in values.items()}
    document: dict[str, Any] = {
        "best_model_dict": {**best, "fps": 12.5, "is_float16": False, "start_epoch": 1, "best_epoch": epoch},
        "epoch": epoch,
    }
    if step is not None:
        document["global_step"] = step
    return pickle.dumps(document, protocol=2)


def snapshot_of(
    parent: Path,
    *,
    epoch: int = 1,
    step: int = 10,
    kind: str = "latest",
    metrics: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Snapshot:
    """A snapshot of a new checkpoint set, both under `parent`."""
    prefix = write_checkpoint(parent / "trainer" / kind, epoch=epoch, step=step, metrics=metrics, seed=seed)
    return take_snapshot(prefix, kind, parent / "snapshots")


def set_bytes(prefix: Path) -> list[bytes]:
    """The bytes of the three files of a set."""
    return [Path(f"{prefix}{suffix}").read_bytes() for suffix in SUFFIXES]


class FolderArtifacts:
    """An artifact store in a folder, which notes the order of uploads: the real one is tested in test_tracking."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uploads: list[str] = []

    def upload(self, local: Path, folder: str = "") -> None:
        """Copy `local` to `root`/`folder`."""
        where = f"{folder}/{local.name}".lstrip("/")
        target = self.root / where
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(local, target)
        self.uploads.append(where)

    def require_run(self) -> None:
        """There is no server that could refuse it."""

    def list(self, folder: str) -> dict[str, int]:
        """Files of `folder` with sizes; folders end in "/"."""
        start = self.root / folder
        entries = sorted(start.iterdir()) if start.is_dir() else []
        return {
            f"{folder}/{entry.name}" + ("/" if entry.is_dir() else ""): entry.stat().st_size * entry.is_file()
            for entry in entries
        }

    def download(self, path: str, folder: Path) -> Path:
        """Copy the artifact `path` into `folder`; raises `TrackingError` where there is none."""
        source = self.root / path
        if not source.is_file():
            raise TrackingError(f"no artifact {path}")
        target = folder / source.name
        shutil.copyfile(source, target)
        return target

    def read_back(self, path: str, target: Path | None = None) -> str:
        """The sum of what `download` gives."""
        with tempfile.TemporaryDirectory() as folder:
            got = self.download(path, Path(folder))
            if target is not None:
                shutil.copyfile(got, target)
            return sha256_of(got)


def store_on(artifacts: Any, *, common: Sequence[Path] = (), model: str = "det") -> CheckpointStore:
    """A checkpoint store of the model `model` on the dataset "digest-1"."""
    return CheckpointStore(
        artifacts, model=model, dataset_digest="digest-1", versions={"paddle": "3.0.0"}, common=common
    )


def read_manifest(artifacts: FolderArtifacts, step: int) -> CheckpointManifest:
    """The manifest stored for the checkpoint at `step`."""
    path = artifacts.root / f"checkpoints/step_{step:08d}/manifest.json"
    return CheckpointManifest.from_json(path.read_text(encoding="utf-8"))


def make_run(folder: Path, **changes: Any) -> Run:
    """A detection run of 4 epochs with 10 steps each, in `folder`."""
    run = Run(
        run_id="0" * 32,
        folder=folder,
        model="det",
        task="det",
        main_metric="hmean",
        epochs=4,
        steps_per_epoch=10,
        config=folder / "config.yml",
    )
    return replace(run, **changes)


# SQLAlchemy says so of MLflow's own models when its store is opened first; nothing here can change them.
MLFLOW_WARNING = "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"


def mlflow_store(folder: Path, template: Path) -> str:
    """The URI of a new, empty MLflow store in `folder`.

    MLflow takes seconds to make its tables: they are made once, as the file `template`, and copied.
    """
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if not template.exists():
        mlflow.MlflowClient(f"sqlite:///{template}.part").search_experiments(max_results=1)
        Path(f"{template}.part").replace(template)
    shutil.copyfile(template, folder / "mlflow.db")
    return f"sqlite:///{folder / 'mlflow.db'}"
