"""A run's configuration, as far as running its model needs it."""

from __future__ import annotations

import copy
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import EngineError

TASKS = ("det", "rec", "cls")
PACKAGES = ("unstructured_paddleocr", "paddleocr")
"""Installed packages that carry PaddleOCR's `ppocr` inside."""


@dataclass(frozen=True)
class Settings:
    """The parts of a PaddleOCR configuration that reading takes; `dictionary` is empty where none is named."""

    task: str
    algorithm: str
    architecture: Any
    post_process: Any
    transforms: Any
    shared: Any
    metric_key: str
    dictionary: str
    reverse: bool

    @property
    def ignore_orientation(self) -> bool:
        """Whether evaluation looks at images as they are stored, whatever their EXIF says."""
        for entry in self.transforms:
            for values in entry.values():
                if isinstance(values, dict) and values.get("ignore_orientation"):
                    return True
        return False


def read_settings(config: Path, root: str) -> Settings:
    """Read the `config.yml` of a run; a `dict.txt` beside it outweighs the dictionary that it names.

    Raises `EngineError` for what is no such configuration, a kind of model that is not read here, or a
    dictionary that is not there.
    """
    values = _load(config)
    architecture = copy.deepcopy(values["Architecture"])
    task = str(architecture.get("model_type"))
    if task not in TASKS:
        raise EngineError("models of type {!r} are not read here, only {}".format(task, ", ".join(TASKS)))
    shared = dict(values["Global"])
    recorded = str(shared.get("character_dict_path") or "")
    dictionary = _dictionary(recorded, config, root)
    shared.update(character_dict_path=dictionary or None, pretrained_model=None, checkpoints=None)
    shared["distributed"] = False
    metric = values.get("Metric")
    return Settings(
        task=task,
        algorithm=str(architecture.get("algorithm", "")),
        architecture=_without_pretrained(architecture),
        post_process=values["PostProcess"],
        transforms=_transforms(values, config),
        shared=shared,
        metric_key=str((metric if isinstance(metric, dict) else {}).get("key") or ""),
        dictionary=dictionary,
        # PaddleOCR writes texts from right to left where the dictionary's path has this word in it.
        reverse="arabic" in recorded,
    )


def _load(config: Path) -> Any:
    try:
        values = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        said = " ".join(str(exc).split())
        raise EngineError(f"the configuration {config} cannot be read: {said}") from exc
    parts = ("Global", "Architecture", "PostProcess", "Eval")
    missing = [
        part for part in parts if not isinstance(values, dict) or not isinstance(values.get(part), dict)
    ]
    if missing:
        raise EngineError(
            "{} is no configuration of PaddleOCR: it has no {}".format(config, ", ".join(missing))
        )
    return values


def _transforms(values: Any, config: Path) -> Any:
    """The Eval transforms without those that encode labels or pick what training wants."""
    dataset = values["Eval"].get("dataset")
    entries = dataset.get("transforms") if isinstance(dataset, dict) else None
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and len(entry) == 1 for entry in entries
    ):
        raise EngineError(f"{config} names no Eval.dataset.transforms")
    # "Label" in the name is how PaddleOCR's own tools/infer_*.py tell label operators.
    return [entry for entry in entries if "Label" not in next(iter(entry)) and "KeepKeys" not in entry]


def _dictionary(recorded: str, config: Path, root: str) -> str:
    beside = config.parent / "dict.txt"
    if beside.is_file():
        return str(beside.absolute())
    if not recorded:
        return ""
    places = [config.parent, Path(root) if root else config.parent, Path.cwd()]
    for place in places:
        if (place / recorded).is_file():
            return str((place / recorded).absolute())
    raise EngineError(
        f"the dictionary {recorded!r} that {config} names is not there, nor a dict.txt beside the configuration"
    )


def _without_pretrained(architecture: Any) -> Any:
    """Nothing is to be downloaded for weights that the model's own replace at once."""
    if isinstance(architecture, dict):
        return {
            key: None
            if key == "pretrained" and isinstance(value, str)
            else False
            if key == "pretrained"
            else _without_pretrained(value)
            for key, value in architecture.items()
        }
    return architecture


def put_on_path(root: str) -> str:
    """Make `ppocr` importable and say from where: the folder `root`, else what is installed.

    Raises `EngineError` where there is none.
    """
    os.environ.setdefault(
        "NO_ALBUMENTATIONS_UPDATE", "1"
    )  # it asks the network for a newer version at import
    if not root:
        if "ppocr" in sys.modules or importlib.util.find_spec("ppocr") is not None:
            return ""
        for package in PACKAGES:
            spec = importlib.util.find_spec(package)
            for folder in (spec.submodule_search_locations or []) if spec else []:
                if (Path(folder) / "ppocr" / "modeling").is_dir():
                    root = folder
                    break
            if root:
                break
    if not root or not (Path(root) / "ppocr").is_dir():
        raise EngineError(
            "there is no PaddleOCR (ppocr) in %s" % (repr(root) if root else "this interpreter")
        )
    if root not in sys.path:
        sys.path.insert(0, root)
    return root
