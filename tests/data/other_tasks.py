"""Labels of table and KIE models with their images, and small configurations of PaddleOCR's models for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from tests.data.formats.folders import HEIGHT, WIDTH

ROW = ("<tr>", "<td>", "</td>", "<td", ' colspan="2"', ">", "</td>", "</tr>")
CELLS = (
    {"tokens": ["<b>", "a", "</b>"], "bbox": [10, 20, 100, 60]},
    {"tokens": [], "bbox": [110, 20, 200, 60]},
)
CORNERS = [[10, 20], [100, 20], [100, 60], [10, 60]]
QUESTION = {"transcription": "Total", "label": "question", "points": CORNERS, "id": 1, "linking": [[1, 2]]}
ANSWER = {
    "transcription": "น้ำ",
    "label": "Answer",
    "points": [[110, 20], [200, 20], [200, 60], [110, 60]],
    "id": 2,
    "linking": [[1, 2]],
}


def table_row(
    filename: str = "0.png",
    tokens: Sequence[object] = ROW,
    cells: Sequence[object] = CELLS,
    **more: object,
) -> str:
    """A line of a table's labels."""
    html = {"structure": {"tokens": list(tokens)}, "cells": list(cells)}
    return json.dumps({"filename": filename, "html": html, **more}, ensure_ascii=False)


def kie_row(*items: Mapping[str, object], image: str = "0.png") -> str:
    """A line of KIE labels; of two boxes where none are given."""
    return f"{image}\t{json.dumps(list(items or (QUESTION, ANSWER)), ensure_ascii=False)}"


def images(folder: Path, count: int = 1) -> Path:
    """Images of 400 x 200 pixels, `0.png` and so on, each of another grey."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (WIDTH, HEIGHT), (number, number, number)).save(folder / f"{number}.png")
    return folder


def table_folder(folder: Path, count: int = 5, name: str = "gt.txt") -> Path:
    """What PPOCRLabel's table export leaves: one label file of JSON lines beside the images."""
    lines = [table_row(f"{number}.png") for number in range(count)]
    (images(folder, count) / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def kie_folder(folder: Path, count: int = 5, name: str = "Label.txt") -> Path:
    """One file of KIE labels beside the images."""
    lines = [kie_row(image=f"{number}.png") for number in range(count)]
    (images(folder, count) / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


_SHARED: dict[str, Any] = {
    "epoch_num": 1,
    "print_batch_step": 1,
    "save_epoch_step": 1,
    "eval_batch_step": [0, 1],
    "log_smooth_window": 1,
}
_ADAM = {"name": "Adam", "lr": {"name": "Const", "learning_rate": 0.001}}


def _parts(
    reader: str, transforms: Sequence[Any], keep: Sequence[str], more: Sequence[str] = ()
) -> dict[str, Any]:
    """The data of training and evaluation, which keeps `more` of a sample."""
    made = {}
    for name, kept in (("Train", keep), ("Eval", [*keep, *more])):
        steps = [*transforms, {"KeepKeys": {"keep_keys": [*kept]}}]
        loader = {
            "batch_size_per_card": 4 if name == "Train" else 1,
            "shuffle": False,
            "drop_last": False,
            "num_workers": 0,
        }
        made[name] = {"dataset": {"name": reader, "transforms": steps}, "loader": loader}
    return made


def table_model(folder: Path, **shared: Any) -> Path:
    """The configuration of a small SLANet: its dictionary of structures is PaddleOCR's own."""
    encode = {"merge_no_span_structure": True, "loc_reg_num": 4, "max_text_length": 30}
    size, scaled = (
        {"size": [64, 64]},
        {"mean": [0.5] * 3, "std": [0.5] * 3, "scale": "1./255.", "order": "hwc"},
    )
    transforms = [
        {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
        {"TableLabelEncode": encode},
        {"TableBoxEncode": {"in_box_format": "xyxy", "out_box_format": "xyxy"}},
        {"ResizeTableImage": {"max_len": 64}},
        {"NormalizeImage": scaled},
        {"PaddingTableImage": size},
        {"ToCHWImage": None},
    ]
    config = {
        "Global": {
            **_SHARED,
            "character_dict_path": "ppocr/utils/dict/table_structure_dict.txt",
            "max_text_length": 30,
            "cal_metric_during_train": True,
            **shared,
        },
        "Architecture": {
            "model_type": "table",
            "algorithm": "SLANet",
            "Backbone": {"name": "PPLCNet", "scale": 0.25, "pretrained": False, "use_ssld": False},
            "Neck": {"name": "CSPPAN", "out_channels": 16},
            "Head": {"name": "SLAHead", "hidden_size": 16, "max_text_length": 30, "loc_reg_num": 4},
        },
        "Loss": {"name": "SLALoss", "structure_weight": 1.0, "loc_weight": 2.0, "loc_loss": "smooth_l1"},
        "Optimizer": _ADAM,
        "PostProcess": {"name": "TableLabelDecode", "merge_no_span_structure": True},
        "Metric": {
            "name": "TableMetric",
            "main_indicator": "acc",
            "compute_bbox_metric": False,
            "loc_reg_num": 4,
        },
        **_parts(
            "PubTabDataSet", transforms, ("image", "structure", "bboxes", "bbox_masks", "length", "shape")
        ),
    }
    return _written(folder / "slanet.yml", config)


def kie_model(folder: Path, classes: Sequence[str] = ("other", "question", "Answer"), **shared: Any) -> Path:
    """The configuration of SDMGR, with the lists of its characters and classes beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "characters.txt").write_text("\n".join("Totalน้ำ") + "\n", encoding="utf-8")
    (folder / "classes.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    encode = {"character_dict_path": "characters.txt"}
    scaled = {"mean": [120.0] * 3, "std": [60.0] * 3, "scale": 1, "order": "hwc"}
    transforms = [
        {"DecodeImage": {"img_mode": "RGB", "channel_first": False}},
        {"NormalizeImage": scaled},
        {"KieLabelEncode": encode},
        {"KieResize": None},
        {"ToCHWImage": None},
    ]
    keep = ("image", "relations", "texts", "points", "labels", "tag", "shape")
    config = {
        "Global": {
            **_SHARED,
            "class_path": "classes.txt",
            "img_scale": [1024, 512],
            "cal_metric_during_train": False,
            **shared,
        },
        "Architecture": {
            "model_type": "kie",
            "algorithm": "SDMGR",
            "Transform": None,
            "Backbone": {"name": "Kie_backbone"},
            "Head": {"name": "SDMGRHead"},
        },
        "Loss": {"name": "SDMGRLoss"},
        "Optimizer": _ADAM,
        "PostProcess": {"name": "None"},
        "Metric": {"name": "KIEMetric", "main_indicator": "hmean"},
        **_parts("SimpleDataSet", transforms, keep),
    }
    return _written(folder / "sdmgr.yml", config)


def _written(path: Path, config: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
    return path
