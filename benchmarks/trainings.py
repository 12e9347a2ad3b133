"""One training, bare and tracked: the same tools/train.py with the same configuration, interpreter and variables.

CRNN with MobileNetV3 at 32x100 on drawn words, 4 epochs of 15 steps: a line of metrics each step, a checkpoint and an
evaluation each epoch.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults.evidence import printed_in
from benchmarks.process_watch import Training, watch
from ocr_train.tracking.metric_names import shown_name
from ocr_train.trainer.device import choose_device, trainer_env
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.paddleocr import find_paddleocr, trainer_argv
from tests.commands import client
from tests.faults import Servers

PROJECT = Path(__file__).resolve().parents[1]
MODEL = "rec_mv3_none_bilstm_ctc"
EPOCHS, STEPS_AN_EPOCH, BATCH, VALIDATION = 4, 15, 4, 16
LOOKED_AT = 8
EXPERIMENT = "tracking"
OVERRIDES = (
    "Global.print_batch_step=1 Global.log_smooth_window=1 Global.save_epoch_step=1 "
    "Train.loader.num_workers=1 Eval.loader.num_workers=0"
)
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """A tracked training: what was seen of it, and its id in MLflow."""

    training: Training
    folder: Path
    run_id: str


@dataclass(kw_only=True)
class Trainings:
    """Runs them, each in a folder of its own below `folder`, all with the servers of `env`."""

    folder: Path
    env: Mapping[str, str]
    epochs: int = EPOCHS
    config: Path | None = None
    count: int = 0

    @property
    def data(self) -> Path:
        """The labels and images that all train on."""
        return self.folder / "data"

    def draw_data(self) -> None:
        """Make them: as many as are needed, checked like any others when a training begins."""
        every = self.folder / "drawn"
        draw = ("demo-data", str(every), "--task", "rec", "--count", str(2 * STEPS_AN_EPOCH * BATCH))
        subprocess.run(
            [sys.executable, "-m", "ocr_train", *draw],
            env=dict(self.env),
            cwd=PROJECT,
            check=True,
            capture_output=True,
        )
        for part, count in (("train", STEPS_AN_EPOCH * BATCH), ("val", VALIDATION)):
            lines = (every / f"{part}.txt").read_text(encoding="utf-8").splitlines()[:count]
            (self.data / part).mkdir(parents=True)
            (self.data / f"{part}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            for line in lines:
                name = line.split("\t")[0]
                shutil.copyfile(every / name, self.data / name)

    def tracked(self, *, look: bool, env: Mapping[str, str] | None = None) -> TrackedRun:
        """`python -m ocr_train train`; `env` is beside everybody's. The first one's configuration is what bare
        trainings get."""
        folder = self._new_folder("tracked")
        argv = [sys.executable, "-m", "ocr_train", "train", *self.options(look=look)]
        training = self._watched(argv, folder, {**self.env, **(env or {})}, lambda: _log_of(folder))
        run = _run_in(folder)
        if self.config is None:
            self.config = run / "config.yml"
        return TrackedRun(training=training, folder=run, run_id=run.name)

    def until_first_step(self, argv: Sequence[str], *, cwd: Path, folder: str = "outputs") -> Training:
        """`argv`, stopped as soon as its trainer took a step; its runs are in `folder` of `cwd`."""

        def stop(pid: int) -> None:
            os.kill(pid, signal.SIGTERM)

        return self._watched(argv, cwd, self.env, lambda: _log_of(cwd, folder), stop=stop)

    def bare(self) -> Training:
        """tools/train.py itself."""
        assert self.config is not None  # noqa: S101 - for mypy: a tracked run came first
        folder = self._new_folder("bare")
        config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        config["Global"]["save_model_dir"] = str(folder / "trainer")
        (folder / "config.yml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
        facts = probe(Path(sys.executable))
        device = choose_device("cpu", facts)
        argv = trainer_argv(
            Path(sys.executable),
            find_paddleocr("", facts),
            folder / "config.yml",
            device,
            log_dir=folder,
        )
        log = folder / "output.log"
        return self._watched(argv, folder, trainer_env(self.env, device), lambda: log)

    def options(self, *, look: bool) -> list[str]:
        """The parameters of the training, as options."""
        values = {
            "model": MODEL,
            "data": str(self.data),
            "epochs": str(self.epochs),
            "batch-size": str(BATCH),
            "gpus": "cpu",
            "sample-images": str(LOOKED_AT if look else 0),
            "evaluation-images": "0",
            "export": "false",
            "overrides": OVERRIDES,
        }
        return [word for key, value in values.items() for word in (f"--{key}", value)]

    def _new_folder(self, name: str) -> Path:
        self.count += 1
        folder = self.folder / f"{self.count:02d}-{name}"
        folder.mkdir()
        return folder

    def _watched(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], find_log: Any, *, stop: Any = None
    ) -> Training:
        output = cwd / "output.log"
        training = watch(argv, env=env, cwd=cwd, output=output, find_log=find_log, stop=stop)
        if (training.status and not stop) or training.first_step < 0:
            tail = "\n".join(output.read_text("utf-8", "replace").splitlines()[-15:])
            raise SystemExit(f"{' '.join(argv[:5])} ... ended with {training.status}:\n{tail}")
        return training


def _run_in(folder: Path, outputs: str = "outputs") -> Path:
    return next(path.parent for path in folder.glob(f"{outputs}/*/config.yml"))


def _log_of(folder: Path, outputs: str = "outputs") -> Path | None:
    return next(folder.glob(f"{outputs}/*/train.log"), None)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a run printed, and how much of it the server has: points of metrics; `looks` are its readings of samples,
    `status` is the run's."""

    printed: int
    found: int
    looks: int
    status: str


def delivery_of(run: TrackedRun, uri: str) -> Delivery:
    """Count, through MLflow's own client."""
    printed = printed_in(run.folder).points
    wanted = Counter({point: len(values) for point, values in printed.items()})
    mlflow = client(uri)
    there: Counter[tuple[str, int]] = Counter()
    for name in sorted({name for name, _ in wanted}):
        there.update((name, one.step) for one in mlflow.get_metric_history(run.run_id, shown_name(name)))
    return Delivery(
        printed=wanted.total(),
        found=(wanted & there).total(),
        looks=len(mlflow.get_metric_history(run.run_id, shown_name("sample/acc"))),
        status=str(mlflow.get_run(run.run_id).info.status),
    )


@contextmanager
def running_servers(folder: Path) -> Iterator[tuple[Servers, dict[str, str]]]:
    """An MLflow server and an S3 server, with the environment of a run whose artifacts go to S3 directly."""
    servers = Servers(folder, None, s3=True)
    try:
        servers.start()
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        kept = {name: value for name, value in kept.items() if not name.startswith("MLFLOW_")}
        env = {
            **kept,
            **servers.address.env(),
            "PYTHONPATH": str(PROJECT),
            "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
        }
        # `mlflow run` starts the first python on PATH.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        env |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PATH": path}
        client(servers.uri).create_experiment(EXPERIMENT, artifact_location="s3://ocr-train/tracking")
        yield servers, env
    finally:
        servers.stop()
