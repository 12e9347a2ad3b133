"""The file that says what a sweep varies: read and checked as an experiment is, every problem at once.

model: rec                  # what `--model` names otherwise
metric: acc                 # the model's main metric, where this is left out
train: {epochs: 4}          # the same for all trials: parameters of `train`
space:                      # a parameter of `train`, or a PaddleOCR setting by its dotted name
  learning_rate: {low: 0.0001, high: 0.01, log: true}
  batch_size: [8, 16]
sampler: {name: tpe, seed: 0, startup: 5}
pruner: {name: median, startup: 4, warmup: 1}
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.config.auto_values import AUTO, is_auto
from ocr_train.config.experiment import EXPERIMENTS
from ocr_train.config.overrides import nearest
from ocr_train.config.parameters import PARAMETERS
from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.sweep.dimensions import Dimension, parse_dimension, setting_text
from ocr_train.sweep.settings import PrunerSettings, SamplerSettings, parse_pruner, parse_sampler

SPACES = EXPERIMENTS / "sweeps"
"""The space files that come with the project."""
SPACE_KEYS = ("description", "model", "metric", "train", "space", "sampler", "pruner")
VARIED = ("learning_rate", "batch_size", "epochs", "pretrained", "freeze", "freeze_bn", "seed")
"""The parameters that a sweep may vary: those that change what is learned and leave the data as they are."""
NOT_FOR_TRIALS = {
    "model": "it stands at the top of the file, or is given as --model",
    "resume": "a trial starts from `pretrained`; the same command again goes on with an interrupted sweep",
    "resume_mode": "the same command again goes on with an interrupted sweep",
    "weights_only": "name the weights with `pretrained`",
    "register": "give --register to the sweep: it registers the best trial",
    "nodes": "a trial trains on one machine; several machines take part with the same command and --storage",
    "node_rank": "a trial trains on one machine",
    "peers_timeout_s": "a trial trains on one machine",
    "offline": "trials are runs below one parent run, which needs a server or a file such as sqlite:///mlflow.db",
}
"""Parameters of `train` that a sweep cannot hand on, and what to do."""
HANDED_ON = tuple(name for name in PARAMETERS if name not in NOT_FOR_TRIALS)
_DOTTED = re.compile(r"\+?[A-Za-z_]\w*(\.[\w-]+)+")


@dataclass(frozen=True, kw_only=True)
class SpaceFile:
    """What the file `source` says; `train` has the values of parameters as texts."""

    source: Path
    dimensions: tuple[Dimension, ...]
    sampler: SamplerSettings
    pruner: PrunerSettings
    model: str = ""
    metric: str = ""
    train: Mapping[str, str] = field(default_factory=dict)


def find_space(given: str, model: str) -> Path:
    """The path of the space file: `given` as a path or as a name in experiments/sweeps, else the one of `model`.

    Raises `ConfigError` where there is none.
    """
    names = sorted(path.stem for path in SPACES.glob("*.yaml"))
    known = f"Known: {', '.join(names)} (experiments/sweeps). A path to a file of your own works too: --space FILE."
    if given.endswith((".yml", ".yaml")) or "/" in given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"space {given!r}: there is no such file (looked in {path.absolute().parent}).", hint=known
            )
        return path
    name = given or model
    if name in names:
        return SPACES / f"{name}.yaml"
    if given:
        raise ConfigError(f"space {given!r} is not known{nearest(given, names)}", hint=known)
    raise ConfigError(
        f"there is no space file for the model {model!r}: what is to be varied?"
        if model
        else "what is to be swept? Neither --model nor --space was given.",
        hint=known,
    )


def read_space(path: Path) -> SpaceFile:
    """The space file at `path`; raises `ConfigError` with every problem in it that can be seen in it alone."""
    try:
        document = read_yaml(path)
    except OSError as exc:
        raise ConfigError(f"the space file {path} cannot be read: {exc}") from exc
    except DocumentError as exc:
        raise ConfigError(
            f"the space file {path} is not YAML: {exc}", hint="Fix the file at that line."
        ) from exc
    if not isinstance(document, dict):
        raise ConfigError(
            f"the space file {path} is not a mapping.", hint="Write one like those in experiments/sweeps."
        )
    problems = [
        f"unknown key {key!r}{nearest(str(key), list(SPACE_KEYS))}"
        for key in document
        if key not in SPACE_KEYS
    ]
    problems += [
        f"{key}: {document[key]!r} is not a text"
        for key in ("model", "metric")
        if not isinstance(document.get(key) or "", str)
    ]
    found = SpaceFile(
        source=path,
        dimensions=_dimensions(document.get("space"), problems),
        sampler=parse_sampler(document.get("sampler"), problems),
        pruner=parse_pruner(document.get("pruner"), problems),
        model=str(document.get("model") or ""),
        metric=str(document.get("metric") or ""),
        train=_train(document.get("train"), problems),
    )
    both = sorted({one.name for one in found.dimensions} & set(found.train))
    problems += [
        f"{name} is under `train` and under `space`: is it the same for all trials?" for name in both
    ]
    require_none(problems, path)
    return found


def require_none(problems: list[str], path: Path) -> None:
    """Raise `ConfigError` with all `problems` of a sweep."""
    if problems:
        raise ConfigError(
            f"{len(problems)} problem(s) in the sweep of {path}:\n"
            + "\n".join(f"  - {line}" for line in dict.fromkeys(problems)),
            hint="Nothing was started. docs/sweep.md explains every key; experiments/sweeps has examples.",
        )


def _dimensions(given: Any, problems: list[str]) -> tuple[Dimension, ...]:
    if not isinstance(given, dict) or not given:
        problems.append("space: nothing is varied: give names with a range or a list of choices each")
        return ()
    found = []
    for key, value in given.items():
        name = str(key)
        if wrong := _wrong_name(name):
            problems.append(f"space.{name}: {wrong}")
        elif (dimension := parse_dimension(name, value, problems)) is not None:
            found.append(dimension)
            if any(map(is_auto, dimension.corners)):
                problems.append(f"space.{name}: {AUTO} is measured and not varied: put it under `train`")
    return tuple(found)


def _wrong_name(name: str) -> str:
    if name in VARIED or _DOTTED.fullmatch(name):
        return ""
    if name in NOT_FOR_TRIALS:
        return f"it cannot be varied: {NOT_FOR_TRIALS[name]}"
    if name in PARAMETERS:
        return f"it cannot be varied: put it under `train`, where it is the same for all trials ({', '.join(VARIED)} can)"
    return f"neither a parameter nor a PaddleOCR setting such as Optimizer.regularizer.factor{nearest(name, list(VARIED))}"


def _train(given: Any, problems: list[str]) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        problems.append("train: it is not a mapping of parameters")
        return {}
    found = {}
    for key, value in given.items():
        name = str(key)
        if name in NOT_FOR_TRIALS:
            problems.append(f"train.{name}: {NOT_FOR_TRIALS[name]}")
        elif name not in PARAMETERS:
            problems.append(f"train: unknown key {name!r}{nearest(name, list(HANDED_ON))}")
        elif name == "overrides" and isinstance(value, dict):
            found[name] = shlex.join(f"{setting}={setting_text(one)}" for setting, one in value.items())
        else:
            found[name] = setting_text(value)
    return found
