"""What the labels of a PaddleOCR configuration must keep to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.data.checks.validate import Rules
from ocr_train.data.dictionary import DEFAULT_CHARSET, Dictionary

CTC_STRIDE = 4
"""Input pixels for one output step of CRNN's MobileNetV3, across the width."""


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
    """Output steps of a CRNN with MobileNetV3; None for models whose stride is not known here."""
    shape = get_key(trainer, "Train.dataset.transforms.RecResizeImg.image_shape", None)
    if (
        get_key(trainer, "Architecture.algorithm", "") != "CRNN"
        or get_key(trainer, "Architecture.Backbone.name", "") != "MobileNetV3"
        or not isinstance(shape, list)
    ):
        return None
    return int(shape[-1]) // CTC_STRIDE
