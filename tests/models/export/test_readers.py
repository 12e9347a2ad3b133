"""What the README says of rapidocr and PaddleOCR 3: parameters, and what no parameter can say."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_train.models.export.readers import elsewhere, rapidocr_params
from tests.models.export.lively_ppocrv4 import NETWORKS

MODEL = {"task": "det", "backends": ["paddle", "onnx"]}


def detector(resize: Any, architecture: Any = NETWORKS["det"]) -> dict[str, Any]:
    """A detector's configuration with this resizing."""
    transforms = [
        {"DetResizeForTest": resize},
        {"NormalizeImage": {"mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0]}},
    ]
    return {
        "Global": {},
        "Architecture": architecture,
        "PostProcess": {"name": "DBPostProcess", "box_thresh": 0.6},
        "Eval": {"dataset": {"transforms": transforms}},
    }


@pytest.mark.parametrize(
    ("resize", "side", "kind", "differs"),
    [
        ({"limit_side_len": 960, "limit_type": "max"}, 960, "max", False),
        (None, 736, "min", False),
        ({"image_shape": [736, 1280]}, 1280, "max", True),
        ({"resize_long": 640}, 640, "max", True),
    ],
)
def test_rapidocr_is_told_how_pages_are_resized(resize: Any, side: int, kind: str, differs: bool) -> None:
    """As evaluation does it, and a sentence where no parameter can say so."""
    config = detector(resize)
    params = rapidocr_params("det", config)
    assert (params["Det.limit_side_len"], params["Det.limit_type"]) == (side, kind)
    assert (params["Det.mean"], params["Det.box_thresh"], params["Det.unclip_ratio"]) == (
        [0.1, 0.2, 0.3],
        0.6,
        2.0,
    )
    text = elsewhere(MODEL, config)
    assert ("boxes may differ" in text) == differs
    assert (
        f'model_name="PP-OCRv4_mobile_det", model_dir=".", limit_side_len={side}, limit_type="{kind}"' in text
    )


def test_what_cannot_be_read_elsewhere_is_said() -> None:
    """No ONNX model, an architecture without a name, a task that they have not."""
    assert "export with `--onnx`" in elsewhere({**MODEL, "backends": ["paddle"]}, detector(None))
    other = {"model_type": "det", "algorithm": "DB", "Backbone": {"name": "MobileNetV3"}}
    assert "there is none for this architecture" in elsewhere(MODEL, detector(None, other))
    assert "detectors and recognisers" in elsewhere({**MODEL, "task": "cls"}, detector(None))


@pytest.mark.parametrize(
    ("resize", "said"),
    [
        ({"RecResizeImg": {"image_shape": [3, 48, 320]}}, "wider than 6.7 times its height"),
        ({"RecResizeImg": {"image_shape": [3, 32, 100]}}, "wider than 3.1 times its height"),
        ({"RecResizeImg": {"image_shape": [3, 48, 320], "padding": False}}, "Its texts may differ"),
        ({"SVTRRecResizeImg": {"image_shape": [3, 48, 320]}}, "Its texts may differ"),
    ],
)
def test_rapidocr_is_told_how_crops_are_resized(resize: Any, said: str) -> None:
    """Height and width, one crop at a time, and what differs all the same."""
    config = detector(None, NETWORKS["rec"])
    config["Eval"]["dataset"]["transforms"] = [resize]
    (settings,) = resize.values()
    params = rapidocr_params("rec", config)
    assert (params["Rec.rec_img_shape"], params["Rec.rec_batch_num"]) == (settings["image_shape"], 1)
    assert said in elsewhere({**MODEL, "task": "rec"}, config)
