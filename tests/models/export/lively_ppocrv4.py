"""Checkpoints of PP-OCRv4's two networks that say something without having been trained."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.commands import REPO, environment
from tests.lively_models import write_config

NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "det": {
        "model_type": "det",
        "algorithm": "DB",
        "Transform": None,
        "Backbone": {"name": "PPLCNetV3", "scale": 0.75, "det": True, "conv_kxk_num": 1},
        "Neck": {"name": "RSEFPN", "out_channels": 96, "shortcut": True},
        "Head": {"name": "DBHead", "k": 50},
    },
    "rec": {
        "model_type": "rec",
        "algorithm": "SVTR_LCNet",
        "Transform": None,
        "Backbone": {"name": "PPLCNetV3", "scale": 0.95, "conv_kxk_num": 1},
        "Neck": {
            "name": "SequenceEncoder",
            "encoder_type": "svtr",
            "dims": 120,
            "depth": 2,
            "hidden_dims": 120,
            "kernel_size": [1, 3],
            "use_guide": True,
        },
        "Head": {"name": "CTCHead", "fc_decay": 1.0e-05},
    },
}
SIZES: Mapping[str, Any] = {
    "DetResizeForTest": {"limit_side_len": 320, "limit_type": "max"},
    "RecResizeImg": {"image_shape": [3, 48, 320]},
}
BOXES = {
    "name": "DBPostProcess",
    "thresh": 0.3,
    "box_thresh": 0.5,
    "max_candidates": 1000,
    "unclip_ratio": 1.5,
}
_MAKE = """
import sys
from pathlib import Path
from tests import lively_models

def smooth_and_stretch(model, task, batch):
    # Random weights differ between the four pixels that one becomes, and no box is found in a chessboard.
    if task == "det":
        for layer in (model.head.binarize.conv2, model.head.binarize.conv3):
            layer.weight.set_value(layer.weight.mean(axis=[2, 3], keepdim=True).expand(layer.weight.shape))
    stretch(model, task, batch)

stretch, lively_models.stretch = lively_models.stretch, smooth_and_stretch
# The product exports it: doing so here, too, would take seconds.
lively_models.export = lambda folder: None
lively_models.make(sys.argv[1], Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
"""


def make_checkpoint(task: str, folder: Path, images: Sequence[Path]) -> Path:
    """`folder` with model.pdparams, config.yml and dict.txt; batch statistics are those of `images`."""
    path = write_config(task, folder)
    _change(path, {"Architecture": dict(NETWORKS[task])}, SIZES if task == "rec" else {})
    argv = [sys.executable, "-c", _MAKE, task, str(folder), *map(str, images)]
    done = subprocess.run(
        argv, cwd=REPO, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Images of one size make a batch; from here on pages keep their own.
    _change(path, {"PostProcess": BOXES} if task == "det" else {}, SIZES)
    return folder


def _change(path: Path, parts: Mapping[str, Any], sizes: Mapping[str, Any]) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8")) | parts
    for entry in config["Eval"]["dataset"]["transforms"]:
        entry.update({name: values for name, values in sizes.items() if name in entry})
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
