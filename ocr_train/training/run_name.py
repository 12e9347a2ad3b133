"""What a run and its data are called: model, data, what was changed, and when."""

from __future__ import annotations

import re
import time

from ocr_train.config.data_sources import joined_name
from ocr_train.config.experiment import Experiment
from ocr_train.config.overrides import flatten, parse_overrides
from ocr_train.redaction.redactor import redactor

LIMIT = 60
"""Characters of a name: MLflow's table shows about as many."""
_SHORT = {
    "pretrained": "from",
    "freeze": "freeze",
    "freeze_bn": "bn",
    "weights_only": "weights",
    "epochs": "ep",
    "batch_size": "bs",
    "learning_rate": "lr",
    "cpus": "cpus",
    "seed": "seed",
}
"""The parameters that decide what is learnt, in the order of the table, and what they are called in a name."""
_SAME_TRAINING = re.compile(
    r"Global\.(print|save|log|cal_metric|use_visualdl)\w*|.*\.(num_workers|use_shared_memory)"
)
"""Settings that change nothing about what is learnt."""
_VALUE = 14
"""Characters of a value."""


def run_name(experiment: Experiment) -> str:
    """Such as rec-wires-lr0.001-bs8-1126-230102: of what does not fit, a `+` says that there is more."""
    begins = f"{experiment.name}-{'demo' if experiment.demo else joined_name(experiment.sources)}"
    ends = ("-resumed" if experiment.resume not in ("", "auto") else "") + time.strftime("-%m%d-%H%M%S")
    name = begins
    for change in _changes(experiment):
        if len(name) + len(change) + len(ends) + 3 > LIMIT:
            name += "-+"
            break
        name += f"-{change}"
    return name + ends


def dataset_name(experiment: Experiment) -> str:
    """What MLflow calls the data: after the folder, the archive or the prefix in the bucket."""
    return f"demo-{experiment.name}" if experiment.demo else joined_name(experiment.sources)


def _changes(experiment: Experiment) -> list[str]:
    """What was given besides model and data, without what is secret."""
    redact = redactor()
    launch = vars(experiment.launch)
    given = [(short, str(launch[name]), name) for name, short in _SHORT.items() if launch[name]]
    overrides, _ = parse_overrides(experiment.launch.overrides)
    for key, value in flatten(overrides) if overrides else ():
        if not _SAME_TRAINING.fullmatch(key.lstrip("+")):
            given.append((key.rpartition(".")[2], str(value), key))
    return [
        f"{short}{_plain(value, short)}" for short, value, name in given if redact.value(name, value) == value
    ]


def _plain(value: str, before: str) -> str:
    """`value` in characters that need no quotes; a word is set apart from the one before."""
    plain = re.sub(r"[^\w.+]+", "_", value.rstrip("/").rpartition("/")[2]).strip("_")[:_VALUE]
    return plain if plain[:1].isdigit() or not before else f"-{plain}"
