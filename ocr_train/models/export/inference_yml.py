"""inference.yml of an exported folder: what PaddleOCR's own predictors and PaddleX read beside network and weights.

Its shape is that of `dump_infer_config` in PaddleOCR's ppocr/utils/export_model.py (2.10 to 3.7). PaddleX (3.4 and 3.7
were read: `inference/models/text_recognition/predictor.py`) asks two things more than PaddleOCR writes of itself:
`Global.model_name`, a name from PaddleX's own list, and no transform but those that its predictors know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ocr_train.config.overrides import get_key, set_key
from ocr_train.data.dictionary import read_dictionary
from ocr_train.weights.distillation import student_config, student_of

INFERENCE_YML = "inference.yml"
OFFICIAL: Mapping[str, Mapping[str, Any]] = {
    "PP-OCRv4_mobile_det": {
        "model_type": "det",
        "Backbone.name": "PPLCNetV3",
        "Backbone.scale": 0.75,
        "Neck.name": "RSEFPN",
        "Head.name": "DBHead",
    },
    "PP-OCRv4_server_det": {
        "model_type": "det",
        "Backbone.name": "PPHGNet_small",
        "Neck.name": "LKPAN",
        "Head.name": "PFHeadLocal",
    },
    "PP-OCRv5_server_det": {
        "model_type": "det",
        "Backbone.name": "PPHGNetV2_B4",
        "Neck.name": "LKPAN",
        "Head.name": "PFHeadLocal",
    },
    "PP-OCRv3_mobile_det": {
        "model_type": "det",
        "Backbone.name": "MobileNetV3",
        "Backbone.scale": 0.5,
        "Neck.name": "RSEFPN",
        "Head.name": "DBHead",
    },
    "PP-OCRv3_server_det": {
        "model_type": "det",
        "Backbone.name": "ResNet_vd",
        "Neck.name": "LKPAN",
        "Head.name": "DBHead",
    },
    "PP-OCRv4_mobile_rec": {"algorithm": "SVTR_LCNet", "Backbone.name": "PPLCNetV3", "Backbone.scale": 0.95},
    "PP-OCRv4_server_rec": {"algorithm": "SVTR_HGNet", "Backbone.name": "PPHGNet_small"},
    "PP-OCRv5_server_rec": {"algorithm": "SVTR_HGNet", "Backbone.name": "PPHGNetV2_B4"},
    "PP-OCRv3_mobile_rec": {
        "algorithm": "SVTR_LCNet",
        "Backbone.name": "MobileNetV1Enhance",
        "Backbone.scale": 0.5,
    },
    "ch_SVTRv2_rec": {"algorithm": "SVTR_HGNet", "Backbone.name": "SVTRv2"},
}
"""Official names and what is particular to their `Architecture`, from the configurations of those names in PaddleOCR's
configs/det and configs/rec. The mobile networks of PP-OCRv5 are those of v4."""
RESIZERS = ("RecResizeImg", "SVTRRecResizeImg", "ClsResizeImg", "ABINetRecResizeImg", "NRTRRecResizeImg")
"""Transforms that give a crop its size."""
NAME_KEYS = ("Global.model_name", "Global.pdx_model_name")
"""How PaddleOCR 3 and 2.10 call the name."""


def official_name(config: Mapping[str, Any]) -> str:
    """The name for `Global.model_name`: the configuration's own, else the first official one whose network this is;
    empty where there is none."""
    for key in NAME_KEYS:
        name = get_key(config, key, None)
        if isinstance(name, str) and name:
            return name
    if student := student_of(config):
        config = student_config(config, student)
    architecture = get_key(config, "Architecture", None)
    return next(
        (
            name
            for name, particulars in OFFICIAL.items()
            if all(get_key(architecture, key, None) == value for key, value in particulars.items())
        ),
        "",
    )


def image_transforms(config: Mapping[str, Any]) -> list[Any]:
    """The Eval transforms without what encodes labels: inference has none, and PaddleX's recognition ends with an
    AssertionError at `CTCLabelEncode`."""
    transforms = get_key(config, "Eval.dataset.transforms")
    return [one for one in transforms if not any("LabelEncode" in str(name) for name in one)]


def characters_of(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """The classes of the exported recogniser in `folder` without blank and space; none of what is no recogniser."""
    if (folder / "dict.txt").is_file():
        return list(read_dictionary(folder / "dict.txt").entries)
    is_rec = get_key(config, "Architecture.model_type", "") == "rec"
    return list("0123456789abcdefghijklmnopqrstuvwxyz") if is_rec else []


def operator_of(config: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """The settings of the first of these operators among the Eval transforms; empty where there is none."""
    for entry in get_key(config, "Eval.dataset.transforms"):
        for name in names:
            if isinstance(entry, dict) and name in entry:
                return entry[name] or {}
    return {}


def describe_for_export(document: dict[str, Any]) -> None:
    """Change the configuration of export_model.py so that the inference.yml that it writes can be read elsewhere."""
    if name := official_name(document):
        for key in NAME_KEYS:
            set_key(document, key, name)
    set_key(document, "Eval.dataset.transforms", image_transforms(document))


def write_inference_yml(folder: Path, config: Mapping[str, Any]) -> None:
    """Write inference.yml where PaddleOCR did not: older ones do not."""
    if (folder / INFERENCE_YML).is_file():
        return
    name = official_name(config)
    post = dict(config["PostProcess"])
    if (folder / "dict.txt").is_file():
        post["character_dict"] = characters_of(folder, config)
    document = {
        **({"Global": {"model_name": name}} if name else {}),
        "PreProcess": {"transform_ops": image_transforms(config)},
        "PostProcess": post,
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    (folder / INFERENCE_YML).write_text(text, encoding="utf-8")
