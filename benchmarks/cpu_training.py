"""`python -m benchmarks.cpu_training`: a training on the CPU as this project sets it up, and as PaddleOCR's own configuration.

CRNN with MobileNetV3 on the same drawn words, with the same batch in all: bare `tools/train.py` in an untouched
environment, with the workers and the batch of evaluation of PaddleOCR's file; and `train` with a process for each CPU.
The speed is PaddleOCR's own seconds a step. Each round has another seed for both, so that the losses at the end have a spread.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.program import Scene, run, say
from benchmarks.table import Row, at_least, at_most
from ocr_train.events import TrainProgress
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.log_parser import parse_lines
from ocr_train.trainer.paddleocr import TRAIN_SCRIPT, find_paddleocr

PROJECT = Path(__file__).resolve().parents[1]
BATCH, STEPS, EPOCHS = 32, 8, 2
PROCESSES = max(number for number in (1, 2, 4) if number <= (os.cpu_count() or 1))
STOCK = "Train.loader.num_workers=8 Eval.loader.num_workers=4 Eval.loader.batch_size_per_card=256"
"""PaddleOCR's configs/rec/rec_mv3_none_bilstm_ctc.yml."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Samples a second, and the loss of the last steps."""

    speed: float
    loss: float


def measure(scene: Scene) -> Iterator[Row]:
    """The ratio of the speeds, and the distance of the losses in spreads of those of the stock configuration."""
    if PROCESSES == 1:
        raise SystemExit("this machine has one CPU: there is nothing to share")
    config = _stock_config(scene.folder)
    stock, ours = [], []
    for seed in range(scene.rounds):
        stock.append(_stock(scene.folder / f"{seed}-stock", config, seed))
        ours.append(_ours(scene.folder / f"{seed}-ours", seed))
        say(f"round {seed + 1}: stock {stock[-1]}, ours {ours[-1]}")
    yield Row(
        name=f"CPU training, {PROCESSES} processes / stock configuration, same batch of {BATCH}",
        samples=[one.speed / other.speed for one, other in zip(ours, stock, strict=True)],
        unit="x",
        bar=at_least(1.6),
        note=f"{statistics.median(one.speed for one in ours):.1f} and "
        f"{statistics.median(one.speed for one in stock):.1f} samples a second",
    )
    losses = [one.loss for one in stock]
    spread = max(losses) - min(losses)
    apart = abs(statistics.median(losses) - statistics.median(one.loss for one in ours))
    yield Row(
        name=f"loss after {STEPS * EPOCHS} steps: distance / spread of {scene.rounds} seeds",
        samples=[apart / spread],
        unit="x",
        bar=at_most(1),
        note=f"stock {min(losses):.2f} .. {max(losses):.2f}, ours {min(one.loss for one in ours):.2f} .. "
        f"{max(one.loss for one in ours):.2f}",
    )


def _stock_config(folder: Path) -> dict[str, Any]:
    """Data are drawn and checked once; the configuration is the one of that training, with PaddleOCR's own loader."""
    _train(folder, "--epochs", "1", overrides=f"Train.dataset.ratio_list=[0.06] {STOCK}")
    [path] = folder.glob("outputs/*/config.yml")
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return config


def _stock(folder: Path, config: Mapping[str, Any], seed: int) -> Trained:
    folder.mkdir()
    own = yaml.safe_load(yaml.safe_dump(dict(config)))
    own["Global"] |= {"seed": seed, "epoch_num": EPOCHS, "save_model_dir": str(folder / "trainer")}
    own["Train"]["dataset"]["ratio_list"] = [STEPS * BATCH / 640]
    (folder / "config.yml").write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    script = find_paddleocr("", probe(Path(sys.executable))).root / TRAIN_SCRIPT
    with (folder / "train.log").open("wb") as log:
        subprocess.run(
            [sys.executable, str(script), "-c", str(folder / "config.yml")],
            check=True,
            env={**_environment(), "PYTHONUNBUFFERED": "1"},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    return _found(folder / "train.log", processes=1)


def _ours(folder: Path, seed: int) -> Trained:
    folder.mkdir()
    (folder / "outputs").mkdir()
    # The data that were drawn for all.
    (folder / "outputs" / "cache").symlink_to(folder.parent / "outputs" / "cache")
    share = f"Train.dataset.ratio_list=[{STEPS * BATCH / 640}]"
    _train(
        folder,
        "--epochs",
        str(EPOCHS),
        "--seed",
        "0",
        "--cpus",
        str(PROCESSES),
        overrides=f"{share} Global.seed={seed}",
    )
    [log] = folder.glob("outputs/*/train.log")
    return _found(log, processes=PROCESSES)


def _train(folder: Path, *words: str, overrides: str) -> None:
    argv = [sys.executable, "-m", "ocr_train", "train", "--model", "rec_mv3_none_bilstm_ctc", *words]
    argv += ["--sample-images", "0", "--evaluation-images", "0", "--export", "false", "--keep", "none"]
    argv += [
        "--batch-size",
        str(BATCH),
        "--overrides",
        f"Global.print_batch_step=2 Global.log_smooth_window=8 {overrides}",
    ]
    done = subprocess.run(argv, cwd=folder, env=_environment(), check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}")


def _environment() -> dict[str, str]:
    """As it is, without what decides about threads or tracking."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MLFLOW_") and name != "OMP_NUM_THREADS"
    }
    return {**kept, "PYTHONPATH": str(PROJECT), "NO_ALBUMENTATIONS_UPDATE": "1"}


def _found(log: Path, *, processes: int) -> Trained:
    """From PaddleOCR's own lines; the first of an epoch has the start of the workers in it, as in a real training."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    metrics = [event.metrics for event in parse_lines(lines) if isinstance(event, TrainProgress)]
    costs = [one["train/batch_cost_s"] for one in metrics if "train/batch_cost_s" in one][1:]
    if not costs:
        raise SystemExit(f"{log} has no steps")
    return Trained(speed=BATCH / statistics.mean(costs), loss=metrics[-1]["train/loss"])


if __name__ == "__main__":
    sys.exit(run("cpu_training", __doc__, measure))
