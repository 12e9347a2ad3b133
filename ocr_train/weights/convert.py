"""Weights in Paddle's inference format made trainable: asked of the trainer's interpreter, and compared there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_text
from ocr_train.checkpoints.states_file import read_plain
from ocr_train.config.overrides import get_key, set_key
from ocr_train.errors import ConfigError, DataError, SetupError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.trainer.interpreter import ask
from ocr_train.trainer.paddleocr import write_config
from ocr_train.weights.compatibility import ModelToTrain

SCRIPT = Path(__file__).with_name("convert_script.py")
NETWORK, TENSORS, NAMES = "inference.pdmodel", "inference.pdiparams", "inference.pdiparams.info"
NEW_NETWORK = "inference.json"
TIMEOUT_S = 900.0
MOST_IMAGES = 32
MAX_DIFFERENCE = 1e-3
"""More than rounding: the two models do not compute the same."""


@dataclass(frozen=True, kw_only=True)
class TrainableWeights:
    """What a conversion came to: layers by name that the inference model lacks (`left_out`) and those of its own that
    the model has no place for (`unused`); on how many `images` the two were compared, the largest difference of their
    outputs, and the share of decisions that stay the same in training mode (0 to 1)."""

    layers: int
    taken: int
    left_out: Sequence[str]
    unused: Sequence[str]
    images: int
    eval_difference: float
    training_agreement: float

    def __str__(self) -> str:
        return (
            f"made trainable: on {self.images} image(s) its outputs differ by at most {self.eval_difference:.1g}; "
            f"{self.training_agreement:.1%} of the decisions are the same in training mode"
        )


def is_inference_folder(path: Path) -> bool:
    """Whether the folder holds a model in Paddle's inference format, of either kind."""
    return any((path / name).is_file() for name in (NETWORK, NEW_NETWORK))


def exported_dictionary(folder: Path, scratch: Path) -> Path | None:
    """The dictionary of an exported recogniser: its dict.txt, or that of its inference.yml, written to `scratch`.

    `inference.yml` is PaddleOCR's: `PostProcess.character_dict` has the lines, without blank and space.
    """
    beside = folder / "dict.txt"
    if beside.is_file():
        return beside
    try:
        document = read_yaml(folder / "inference.yml")
    except (OSError, DocumentError):
        return None
    lines = get_key(document, "PostProcess.character_dict", None) if isinstance(document, dict) else None
    if not isinstance(lines, list) or not lines:
        return None
    path = scratch / "weights_dict.txt"
    scratch.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path


def convert(
    folder: Path, model: ModelToTrain, target: Path, *, images: Sequence[Path], dictionary: Path | None
) -> TrainableWeights:
    """Write the trainable weights of the inference model in `folder` to `target`, a .pdparams file.

    `images` are some of those to train on: statistics of normalisations are measured on them, and both models run on
    them. `dictionary` is that of the weights. Raises `ConfigError` where the model is another one or does not come out
    the same, `DataError` for a damaged folder, `SetupError` where the trainer's interpreter cannot do it.
    """
    names = _layer_names(folder)
    work = target.parent
    work.mkdir(parents=True, exist_ok=True)
    there = _with_dictionary(model, dictionary, work)
    job = work / "convert.json"
    document = {
        "root": str(model.paddleocr),
        "config": str(there.config.absolute()),
        "folder": str(folder.absolute()),
        "names": names,
        "target": str(target.absolute()),
        "images": [str(path) for path in images[:MOST_IMAGES]],
    }
    write_text(job, json.dumps(document, ensure_ascii=False))
    argv = [str(model.python), str(SCRIPT), str(job.absolute())]
    reply = ask(argv, env=model.env, cwd=work, timeout_s=TIMEOUT_S)
    if refused := reply.last("FAILED"):
        raise ConfigError(
            f"the weights in {folder} cannot be trained with this model: {refused.get('why')}.",
            hint="Choose weights of the same architecture: pretrained=NAME or a .pdparams file.",
        )
    answer = reply.last("ANSWER")
    if answer is None or not target.is_file():
        last = (reply.stderr.strip() or reply.not_started or "it gave no answer").splitlines()[-1]
        raise SetupError(
            f"the weights in {folder} could not be made trainable in {str(model.python)!r}: {last}",
            hint="Give trained weights instead: pretrained=FILE.pdparams; or none: pretrained=none.",
        )
    found = _conversion(answer)
    _require_the_same(found, folder)
    return found


def _layer_names(folder: Path) -> dict[str, str]:
    """What the model called its layers, by the program's variables."""
    if not (folder / NETWORK).is_file():
        raise ConfigError(
            f"the weights in {folder} are in Paddle's newer inference format ({NEW_NETWORK}), which names no layers.",
            hint="Give the .pdparams file of the same model, or an export in the older format (inference.pdmodel).",
        )
    for name in (TENSORS, NAMES):
        if not (folder / name).is_file():
            raise DataError(
                f"the inference model in {folder} has no {name}, so its layers are not known.",
                hint="Copy the whole folder, or give the .pdparams file of the same model.",
            )
    values = read_plain(folder / NAMES)
    try:
        return {str(key): str(value["structured_name"]) for key, value in values.items()}
    except (AttributeError, KeyError, TypeError) as exc:
        raise DataError(f"{folder / NAMES} does not say what the layers are called.") from exc


def _with_dictionary(model: ModelToTrain, dictionary: Path | None, work: Path) -> ModelToTrain:
    """The model as it is with the weights' own dictionary: their head has a row for each of its characters."""
    if dictionary is None:
        return model
    document = read_yaml(model.config)
    set_key(document, "Global.character_dict_path", str(dictionary.absolute()))
    set_key(document, "Global.use_space_char", True)
    path = work / "convert.yml"
    write_config(document, path, private=True)
    return replace(model, config=path, dictionary=dictionary)


def _conversion(answer: Mapping[str, Any]) -> TrainableWeights:
    return TrainableWeights(
        layers=int(answer["layers"]),
        taken=int(answer["taken"]),
        left_out=tuple(answer["left_out"]),
        unused=tuple(answer["unused"]),
        images=int(answer["images"]),
        eval_difference=max(float(answer["eval_difference"]), float(answer["calibrated_difference"])),
        training_agreement=float(answer["training_agreement"]),
    )


def _require_the_same(found: TrainableWeights, folder: Path) -> None:
    if found.eval_difference <= MAX_DIFFERENCE:
        return
    unused = f"; layers without a place here: {', '.join(found.unused[:5])}" if found.unused else ""
    raise ConfigError(
        f"the weights in {folder} do not compute the same in this model: outputs differ by up to "
        f"{found.eval_difference:.2g}{unused}.",
        hint="Choose weights of the same architecture: pretrained=NAME or a .pdparams file.",
    )
