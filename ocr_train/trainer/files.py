"""The files that PaddleOCR writes: the only module that knows how it names checkpoints.

    <prefix>.pdopt, .pdparams, .states     one checkpoint; `.states` is written last (ppocr/utils/save_load.py)

The last part of the prefix is `latest`, `best_accuracy` or `iter_epoch_<epoch>` (tools/program.py).
"""

from __future__ import annotations

import re
from pathlib import Path

WEIGHTS, OPTIMIZER, STATES = ".pdparams", ".pdopt", ".states"
SUFFIXES = (WEIGHTS, OPTIMIZER, STATES)
"""The files of one checkpoint."""
LATEST_NAME, BEST_NAME, EPOCH_START = "latest", "best_accuracy", "iter_epoch_"
_EPOCH_NAME = re.compile(rf"{EPOCH_START}\d{{1,9}}", re.ASCII)


def weights_of(prefix: Path | str) -> Path:
    """The weights of the checkpoint at `prefix`."""
    return Path(f"{prefix}{WEIGHTS}")


def optimizer_of(prefix: Path | str) -> Path:
    """The state of the optimizer and of the schedule of the checkpoint at `prefix`."""
    return Path(f"{prefix}{OPTIMIZER}")


def states_of(prefix: Path | str) -> Path:
    """The pickle with epoch, step and best metrics of the checkpoint at `prefix`."""
    return Path(f"{prefix}{STATES}")


def files_of(prefix: Path | str) -> list[Path]:
    """Those files of the checkpoint at `prefix` that are there."""
    return [path for path in (Path(f"{prefix}{suffix}") for suffix in SUFFIXES) if path.is_file()]


def checkpoint_kind(name: str) -> str:
    """ "latest", "best" or "epoch" for a checkpoint that PaddleOCR named so; nothing for any other name."""
    known = {LATEST_NAME: "latest", BEST_NAME: "best"}
    return known.get(name) or ("epoch" if _EPOCH_NAME.fullmatch(name) else "")
