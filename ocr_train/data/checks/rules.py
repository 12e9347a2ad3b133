"""What the labels of a PaddleOCR configuration must keep to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.data.checks.kie import KieRules
from ocr_train.data.checks.problems import LABEL_TASKS
from ocr_train.data.checks.tables import TableRules
from ocr_train.data.checks.validate import Rules
from ocr_train.data.dictionary import DEFAULT_CHARSET, Dictionary
from ocr_train.ocr_engine.files import open_regular

_STRIDES = {("CRNN", "MobileNetV3"): 4, ("SVTR_LCNet", "PPLCNetV3"): 8}
"""Input pixels for one output step across the width, by algorithm and backbone."""
_MOST_STEPS = {"PPLCNetV3": 40}
"""Output steps in training, whatever the width: 320 pixels are what it is made for (`adaptive_avg_pool2d` in
ppocr/modeling/backbones/rec_lcnetv3.py)."""


_READERS = {
    "table": ("PubTabDataSet", "PubTabTableRecDataset"),
    "kie": ("SimpleDataSet", "KieDataset"),
}
"""Whose label files are known here, for models that have several kinds of data sets; the second name is PaddleX's for the
first."""
_TABLE_ENCODERS = ("TableLabelEncode", "TableMasterLabelEncode")
_OF_TOKENS = "VQATokenLabelEncode"


def is_checked(task: str, trainer: Mapping[str, Any]) -> bool:
    """Whether the labels of such a model are known here: else they are passed on to PaddleOCR as they are."""
    readers = _READERS.get(task)
    return task in LABEL_TASKS and (
        readers is None or get_key(trainer, "Train.dataset.name", readers[0]) in readers
    )


def label_rules(task: str, trainer: Mapping[str, Any], dictionary: Dictionary | None) -> Rules:
    """What the labels of this PaddleOCR configuration must keep to."""
    if task == "cls":
        labels = get_key(trainer, "Global.label_list", None) or ()
        return Rules(task=task, label_list=tuple(str(label) for label in labels))
    if task == "table":
        return Rules(task=task, table=_table_rules(trainer))
    if task == "kie":
        return Rules(task=task, kie=_kie_rules(trainer))
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


def _encoder(trainer: Mapping[str, Any], *names: str) -> tuple[str, Mapping[str, Any]]:
    """The first of the operators `names` that the training samples go through, and its settings; `Global`'s take
    precedence over its own, as in PaddleOCR's `create_operators`."""
    for name in names:
        own = get_key(trainer, f"Train.dataset.transforms.{name}", False)
        if own is not False:
            both = (own, get_key(trainer, "Global", None))
            return name, {key: value for one in both if isinstance(one, dict) for key, value in one.items()}
    return "", {}


def _table_rules(trainer: Mapping[str, Any]) -> TableRules:
    _, settings = _encoder(trainer, *_TABLE_ENCODERS)
    merged = bool(settings.get("merge_no_span_structure", False))
    tokens = _lines(settings.get("character_dict_path"))
    if tokens is not None and merged:
        tokens = (tokens | {"<td></td>"}) - {"<td>"}
    # What replaces an empty cell is another token, by what is in the cell.
    known = tokens if not settings.get("replace_empty_cell_token") else None
    return TableRules(
        tokens=known,
        most_tokens=_whole(settings.get("max_text_length")),
        box_numbers=_whole(settings.get("loc_reg_num", 4)) if settings else None,
        merged=merged,
    )


def _kie_rules(trainer: Mapping[str, Any]) -> KieRules:
    name, settings = _encoder(trainer, _OF_TOKENS, "KieLabelEncode")
    classes, of_tokens = _lines(settings.get("class_path")), name == _OF_TOKENS
    if classes is not None and of_tokens:
        classes = frozenset(line.strip().upper() for line in classes if line.strip())
    linked = bool(settings.get("contains_re", False)) if of_tokens else None if not name else False
    return KieRules(classes=classes, of_tokens=of_tokens, linked=linked)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _lines(path: object) -> frozenset[str] | None:
    """The lines of a dictionary or a class list; None where there is no such file to compare with."""
    if not isinstance(path, str) or not Path(path).is_file():
        return None
    with open_regular(Path(path)) as stream:
        return frozenset(line.decode("utf-8", "replace").strip("\r\n") for line in stream)
