"""`python -m benchmarks.finishing`: from the end of a training to a registered model, for rec and for det, on a CPU.

One training a task, by `train` in this process; then everything that comes after a training is done so many times: the
evaluation image by image, the export, its check, the MLflow model and its version in the registry. To each time is added
what lay between the trainer's last line and the first of them. The limits are seconds, as no other program does this.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.kept_models import keep_model
from benchmarks.program import Scene, run, say
from benchmarks.table import Row, at_most

LIMITS_S = {"rec": 20.0, "det": 60.0}
PROJECT = Path(__file__).resolve().parents[1]
_ONE = "--one-training"


def measure(scene: Scene) -> Iterator[Row]:
    """A row a task."""
    for task, limit in LIMITS_S.items():
        if scene.quick and task == "det":
            continue
        found = train_once(task, scene.folder / task, scene.rounds)
        say(f"{task}: {', '.join(f'{seconds:.1f} s' for seconds in found['seconds'])}")
        yield Row(
            name=f"end of a training to a registered model, {task}",
            samples=found["seconds"],
            unit="s",
            bar=at_most(limit),
            note=f"{found['read']}; {found['gap_s']:.1f} s of it until the trainer is gone",
        )


def train_once(task: str, folder: Path, rounds: int) -> dict[str, Any]:
    """A training in a process of its own, which imports, reads and registers; what its last part took, `rounds` times. The
    model is kept for other benchmarks."""
    folder.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    env["PYTHONPATH"] = str(PROJECT)
    argv = [sys.executable, "-m", "benchmarks.finishing", _ONE, task, str(rounds)]
    with (folder / "said.log").open("wb") as log:
        status = subprocess.run(argv, cwd=folder, env=env, stdout=log, stderr=log, check=False).returncode
    if status or not (folder / "found.json").is_file():
        raise SystemExit((folder / "said.log").read_text("utf-8", "replace")[-3000:])
    [exported], [images] = folder.glob("outputs/*/export"), folder.glob("outputs/cache/demo/*/val")
    keep_model(task, exported, images)
    found: dict[str, Any] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    return found


def _one_training(task: str, rounds: int) -> None:
    """`train`, whose last part is done `rounds` times and timed; a part that leaves something out ends it."""
    from ocr_train.cli import main as command_line
    from ocr_train.training import pipeline

    once = vars(pipeline)["finish"]
    seconds: list[float] = []
    found: dict[str, Any] = {}

    def repeated(*arguments: Any, **options: Any) -> Any:
        log = next(Path("outputs").glob("*/train.log"))
        found["gap_s"] = time.time() - log.stat().st_mtime
        for _ in range(rounds):
            start = time.perf_counter()
            done = once(*arguments, **options)
            seconds.append(time.perf_counter() - start + found["gap_s"])
            if done.notes or "version" not in done.model:
                raise SystemExit(f"not registered: {done}")
        found["read"] = done.finding.partition(" images")[0].removeprefix("On ") + " images"
        return done

    vars(pipeline)["finish"] = repeated
    sys.argv = [
        "ocr_train",
        "train",
        "--model",
        task,
        "--epochs",
        "1",
        "--gpus",
        "cpu",
        "--register",
        f"b-{task}",
    ]
    # Few steps: what comes after the training is what is measured.
    sys.argv += ["--keep", "none", "--overrides", "Train.dataset.ratio_list=[0.2]"]
    try:
        command_line.main()
    finally:
        Path("found.json").write_text(json.dumps({**found, "seconds": seconds}), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == [_ONE]:
        _one_training(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(run("finishing", __doc__, measure))
