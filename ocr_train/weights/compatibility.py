"""Whether a checkpoint fits the model that is to go on from it: dictionary, architecture, shapes of the layers.

PaddleOCR leaves out what does not fit, with a warning among thousands of lines, and trains on with random layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, TypeVar

from ocr_train.checkpoints.pickle_scan import Array
from ocr_train.config.overrides import flatten
from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.trainer.interpreter import ask
from ocr_train.weights.head import Characters

SCRIPT = Path(__file__).with_name("compatibility_script.py")
T = TypeVar("T")
MAX_SHOWN = 8
SOME = 0.1
"""Of the model's numbers. Weights of another architecture share many small layers by chance: scales, statistics."""
HINT = (
    "Give the checkpoint's own dictionary and model, choose another checkpoint, or start from the weights that fit: "
    "weights_only=true."
)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What does not fit, one line each; `layers_known` says that every layer was compared, `note` why not.

    `layers` are the model's, `missing` those of them that the checkpoint lacks, or has in another shape; `share` (0 to 1)
    of the model's numbers can be taken from it.
    """

    problems: Sequence[str] = ()
    layers_known: bool = False
    layers: int = 0
    missing: Sequence[str] = ()
    share: float = 1.0
    note: str = ""

    @property
    def fitting(self) -> int:
        """How many layers of the model can be taken from the checkpoint."""
        return self.layers - len(self.missing)


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
    part: str = "",
) -> Fit:
    """Compare a checkpoint (`arrays` by layer, its own `config` and `dictionary` where they are known) with `model`.

    Where both are known and the same, the layers are, too. Else the trainer's interpreter builds the model, without
    loading anything, and its layers are compared one by one. `part` ("Teacher.") names one of several networks in the
    model.
    """
    new, old = config_at(model.config), config_at(config)
    problems = _dictionary_problems(dictionary, model.dictionary)
    changed = _architecture_problems(old, new) if old and not part else []
    if old and not part and not problems + changed and (dictionary is None) == (model.dictionary is None):
        return Fit()
    layers = below(model.shapes if arrays else {}, part)
    if not layers:
        note = "" if old or not arrays else "the checkpoint's layers could not be compared with the model's"
        return Fit(problems=(*problems, *changed), note=note)
    wrong = _shape_problems(arrays, layers)
    if wrong:
        # An architecture may be written in two ways, and a dictionary may only have swapped letters.
        problems += changed
    missing = [name for name, shape in layers.items() if not _fits(arrays.get(name), shape)]
    sizes = {name: prod(shape) for name, shape in layers.items()}
    return Fit(
        problems=(*problems, *wrong),
        layers_known=True,
        layers=len(layers),
        missing=tuple(missing),
        share=1 - sum(sizes[name] for name in missing) / max(1, sum(sizes.values())),
    )


def below(values: Mapping[str, T], prefix: str) -> Mapping[str, T]:
    """Those whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}


def require_fit(fit: Fit, source: str, *, hint: str = "") -> None:
    """Raise `ConfigError` with everything that does not fit; `hint` is a better one than the usual."""
    if fit.problems:
        raise ConfigError(
            f"the checkpoint {source} does not fit the model that is to be trained:\n"
            + "\n".join(f"  - {line}" for line in fit.problems),
            hint=hint or HINT,
        )


def require_some(fit: Fit, source: str) -> str:
    """Of weights to start from: one line with what is left out; raises `ConfigError` where (almost) no layer fits."""
    if fit.layers_known and (not fit.fitting or fit.share < SOME):
        count = f"only {fit.share:.1%} of what the model needs is in" if fit.fitting else "no layer of"
        raise ConfigError(
            f"{count} the checkpoint {source}{'' if fit.fitting else ' fits the model that is to be trained'}:\n"
            + "\n".join(f"  - {line}" for line in fit.problems),
            hint="Choose a checkpoint of the same model, or start from nothing: pretrained=none.",
        )
    return f"not taken over from {source}: {'; '.join(fit.problems)}" if fit.problems else ""


def _dictionary_problems(old: Path | None, new: Path | None) -> list[str]:
    """Where two dictionaries differ first: each line is an output of the last layer, so order counts, too."""
    if old is None or new is None:
        return []
    was, now = (Characters.read(path, use_space_char=False).lines for path in (old, new))
    if was == now:
        return []
    sizes = f"{len(was)} characters in the checkpoint's dictionary, {len(now)} in {new}"
    for number, (one, other) in enumerate(zip(was, now, strict=False), start=1):
        if one != other:
            return [f"{sizes}; the first difference is in line {number}: {one!r} there, {other!r} here"]
    longer, rest = ("here", now[len(was) :]) if len(now) > len(was) else ("there", was[len(now) :])
    shown = " ".join(repr(character) for character in rest[:MAX_SHOWN])
    return [f"{sizes}; only {longer}: {shown}{' ...' if len(rest) > MAX_SHOWN else ''}"]


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


def fitting(arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many of the model's layers (`shapes`) are among `arrays`, in the same shape."""
    return sum(_fits(arrays.get(name), shape) for name, shape in shapes.items())


def _fits(array: Array | None, shape: tuple[int, ...]) -> bool:
    return array is not None and tuple(array.shape) == shape


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - MAX_SHOWN
    return lines if more <= 0 else [*lines[:MAX_SHOWN], f"and {more} more"]


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def config_at(path: Path | None) -> dict[str, Any]:
    """The configuration at `path`; nothing where there is none that can be read."""
    try:
        document = read_yaml(path) if path else None
    except (OSError, DocumentError):
        return {}
    return document if isinstance(document, dict) else {}


def model_shapes(model: ModelToTrain, *, timeout_s: float = 180) -> dict[str, tuple[int, ...]]:
    """The shapes of all layers of `model`, as the trainer's interpreter builds it; nothing where it cannot."""
    arguments = ["shapes", str(model.paddleocr), str(model.config.absolute())]
    found = ask_layers(arguments, model, timeout_s=timeout_s)
    return {name: tuple(shape) for name, shape in found.items()}


def ask_layers(arguments: Sequence[str], model: ModelToTrain, *, timeout_s: float = 180) -> dict[str, Any]:
    """What compatibility_script.py answers in the trainer's interpreter; nothing where it cannot."""
    argv = [str(model.python), str(SCRIPT), *arguments]
    reply = ask(argv, env=model.env, cwd=model.config.absolute().parent, timeout_s=timeout_s)
    return reply.last("ANSWER") or {}
