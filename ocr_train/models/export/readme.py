"""The README inside an exported folder: what the model is, what was checked, and commands that work as they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.models.export.inference_yml import RESIZERS, operator_of
from ocr_train.models.export.readers import elsewhere

_KINDS = {"det": "text detection", "rec": "text recognition", "cls": "text direction classification"}


@dataclass(frozen=True, kw_only=True)
class ReadmeFacts:
    """`model` is what model.json says, `config` the run's PaddleOCR configuration; `carried` as in `ExportFacts`."""

    model: Mapping[str, Any]
    config: Mapping[str, Any]
    carried: bool


def readme(facts: ReadmeFacts) -> str:
    """The text, in Markdown."""
    model = facts.model
    kind = _KINDS.get(model["task"], model["task"])
    sections = [
        f"# {model['model']}: {kind}\n\n{_origin(model)}",
        f"## Checked\n\n{_checked(model)}",
        f"## Use it\n\n{_ours(model['task'])}",
        f"## Elsewhere\n\n{elsewhere(model, facts.config)}",
        f"## PaddleOCR's own predictor\n\n{_predictor(facts)}",
        f"## Files\n\n{_files(model)}",
    ]
    return "\n\n".join(sections) + "\n"


def _origin(model: Mapping[str, Any]) -> str:
    run = f"of the run `{model['run_id']}`" if model["run_id"] else "of no known run"
    versions = ", ".join(f"{name} {value}" for name, value in model["versions"].items())
    before = ", ".join(f"{name} {value}" for name, value in model["trained_with"].items())
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in sorted(model["metrics"].items()))
    rows = [
        ("checkpoint", f"step {model['step']}, epoch {model['epoch']}, {run}"),
        ("metrics", metrics or "not known"),
        ("dataset digest", f"`{model['dataset_digest'] or 'not known'}`"),
        ("exported with", versions),
        ("trained with", before or "not known"),
        ("weights (.pdparams)", f"`{model['checkpoint_sha256']}`"),
    ]
    text = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"| | |\n|---|---|\n{text}\n\nA model made by a newer Paddle may not load in an older one."


def _checked(model: Mapping[str, Any]) -> str:
    checked = model["checked"]
    if not checked["images"]:
        return "**Not checked**: nothing shows that this model gives the answers of the checkpoint."
    lines = []
    for backend in model["backends"]:
        one = checked[backend]
        apart = (
            f"{one['answers']} boxes, corners at most {one['max_corner_px']:.2g} px apart"
            if model["task"] == "det"
            else f"{one['answers']} texts or labels, scores at most {one['max_score_difference']:.1g} apart"
        )
        outcome = (
            "the same answers as the checkpoint"
            if not one["differences"]
            else "OTHER ANSWERS THAN THE CHECKPOINT"
        )
        lines.append(f"- {backend}: {outcome} on {one['images']} validation images ({apart})")
    return "\n".join(lines)


def _ours(task: str) -> str:
    crops = " Each image is one crop with one line of text." if task == "rec" else ""
    return (
        f"With `ocr_train`, in this folder.{crops}\n\n"
        "```bash\npython -m ocr_train predict . IMAGE.jpg --out pictures/\n```\n\n"
        "It prepares images exactly as evaluation did. Serving over HTTP goes through the model registry: "
        "`docs/export.md` of the project has the commands."
    )


def _predictor(facts: ReadmeFacts) -> str:
    model = facts.model
    if model["network"] == "inference.json":
        return (
            "The network is in Paddle's new format (`inference.json`): the predictors of PaddleOCR 2.10 cannot load "
            "it, `paddle.inference` can. Export with Paddle 3.0.0 for a model that they load."
        )
    make = {"det": _det, "rec": _rec, "cls": _cls}.get(model["task"])
    if make is None:
        return "PaddleOCR has predictors for `det`, `rec` and `cls` models; see its `tools/infer`."
    script, options, notes = make(facts.config)
    lines = [f'python "$PADDLEOCR/tools/infer/{script}" --image_dir=IMAGE.jpg --use_gpu=false', *options]
    command = " \\\n  ".join(lines)
    where = (
        'PADDLEOCR="$PWD/paddleocr"'
        if facts.carried
        else "PADDLEOCR=$(python -c \"import importlib.util as u; print(u.find_spec('unstructured_paddleocr')"
        '.submodule_search_locations[0])")'
    )
    return f"In this folder:\n\n```bash\n{where}\n{command}\n```\n\n" + "\n\n".join(notes)


