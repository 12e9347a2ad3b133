"""Starts PaddleOCR's tools/train.py once for each configuration, and imports Paddle once for all of them.

    PYTHON train_each.py TOOLS/train.py CONFIG.yml ...

Importing Paddle and PaddleOCR takes longer than a step of a small training. So it is done here, and each training is a
child made by `fork`: it finds everything imported and runs train.py as it is, as the main program. Paddle's DataLoader
makes its workers in the same way. Of threads there are two by then, of which none takes part in a training: one of
Paddle's that sleeps, and one of jemalloc's, which has its own hook for forks. No operator has run yet.
What a child prints goes to CONFIG.log, its exit status to CONFIG.rc.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import traceback
from pathlib import Path

AHEAD = (
    "paddle",
    "ppocr.data",
    "ppocr.modeling.architectures",
    "ppocr.losses",
    "ppocr.optimizer",
    "tools.program",
)
"""What train.py imports."""


def main(script: Path, configs: list[Path]) -> None:
    """Train with each configuration, one after another."""
    sys.path[0] = str(script.parent)
    sys.path.insert(0, str(script.parent.parent))
    for name in AHEAD:
        importlib.import_module(name)
    for config in configs:
        child = os.fork()
        if child == 0:
            train(script, config)
        status = os.waitpid(child, 0)[1]
        config.with_suffix(".rc").write_text(f"{os.waitstatus_to_exitcode(status)}", encoding="utf-8")


def train(script: Path, config: Path) -> None:
    """In a child: run train.py, and end with its exit status."""
    with config.with_suffix(".log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv = [str(script), "-c", str(config)]
    status = 0
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 1
    except BaseException:  # noqa: BLE001 - it goes to the log, as Python's own last words do
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
