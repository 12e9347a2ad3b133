"""Whether a checkpoint fits the model that is to go on from it: dictionary, architecture, shapes of the layers.

PaddleOCR leaves out what does not fit, with a warning among thousands of lines, and trains on with random layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ocr_train.checkpoints.pickle_scan import Array
from ocr_train.config.overrides import flatten
from ocr_train.errors import ConfigError, SetupError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.ocr_engine.files import read_regular
from ocr_train.trainer.interpreter import ask

SCRIPT = Path(__file__).with_name("compatibility_script.py")
T = TypeVar("T")
MAX_SHOWN = 8
HINT = (
    "Give the checkpoint's own dictionary and model, choose another checkpoint, or start from the weights that fit: "
    "weights_only=true."
)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What does not fit, one line each; `layers_known` says that every layer was compared, `note` why not.

    `prefix` is cut off the checkpoint's names: of a distillation's networks ("Student.") one is taken.
    """

    problems: Sequence[str] = ()
    layers_known: bool = False
    fitting: int = 0
    note: str = ""
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelToTrain:
    """What is to be trained: the rendered configuration, its dictionary, and how to ask the trainer's interpreter."""

    config: Path
    dictionary: Path | None
    python: Path
    paddleocr: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of all layers, as the trainer's interpreter builds them; nothing where it cannot."""
        return model_shapes(self)


def compare_layers(
    model: ModelToTrain,
    *,
    arrays: Mapping[str, Array],
    config: Path | None,
    dictionary: Path | None,
    cut: bool = False,
    part: str = "",
) -> Fit:
    """Compare a checkpoint (`arrays` by layer, its own `config` and `dictionary` where they are known) with `model`.

    Where both are known and the same, the layers are, too. Else the trainer's interpreter builds the model, without
    loading anything, and its layers are compared one by one. With `cut` one of several networks in the checkpoint is
    taken where more of its layers fit; `part` ("Teacher.") names one of several in the model.
    """
    new, old = _yaml(model.config), _yaml(config)
    problems = _dictionary_problems(dictionary, model.dictionary)
    changed = _architecture_problems(old, new) if old and not part else []
    if old and not part and not problems + changed and (dictionary is None) == (model.dictionary is None):
        return Fit()
    layers = _below(model.shapes if arrays else {}, part)
    if not layers:
        note = "" if old or not arrays else "the checkpoint's layers could not be compared with the model's"
        return Fit(problems=(*problems, *changed), note=note)
    prefix = _best_prefix(arrays, layers) if cut else ""
    arrays = _below(arrays, prefix)
    wrong = _shape_problems(arrays, layers)
    if wrong and not prefix:
        # An architecture may be written in two ways, and a dictionary may only have swapped letters.
        problems += changed
    return Fit(
        problems=(*problems, *wrong), layers_known=True, fitting=_fitting(arrays, layers), prefix=prefix
    )


def _best_prefix(arrays: Mapping[str, Array], layers: Mapping[str, tuple[int, ...]]) -> str:
    """What to cut off the checkpoint's names so that most of its layers fit; "" where nothing does better as it is.

    PaddleOCR names the networks of a distillation Student, Student2 and Teacher.
    """
    heads = sorted({name.partition(".")[0] for name in arrays if "." in name})
    found = [_fitting(_below(arrays, f"{head}."), layers) for head in heads]
    most = max(found, default=0)
    return f"{heads[found.index(most)]}." if most > _fitting(arrays, layers) else ""


