"""How training continues from a checkpoint: the command, made from what the run was launched with."""

from __future__ import annotations

from ocr_train.checkpoints.store import CheckpointManifest
from ocr_train.compare.values import RunData
from ocr_train.config.experiment import PARAMETERS, Launch
from ocr_train.config.parameters import start_of

_NOT_REPEATED = ("resume", "weights_only", "resume_mode", "offline")


def resume_command(run: RunData, checkpoint: CheckpointManifest) -> str:
    """The command that continues from `checkpoint`, begun as the run's own was; twice the epochs where the run has had all of its."""
    given = {
        name: run.params[name] for name in PARAMETERS if name not in _NOT_REPEATED and run.params.get(name)
    }
    given.setdefault("model", run.model or checkpoint.model)
    epochs = _whole(run.params.get("cfg/Global.epoch_num", "")) or _whole(given.get("epochs", ""))
    if epochs and checkpoint.epoch >= epochs:
        given["epochs"] = str(2 * epochs)
    start, options = start_of(run.tags.get("launch_command", ""))
    return Launch(**given, resume=f"{run.run_id}:step {checkpoint.step}").command(start, options=options)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
