"""The lively models and real images for them, made once for all tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocr_train.models.inference import Model
from tests.commands import REPO, environment
from tests.lively_models import write_config

PYTHON = Path(sys.executable)
ENV = {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}


@dataclass(frozen=True, kw_only=True)
class Kit:
    """A model of each task on disk, and real images for it."""

    folder: Path
    images: Mapping[str, Sequence[Path]]

    def model(self, task: str, kind: str = "checkpoint") -> Model:
        """The model as a checkpoint, exported, or as ONNX."""
        home = self.folder / task if kind == "checkpoint" else self.folder / task / "exported"
        path = home / "model" if kind == "checkpoint" else home
        return Model(kind=kind, path=path, config=home / "config.yml", python=PYTHON, root=Path())


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Kit:
    """Both models, made at the same time."""
    folder = tmp_path_factory.mktemp("lively")
    images, making = {}, []
    for task, count in (("det", 4), ("rec", 40)):
        images[task] = sorted((shared / "data" / "wires" / task / "val").iterdir())[:count]
        write_config(task, folder / task)
        argv = [
            sys.executable,
            "-m",
            "tests.lively_models",
            task,
            str(folder / task),
            *map(str, images[task][:8]),
        ]
        making.append(
            subprocess.Popen(
                argv,
                cwd=REPO,
                env=environment(ENV),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
    for process in making:
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said.decode()
    return Kit(folder=folder, images=images)