def _below(values: Mapping[str, T], prefix: str) -> Mapping[str, T]:
    """Those whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}


def require_fit(fit: Fit, source: str) -> None:
    """Raise `ConfigError` with everything that does not fit."""
    if fit.problems:
        raise ConfigError(
            f"the checkpoint {source} does not fit the model that is to be trained:\n"
            + "\n".join(f"  - {line}" for line in fit.problems),
            hint=HINT,
        )


def require_some(fit: Fit, source: str) -> str:
    """Of weights to start from: one line with what is left out; raises `ConfigError` where no layer fits."""
    if fit.layers_known and not fit.fitting:
        raise ConfigError(
            f"no layer of the checkpoint {source} fits the model that is to be trained:\n"
            + "\n".join(f"  - {line}" for line in fit.problems),
            hint="Choose a checkpoint of the same model.",
        )
    return f"not taken over from {source}: {'; '.join(fit.problems)}" if fit.problems else ""


def _dictionary_problems(old: Path | None, new: Path | None) -> list[str]:
    """Where two dictionaries differ first: each line is an output of the last layer, so order counts, too."""
    if old is None or new is None:
        return []
    was, now = _characters(old), _characters(new)
    if was == now:
        return []
    sizes = f"{len(was)} characters in the checkpoint's dictionary, {len(now)} in {new}"
    for number, (one, other) in enumerate(zip(was, now, strict=False), start=1):
        if one != other:
            return [f"{sizes}; the first difference is in line {number}: {one!r} there, {other!r} here"]
    longer, rest = ("here", now[len(was) :]) if len(now) > len(was) else ("there", was[len(now) :])
    shown = " ".join(repr(character) for character in rest[:MAX_SHOWN])
    return [f"{sizes}; only {longer}: {shown}{' ...' if len(rest) > MAX_SHOWN else ''}"]


def _characters(path: Path) -> list[str]:
    text = read_regular(path).decode("utf-8", "replace")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]


def _architecture_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = _settings(old.get("Architecture")), _settings(new.get("Architecture"))
    for config, leaves in ((old, before), (new, after)):
        leaves["use_space_char"] = bool((config.get("Global") or {}).get("use_space_char"))
    found = [
        f"{'Global.' if key == 'use_space_char' else 'Architecture.'}{key} is {before.get(key)!r} in the checkpoint, "
        f"{after.get(key)!r} here"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return _shortened(found)


def _settings(architecture: Any) -> dict[str, Any]:
    """What says how a model is built; which weights it starts from does not."""
    return {
        key: value
        for key, value in flatten(architecture)
        if value is not None and key.rpartition(".")[2] != "pretrained"
    }


def _shape_problems(arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    found = [
        f"layer {name}: {_size(arrays[name].shape)} in the checkpoint, {_size(shape)} in the model"
        for name, shape in shapes.items()
        if name in arrays and tuple(arrays[name].shape) != shape
    ]
    found += [
        f"layer {name} {_size(shapes[name])} is not in the checkpoint"
        for name in shapes
        if name not in arrays
    ]
    found += [
        f"layer {name} {_size(array.shape)} of the checkpoint is not in the model"
        for name, array in arrays.items()
        if name not in shapes
    ]
    return _shortened(found)


def _fitting(arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(name in arrays and tuple(arrays[name].shape) == shape for name, shape in shapes.items())


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - MAX_SHOWN
    return lines if more <= 0 else [*lines[:MAX_SHOWN], f"and {more} more"]


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _yaml(path: Path | None) -> dict[str, Any]:
    try:
        document = read_yaml(path) if path else None
    except (OSError, DocumentError):
        return {}
    return document if isinstance(document, dict) else {}


def model_shapes(model: ModelToTrain, *, timeout_s: float = 180) -> dict[str, tuple[int, ...]]:
    """The shapes of all layers of `model`, as the trainer's interpreter builds it; nothing where it cannot."""
    found = _answer(["shapes", str(model.paddleocr), str(model.config.absolute())], model, timeout_s)
    return {name: tuple(shape) for name, shape in found.items()}


def take_network(
    model: ModelToTrain, weights: Path, prefix: str, target: Path, *, timeout_s: float = 180
) -> None:
    """Write the layers of `weights` whose names begin with `prefix` to `target`, without it.

    Both are .pdparams files, and `weights` was screened: the trainer's interpreter loads it. Raises `SetupError`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    taken = _answer(["take", str(weights.absolute()), prefix, str(target.absolute())], model, timeout_s)
    if not taken.get("layers") or not target.is_file():
        raise SetupError(
            f"the network {prefix.rstrip('.')!r} could not be taken out of {weights} in {str(model.python)!r}.",
            hint="Check that the disk has room for it, or write its layers to a file of their own with Paddle.",
        )


def _answer(arguments: Sequence[str], model: ModelToTrain, timeout_s: float) -> dict[str, Any]:
    """What the script says in the trainer's interpreter; nothing where it cannot."""
    argv = [str(model.python), "-B", str(SCRIPT), *arguments]
    reply = ask(argv, env=model.env, cwd=model.config.absolute().parent, timeout_s=timeout_s)
    return reply.last("ANSWER") or {}
