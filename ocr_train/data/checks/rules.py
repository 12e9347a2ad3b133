"""What the labels of a PaddleOCR configuration must keep to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.data.checks.validate import Rules
from ocr_train.data.dictionary import DEFAULT_CHARSET, Dictionary

_STRIDES = {("CRNN", "MobileNetV3"): 4, ("SVTR_LCNet", "PPLCNetV3"): 8}
"""Input pixels for one output step across the width, by algorithm and backbone."""
_MOST_STEPS = {"PPLCNetV3": 40}
"""Output steps in training, whatever the width: 320 pixels are what it is made for (`adaptive_avg_pool2d` in
ppocr/modeling/backbones/rec_lcnetv3.py)."""


def label_rules(task: str, trainer: Mapping[str, Any], dictionary: Dictionary | None) -> Rules:
    """What the labels of this PaddleOCR configuration must keep to."""
    if task == "cls":
        labels = get_key(trainer, "Global.label_list", None) or ()
        return Rules(task=task, label_list=tuple(str(label) for label in labels))
    if task != "rec":
        return Rules(task=task)
    return Rules(
        task=task,
        charset=dictionary.charset if dictionary else DEFAULT_CHARSET,
        use_space_char=bool(get_key(trainer, "Global.use_space_char", False)),
        lower=dictionary is None,
        max_text_length=get_key(trainer, "Global.max_text_length", None),
        ctc_steps=_ctc_steps(trainer),
    )


def _ctc_steps(trainer: Mapping[str, Any]) -> int | None:
    """Output steps of the models whose stride is known here; None for others."""
    shape = get_key(trainer, "Train.dataset.transforms.RecResizeImg.image_shape", None)
    backbone = get_key(trainer, "Architecture.Backbone.name", "")
    stride = _STRIDES.get((str(get_key(trainer, "Architecture.algorithm", "")), str(backbone)))
    if not stride or not isinstance(shape, list):
        return None
    steps = int(shape[-1]) // stride
    return min(steps, _MOST_STEPS.get(str(backbone), steps))
