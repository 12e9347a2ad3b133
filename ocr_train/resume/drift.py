"""What has changed: the resolved configuration of a run against that of the run it continues."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_train.config.overrides import flatten
from ocr_train.ocr_engine.files import read_regular

_ABSENT = object()
LEFT_OUT = frozenset(
    [
        *(
            "Global.save_model_dir",
            "Global.checkpoints",
            "Global.pretrained_model",
            "Global.save_inference_dir",
        ),
        *("Global.save_res_path", "Global.infer_img", "Global.character_dict_path", "Global.use_gpu"),
        *("Global.distributed", "Global.print_mem_info", "Train.dataset.data_dir", "Eval.dataset.data_dir"),
        *("Train.dataset.label_file_list", "Eval.dataset.label_file_list", "Global.use_visualdl"),
    ]
)
"""Paths and the machine's own: they always differ, and say nothing about the training."""
NOT_OF_THE_TRAINING = LEFT_OUT | {
    *("Global.print_batch_step", "Train.loader.num_workers", "Eval.loader.num_workers"),
    *("Train.loader.use_shared_memory", "Eval.loader.use_shared_memory"),
}
"""These may differ too between two starts of the same training (on another machine)."""


def drift(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`{key: {"old": ..., "new": ...}}` for every value of two configurations that differs, by dotted key.

    A value that one of them does not have is left out there. Paths are not compared.
    """
    before, after = dict(_leaves(old, LEFT_OUT)), dict(_leaves(new, LEFT_OUT))
    changed: dict[str, dict[str, Any]] = {}
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if was != now and not (_empty(was) and _empty(now)) and not (_is_path(was) and _is_path(now)):
            values = {"old": was, "new": now}
            changed[key] = {name: value for name, value in values.items() if value is not _ABSENT}
    return changed


def say_drift(changed: Mapping[str, Mapping[str, Any]]) -> str:
    """One line: `Optimizer.lr.learning_rate 0.001 -> 0.0005; ...`."""
    return "; ".join(
        f"{key} {values.get('old', '(absent)')} -> {values.get('new', '(absent)')}"
        for key, values in changed.items()
    )


def config_digest(config: Mapping[str, Any], dictionary: Path | None) -> str:
    """16 hexadecimal digits that two starts of the same training share, whatever their paths and machines."""
    leaves = {
        key: value
        for key, value in _leaves(config, NOT_OF_THE_TRAINING)
        if not _empty(value) and not _is_path(value)
    }
    text = json.dumps(leaves, sort_keys=True, ensure_ascii=False, default=str)
    content = read_regular(dictionary) if dictionary else b""
    return hashlib.sha256(text.encode() + b"\0" + content).hexdigest()[:16]


def _leaves(config: Mapping[str, Any], left_out: frozenset[str]) -> list[tuple[str, Any]]:
    # Through JSON, so that a tuple and a list, or a date and its text, are the same.
    plain = json.loads(json.dumps(config, default=str))
    return [(key, value) for key, value in flatten(plain) if key not in left_out]


def _empty(value: object) -> bool:
    return value is _ABSENT or value is None


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")
