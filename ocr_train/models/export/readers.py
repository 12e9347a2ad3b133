"""What the README says about programs that are not PaddleOCR's scripts: rapidocr (ONNX), and PaddleOCR 3 (PaddleX).

Each has rules of its own for preparing images. Here are those of its parameters that make it prepare them as evaluation
did, and a plain sentence about what no parameter can say. docs/export.md tells what was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.models.export.inference_yml import RESIZERS, official_name, operator_of

_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_AS_IT_IS = {
    "Global.use_cls": False,
    "Global.use_preprocess_img": False,
    "Global.use_vertical_padding": False,
    "Global.text_score": 0.0,
}
"""No direction classifier, pages in their own size and without borders, texts of any score: as here."""
_DB = {
    "thresh": 0.3,
    "box_thresh": 0.7,
    "unclip_ratio": 2.0,
    "max_candidates": 1000,
    "use_dilation": False,
    "score_mode": "fast",
}
"""What PaddleOCR's DBPostProcess takes where the configuration says nothing (ppocr/postprocess/db_postprocess.py)."""
_CALLS = {"det": ("use_rec=False", "boxes"), "rec": ("use_det=False", "txts")}


def rapidocr_params(task: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with which rapidocr reads model.onnx of the working directory, for `RapidOCR(params=...)`."""
    return {**_AS_IT_IS, **(_det_params(config) if task == "det" else _rec_params(config))}


def _side_limit(config: Mapping[str, Any]) -> tuple[int, str]:
    """The side and the kind of limit of the detector's evaluation, as near as a limit comes to it."""
    resize = operator_of(config, ("DetResizeForTest",))
    if "image_shape" in resize:
        return max(resize["image_shape"][-2:]), "max"
    if "resize_long" in resize:
        return resize["resize_long"], "max"
    return resize.get("limit_side_len", 736), resize.get("limit_type", "min")


def elsewhere(model: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The section, in Markdown; `model` is what model.json says."""
    if model["task"] not in _CALLS:
        return "rapidocr and PaddleOCR 3 read detectors and recognisers."
    return f"{_rapidocr(model, config)}\n\n{_paddleocr3(model['task'], config)}"


def _det_params(config: Mapping[str, Any]) -> dict[str, Any]:
    side, kind = _side_limit(config)
    normalize = operator_of(config, ("NormalizeImage",))
    post = config["PostProcess"]
    return {
        "Det.model_path": "model.onnx",
        "Det.limit_side_len": side,
        "Det.limit_type": kind,
        "Det.mean": list(normalize.get("mean") or _MEAN),
        "Det.std": list(normalize.get("std") or _STD),
        **{f"Det.{key}": post.get(key, default) for key, default in _DB.items()},
    }


def _rec_params(config: Mapping[str, Any]) -> dict[str, Any]:
    params = {
        "Rec.model_path": "model.onnx",
        "Rec.rec_img_shape": _rec_shape(config),
        "Rec.rec_batch_num": 1,
    }
    if get_key(config, "Global.character_dict_path", None):
        params["Rec.rec_keys_path"] = "dict.txt"
    return params


def _rec_shape(config: Mapping[str, Any]) -> list[int]:
    return list(operator_of(config, RESIZERS).get("image_shape") or [3, 32, 100])


def _rapidocr(model: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    if "onnx" not in model["backends"]:
        return "**rapidocr** reads `model.onnx`, which this folder does not have: export with `--onnx`."
    task = model["task"]
    option, answer = _CALLS[task]
    params = "".join(f"    {key!r}: {value!r},\n" for key, value in rapidocr_params(task, config).items())
    code = (
        f"from rapidocr import RapidOCR\n\nparams = {{\n{params}}}\nreader = RapidOCR(params=params)\n"
        f'for image in ["IMAGE.jpg"]:\n    print(image, reader(image, {option}).{answer})\n'
    ).replace("'", '"')
    both = "For boxes and texts, give it the parameters of a detector's and a recogniser's folder together."
    lines = [
        "**rapidocr** (`pip install rapidocr onnxruntime`; 3.10.0 was tried) reads `model.onnx`. In this folder:",
        f"```python\n{code}```",
        f"Its own defaults prepare images otherwise: with them boxes and texts differ. {both}",
        *_differences(task, config),
    ]
    return "\n\n".join(lines)


def _paddleocr3(task: str, config: Mapping[str, Any]) -> str:
    name = official_name(config)
    if not name:
        return (
            "**PaddleOCR 3** asks for a name from its own list, `Global.model_name` in `inference.yml`: there is none for "
            "this architecture, and none is written."
        )
    side, kind = _side_limit(config)
    kinds = {
        "det": ("TextDetection", f', limit_side_len={side}, limit_type="{kind}"', "dt_polys"),
        "rec": ("TextRecognition", "", "rec_text"),
    }
    reader, options, answer = kinds[task]
    code = (
        f"from paddleocr import {reader}\n\n"
        f'reader = {reader}(model_name="{name}", model_dir="."{options})\n'
        f'for result in reader.predict("IMAGE.jpg"):\n    print(result["{answer}"])\n'
    )
    lines = [
        "**PaddleOCR 3** (`pip install paddleocr paddlepaddle`; 3.4.1 and 3.7.0 were tried) reads the folder as it is:",
        f"```python\n{code}```",
        f"`{name}` is the official name of the network's *architecture*, which PaddleOCR 3 asks for and compares with "
        "`Global.model_name` in `inference.yml`. The weights and the dictionary are those of this folder.",
        *_differences(task, config),
    ]
    return "\n\n".join(lines)


def _differences(task: str, config: Mapping[str, Any]) -> Sequence[str]:
    """What neither can be told."""
    if task == "rec":
        resize = operator_of(config, ("RecResizeImg",))
        if not resize or not resize.get("padding", True):
            return [
                "**Its texts may differ**: evaluation resizes crops in a way of its own, without padding."
            ]
        height, width = _rec_shape(config)[-2:]
        return [
            f"A crop wider than {width / height:.1f} times its height is squeezed to {width} pixels by evaluation and by our "
            "`predict`, and not here: its text may differ."
        ]
    resize = operator_of(config, ("DetResizeForTest",))
    if "image_shape" in resize or "resize_long" in resize:
        return [
            "**Its boxes may differ**: evaluation resizes images in a way that a limit for one side cannot say."
        ]
    return []
