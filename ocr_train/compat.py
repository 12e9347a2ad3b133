"""Whether a checkpoint fits the model that is to go on from it: dictionary, architecture, shapes of the layers.

PaddleOCR leaves out what does not fit, with a warning among thousands of lines, and trains on with random layers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ocr_train.errors import ConfigError
from ocr_train.guard import Guard
from ocr_train.overrides import flatten
from ocr_train.pickles import Array

SCRIPT = Path(__file__).with_name("compat_script.py")
MAX_SHOWN = 8
HINT = (
    "Give the checkpoint's own dictionary and model, choose another checkpoint, or start from the weights that fit: "
    "weights_only=true."
)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What does not fit, one line each; `layers_known` says that every layer was compared, `note` why not."""

    problems: Sequence[str] = ()
    layers_known: bool = False
    fitting: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is to be trained: the rendered configuration, its dictionary, and how to ask the trainer's interpreter."""

    config: Path
    dictionary: Path | None
    python: Path
    paddleocr: Path
    env: Mapping[str, str] = field(default_factory=dict)


def compare(
    model: Model,
    *,
    arrays: Mapping[str, Array],
    config: Path | None,
    dictionary: Path | None,
    timeout_s: float = 180,
) -> Fit:
    """Compare a checkpoint (`arrays` by layer, its own `config` and `dictionary` where they are known) with `model`.

    Where both are known and the same, the layers are, too. Else the trainer's interpreter builds the model, without
    loading anything, and its layers are compared one by one.
    """
    new, old = _yaml(model.config), _yaml(config)
    problems = _dictionary_problems(dictionary, model.dictionary)
    changed = _architecture_problems(old, new) if old else []
    problems += changed
    if old and not problems and (dictionary is None) == (model.dictionary is None):
        return Fit()
    shapes = model_shapes(model, timeout_s=timeout_s) if arrays else {}
    if not shapes:
        note = "" if old or not arrays else "the checkpoint's layers could not be compared with the model's"
        return Fit(problems=tuple(problems), note=note)
    wrong = _shape_problems(arrays, shapes)
    if (
        not wrong
    ):  # an architecture may be written in two ways, and a dictionary may only have swapped letters
        return Fit(
            problems=tuple(_dictionary_problems(dictionary, model.dictionary)),
            layers_known=True,
            fitting=len(shapes),
        )
    return Fit(problems=(*problems, *wrong), layers_known=True, fitting=_fitting(arrays, shapes))


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
    text = path.read_bytes().decode("utf-8", "replace")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]


def _architecture_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before = {key: value for key, value in flatten(old.get("Architecture")) if value is not None}
    after = {key: value for key, value in flatten(new.get("Architecture")) if value is not None}
    for config, leaves in ((old, before), (new, after)):
        leaves["use_space_char"] = bool((config.get("Global") or {}).get("use_space_char"))
    found = [
        f"{'Global.' if key == 'use_space_char' else 'Architecture.'}{key} is {before.get(key)!r} in the checkpoint, "
        f"{after.get(key)!r} here"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return _shortened(found)


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
        document = yaml.safe_load(path.read_text(encoding="utf-8")) if path else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def model_shapes(model: Model, *, timeout_s: float = 180) -> dict[str, tuple[int, ...]]:
    """The shapes of all layers of `model`, as the trainer's interpreter builds it; nothing where it cannot."""
    argv = [str(model.python), "-B", str(SCRIPT), str(model.paddleocr), str(model.config.absolute())]
    output = _output(argv, model, timeout_s)
    for line in reversed(output.splitlines()):
        if line.startswith("SHAPES "):
            found: dict[str, list[int]] = json.loads(line.removeprefix("SHAPES "))
            return {name: tuple(shape) for name, shape in found.items()}
    return {}


def _output(argv: Sequence[str], model: Model, timeout_s: float) -> str:
    """What the command prints; nothing where it cannot be started or does not end, and then nothing of it stays."""
    with Guard.start() as guard:  # should we be killed meanwhile, it goes with us
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**model.env, **guard.env, "PYTHONIOENCODING": "utf-8"},
                cwd=model.config.absolute().parent,
                start_new_session=True,
            )
        except OSError:
            return ""
        guard.watch_group(process.pid)
        with process:
            try:
                return process.communicate(timeout=timeout_s)[0].decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                return ""
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
