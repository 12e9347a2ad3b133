"""What the trainer finished and nobody copied: a tracker that was killed leaves it in `trainer/` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.checkpoints.states_file import States, read_states
from ocr_train.errors import DataError
from ocr_train.ocr_engine.documents import read_yaml
from ocr_train.tracking.outbox import Checkpoint
from ocr_train.trainer.files import STATES, SUFFIXES, checkpoint_kind

TRAINER = "trainer"
_KINDS = (BEST, LATEST, "epoch")


def finished_sets(folder: Path, tags: Mapping[str, str], best: Mapping[str, float]) -> Sequence[Checkpoint]:
    """The whole sets in the run's folder that its last trainer wrote, by step, as `sync` stores them.

    `tags` are the run's own, for the step it was resumed from; `best` are the metrics to beat. PaddleOCR writes
    `.states` last (ppocr/utils/save_load.py): a set whose `.states` is older than its weights was overwritten
    in part, and what cannot be read to its end is torn.
    """
    config = folder / "config.yml"
    started = config.stat().st_mtime_ns if config.is_file() else 0
    offset = int(tags.get("resumed_from_step", "0") or 0)
    metric = main_metric(config)
    found = []
    for kind in _KINDS:
        for path in sorted((folder / TRAINER).glob(f"*{STATES}")):
            states = _whole(path, started) if checkpoint_kind(path.stem) == kind else None
            if states is not None and states.step is not None:
                score = states.metrics.get(metric)
                found.append(
                    Checkpoint(
                        path=str(path.with_suffix("")),
                        name=path.stem,
                        kind=kind,
                        step=offset + states.step,
                        epoch=states.epoch,
                        best=kind == BEST and score is not None and score >= best.get(metric, score),
                    )
                )
    return sorted(found, key=lambda one: one.step)


def _whole(path: Path, started_ns: int) -> States | None:
    """What the `.states` at `path` says, None where its set is not whole or was there before `started_ns`."""
    written = path.stat().st_mtime_ns
    others = [path.with_suffix(suffix) for suffix in SUFFIXES if suffix != path.suffix]
    if written < started_ns or not all(one.is_file() for one in others):
        return None
    if any(one.stat().st_mtime_ns > written for one in others):
        return None
    try:
        for one in others:
            screen(one)
        return read_states(path)
    except DataError:
        return None


def main_metric(config: Path) -> str:
    """The name of the main metric in a trainer's configuration, "" where it cannot be read."""
    try:
        document: Any = read_yaml(config)
        return str(document["Metric"]["main_indicator"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
