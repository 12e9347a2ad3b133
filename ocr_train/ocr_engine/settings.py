"""A run's configuration, as far as running its model needs it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .documents import DocumentError, read_yaml
from .errors import EngineError
from .screening import require_harmless

TASKS = ("det", "rec", "cls")
"""What a model can be: detection, recognition, or classification of the direction of text."""


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
    """Read the `config.yml` of a run; a `dict.txt` beside it is used instead of the dictionary that it names.

    Raises `EngineError` for what is not such a configuration, what PaddleOCR would run as code, a kind of model that is
    not read here, or a dictionary that is not there.
    """
    values = _load(config)
    architecture = copy.deepcopy(values["Architecture"])
    task = str(architecture.get("model_type"))
    if task not in TASKS:
        raise EngineError("models of type {!r} are not read here, only {}".format(task, ", ".join(TASKS)))
    transforms = _transforms(values, config)
    used = {key: values[key] for key in ("Global", "Architecture", "PostProcess")}
    require_harmless(config, values, {**used, "Eval": {"dataset": {"transforms": transforms}}}, root)
    shared = dict(values["Global"])
    recorded = str(shared.get("character_dict_path") or "")
    dictionary = _dictionary(recorded, config, root)
    shared.update(character_dict_path=dictionary or None, pretrained_model=None, checkpoints=None)
    shared["distributed"] = False
    metric = values.get("Metric")
    return Settings(
        task=task,
        algorithm=str(architecture.get("algorithm", "")),
        architecture=without_pretrained(architecture),
        post_process=values["PostProcess"],
        transforms=transforms,
        shared=shared,
        metric_key=str((metric if isinstance(metric, dict) else {}).get("key") or ""),
        dictionary=dictionary,
        # PaddleOCR writes texts from right to left where the dictionary's path has this word in it.
        reverse="arabic" in recorded,
    )


def _load(config: Path) -> Any:
    try:
        values = read_yaml(config)
    except (OSError, DocumentError) as exc:
        reason = " ".join(str(exc).split())
        raise EngineError(f"the configuration {config} cannot be read: {reason}") from exc
    parts = ("Global", "Architecture", "PostProcess", "Eval")
    missing = [
        part for part in parts if not isinstance(values, dict) or not isinstance(values.get(part), dict)
    ]
    if missing:
        raise EngineError(
            "{} is not a configuration of PaddleOCR: it has no {}".format(config, ", ".join(missing))
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


def without_pretrained(architecture: Any) -> Any:
    """The architecture without other weights than the model's own: nothing is downloaded, no other pickle loaded."""
    if isinstance(architecture, dict):
        return {key: _own_weights(key, value) for key, value in architecture.items()}
    if isinstance(architecture, list):
        return [without_pretrained(value) for value in architecture]
    return architecture


def _own_weights(key: Any, value: Any) -> Any:
    if key not in ("pretrained", "checkpoints"):
        return without_pretrained(value)
    return False if isinstance(value, bool) else None