Predictor = tuple[str, Sequence[str], Sequence[str]]
"""A script of tools/infer, its options, and what to know about it."""


def _det(config: Mapping[str, Any]) -> Predictor:
    post = config["PostProcess"]
    resize = operator_of(config, ("DetResizeForTest",))
    options = ["--det_model_dir=.", f"--det_algorithm={get_key(config, 'Architecture.algorithm')}"]
    for option, key in (
        ("det_db_thresh", "thresh"),
        ("det_db_box_thresh", "box_thresh"),
        ("det_db_unclip_ratio", "unclip_ratio"),
        ("use_dilation", "use_dilation"),
        ("det_db_score_mode", "score_mode"),
        ("det_box_type", "box_type"),
    ):
        if key in post and str(post.get("name", "")).startswith("DB"):
            options.append(f"--{option}={post[key]}")
    note = "It prepares images as evaluation did."
    if "image_shape" in resize:
        height, width = resize["image_shape"][-2:]
        options += [f"--det_limit_side_len={max(height, width)}", "--det_limit_type=max"]
        note = (
            f"**Its boxes may differ from the checkpoint's**: evaluation resizes every image to {height}x{width} "
            "pixels, which predict_det.py cannot do; it limits the longer side instead."
        )
    elif "resize_long" in resize:
        options += [f"--det_limit_side_len={resize['resize_long']}", "--det_limit_type=resize_long"]
        note = "**Its boxes may differ a little**: it rounds sides to multiples of 32, evaluation to 128."
    else:
        options += [
            f"--det_limit_side_len={resize.get('limit_side_len', 736)}",
            f"--det_limit_type={resize.get('limit_type', 'min')}",
        ]
    return "predict_det.py", options, [note]


def _rec(config: Mapping[str, Any]) -> Predictor:
    shape = operator_of(config, RESIZERS).get("image_shape") or [3, 32, 100]
    options = [
        "--rec_model_dir=.",
        f"--rec_algorithm={get_key(config, 'Architecture.algorithm')}",
        f"--rec_image_shape={','.join(map(str, shape))}",
        f"--use_space_char={bool(get_key(config, 'Global.use_space_char', False))}",
    ]
    if get_key(config, "Global.character_dict_path", None):
        options.append("--rec_char_dict_path=dict.txt")
    note = (
        "**It does not give the checkpoint's texts**: predict_rec.py pads every crop to the widest of its batch, where "
        "training and evaluation resize as the configuration says. Of 6 crops that were tried, 2 came out different "
        "(`03` as `3`, `QF2` as `QF24`). `python -m ocr_train predict` above does as evaluation does."
    )
    return "predict_rec.py", options, [note]


def _cls(config: Mapping[str, Any]) -> Predictor:
    shape = operator_of(config, RESIZERS).get("image_shape") or [3, 48, 192]
    options = ["--cls_model_dir=.", f"--cls_image_shape={','.join(map(str, shape))}"]
    return "predict_cls.py", options, ["It knows the labels 0 and 180, as PaddleOCR's own models have them."]


def _files(model: Mapping[str, Any]) -> str:
    rows = "\n".join(f"{sha256}  {name}" for name, sha256 in model["files"].items())
    return (
        f"```\n{rows}\n```\n\n`sha256sum` gives the same. `config.yml` and `dict.txt` are the run's own; `inference.yml` is "
        "what PaddleOCR's predictors read; `model.json` says all of this for machines."
    )
