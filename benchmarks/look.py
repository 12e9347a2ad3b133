"""`python -m benchmarks.look`: what looking at sample images costs the training, as a ratio of interleaved runs.

PaddleOCR trains the recognition demo with an evaluation, and so a look, each epoch; with and without, in turns. The
figure is the mean time of a step by PaddleOCR's own log, without the first line of a run. Bar: 1.05.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.table import Bar, Row, draw
from ocr_train.events import TrainProgress
from ocr_train.trainer.log_parser import parse_lines

BAR = Bar(limit=1.05, at_least=False)
EPOCHS = "4"


def main() -> int:
    """Measure, print the table; exit status 0 where the bar holds, 1 where it is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.look", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    ratios = []
    with tempfile.TemporaryDirectory(prefix="bench-look-") as folder:
        for number in range(rounds):
            without = step_s(Path(folder) / f"{number}-without", images=0)
            with_looks = step_s(Path(folder) / f"{number}-with", images=8)
            ratios.append(with_looks / without)
            print(
                f"round {number + 1}: {without:.3f} s a step without, {with_looks:.3f} s with looks",
                flush=True,
            )
    row = Row(name="a training step with looks / without", samples=ratios, unit="x", bar=BAR)
    print(draw([row]))
    return 1 if row.verdict == "missed" else 0


def step_s(folder: Path, *, images: int) -> float:
    """Mean seconds of a training step, in a run of its own in `folder`."""
    folder.mkdir()
    argv = [
        sys.executable,
        "-m",
        "ocr_train",
        "train",
        "--model",
        "rec_mv3_none_bilstm_ctc",
        "--epochs",
        EPOCHS,
        "--gpus",
        "cpu",
    ]
    argv += ["--sample-images", str(images), "--evaluation-images", "0", "--export", "false"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    env["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True)
    (log,) = folder.glob("outputs/*/train.log")
    costs = [
        event.metrics["train/batch_cost_s"]
        for event in parse_lines(log.read_text(encoding="utf-8").splitlines())
        if isinstance(event, TrainProgress) and "train/batch_cost_s" in event.metrics
    ]
    return statistics.mean(costs[1:])


if __name__ == "__main__":
    sys.exit(main())
