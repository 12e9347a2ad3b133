"""A distillation trains several networks at once; one of them, the student, is what is used afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_train.config.overrides import get_key

_OF_TRAINING = ("pretrained", "freeze_params", "return_all_feats")
_OF_SEVERAL = ("model_name", "key", "multi_head", "base_metric_name")


def student_of(config: Mapping[str, Any]) -> str:
    """The name of the network whose metric counts, else of the first student; "" where there is one network only."""
    if get_key(config, "Architecture.algorithm", "") != "Distillation":
        return ""
    names = list(get_key(config, "Architecture.Models", None) or ())
    key = get_key(config, "Metric.key", "")
    students = [name for name in names if str(name).startswith("Student")]
    return str(next((name for name in (key, *students, *names[-1:]) if name in names), ""))


def student_config(config: Mapping[str, Any], student: str) -> dict[str, Any]:
    """The configuration of a model that is this network alone: what reads and exports it needs no more."""
    network = get_key(config, f"Architecture.Models.{student}")
    metric = get_key(config, "Metric", None) or {}
    plain = {key: value for key, value in config.items() if key != "Loss"}
    plain["Architecture"] = {
        "model_type": get_key(config, "Architecture.model_type"),
        **{key: value for key, value in network.items() if key not in _OF_TRAINING},
    }
    plain["PostProcess"] = _alone(config["PostProcess"])
    plain["Metric"] = {**_alone(metric), "name": metric.get("base_metric_name", metric.get("name"))}
    return plain


def _alone(part: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without what chooses among several networks."""
    kept = {key: value for key, value in part.items() if key not in _OF_SEVERAL}
    return {**kept, "name": str(part.get("name", "")).removeprefix("Distillation")}
