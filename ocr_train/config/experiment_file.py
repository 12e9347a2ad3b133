"""The file that `model` names: an experiment, one that changes another one (`base`), or a plain PaddleOCR configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_train.config import parameter_values as read
from ocr_train.config.overrides import nearest
from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.ocr_engine.settings import TASKS

EXPERIMENT_KEYS = (
    *("name", "base", "task", "description", "dictionary", "demo", "paddleocr", "seed"),
    *("pretrained", "freeze", "freeze_bn", "rate_batch"),
    *("epochs", "batch_size", "learning_rate", "overrides"),
)
RENAMED = {
    "rec_aug": "rec, which starts from trained weights, or rec_mv3_none_bilstm_ctc, which starts from nothing",
}
"""Experiments of before, and what they are now."""
_NAME = re.compile(r"[^\s/\\](?:[^\r\n/\\]{0,98}[^\s/\\])?")


def available_models(experiments: Path) -> list[str]:
    """The names that `model` can take, sorted."""
    return sorted(path.stem for path in experiments.glob("*.y*ml"))


def read_experiment_file(model: str, experiments: Path, problems: list[str]) -> tuple[Path, dict[str, Any]]:
    """The file of `model` and what it says, with what it takes from its `base`; raises `ConfigError` where there is none.

    `plain` is true for a PaddleOCR configuration, which becomes an experiment that changes nothing. `name` is what runs
    are called after; the path of `dictionary` is absolute.
    """
    return _read(model, experiments, problems, ())


def _read(
    model: str, experiments: Path, problems: list[str], above: tuple[Path, ...]
) -> tuple[Path, dict[str, Any]]:
    source = _find_model(model, experiments, above[-1].parent if above else Path())
    document = _document(model, source)
    if source.absolute() in above:
        chain = " -> ".join(str(path) for path in (*above, source.absolute()))
        raise ConfigError(
            f"base: {chain}: an experiment cannot be based on itself.", hint="Change one of them."
        )
    if "Architecture" in document and "paddleocr" not in document:
        return source, _plain(document, source)
    problems += [
        f"{source}: unknown key {key!r}{nearest(str(key), list(EXPERIMENT_KEYS))}"
        for key in document
        if key not in EXPERIMENT_KEYS
    ]
    found = {"description": "", "plain": False, **document, "name": _name(document, source, problems)}
    if found.get("dictionary"):
        found["dictionary"] = str((source.parent / str(found["dictionary"])).absolute())
    if "base" in document:
        found = _on_base(found, source, experiments, problems, (*above, source.absolute()))
    elif not isinstance(document.get("paddleocr"), dict):
        raise ConfigError(
            f"{source} has no `paddleocr:` block, no `base:` and no `Architecture:`.",
            hint="Write an experiment like those in experiments/, or name a PaddleOCR configuration file.",
        )
    found["task"] = read.choice(str(found.get("task", "")), f"{source}: task", TASKS, problems)
    return source, found


def _plain(document: Mapping[str, Any], source: Path) -> dict[str, Any]:
    architecture = document["Architecture"]
    task = architecture.get("model_type", "") if isinstance(architecture, dict) else ""
    return {
        "name": source.stem,
        "task": str(task),
        "description": f"PaddleOCR configuration {source.name}",
        "plain": True,
        "paddleocr": document,
    }


def _on_base(
    own: dict[str, Any], source: Path, experiments: Path, problems: list[str], above: tuple[Path, ...]
) -> dict[str, Any]:
    """The experiment that `own` is based on, with what `own` says in the place of the same key of it."""
    if "paddleocr" in own:
        problems.append(
            f"{source}: `base` and `paddleocr` are two whole configurations: keep `base`, and write single settings "
            "under `overrides`, as in `overrides: {Global.print_batch_step: 5}`"
        )
    _, base = _read(str(own["base"]), experiments, problems, above)
    task = own.get("task", base["task"])
    if task != base["task"]:
        problems.append(f"{source}: task is {task!r}, and its base {own['base']!r} is for {base['task']!r}")
    said = {key: value for key, value in own.items() if value is not None and value != ""}
    for key in ("overrides", "demo"):
        if isinstance(base.get(key), dict) and isinstance(said.get(key), dict):
            said[key] = {**base[key], **said[key]}
    return {**base, **said, "paddleocr": base["paddleocr"], "task": base["task"], "plain": base["plain"]}


def is_name(text: str) -> bool:
    """Whether runs can be called after it: one line, without a slash."""
    return bool(_NAME.fullmatch(text))


def _name(document: Mapping[str, Any], source: Path, problems: list[str]) -> str:
    """What runs are called after: `name`, else what the file is called."""
    name = str(document.get("name") or source.stem)
    if not is_name(name):
        problems.append(f"{source}: name is {name!r}: give one word or a few, without a slash")
    return name


def _document(model: str, path: Path) -> Mapping[str, Any]:
    try:
        document = read_yaml(path)
    except OSError as exc:
        raise ConfigError(f"model {model!r}: {path} cannot be read: {exc}") from exc
    except DocumentError as exc:
        raise ConfigError(
            f"model {model!r}: {path} is not YAML: {exc}", hint="Fix the file at that line."
        ) from exc
    if not isinstance(document, dict):
        raise ConfigError(
            f"model {model!r}: {path} is not a mapping: it is neither an experiment nor a PaddleOCR configuration."
        )
    return document


def _find_model(model: str, experiments: Path, folder: Path) -> Path:
    if model.endswith((".yml", ".yaml")) or "/" in model:
        path = folder / Path(model).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"model {model!r}: there is no such file (looked in {path.absolute().parent}).",
                hint=f"Give a PaddleOCR configuration, or one of: {', '.join(available_models(experiments))}.",
            )
        return path
    path = experiments / f"{model}.yaml"
    if not model or not path.is_file():
        names = available_models(experiments)
        if model in RENAMED:
            raise ConfigError(
                f"the model {model!r} is now called {RENAMED[model]}.", hint="Give that name: model=NAME."
            )
        raise ConfigError(
            f"unknown model {model!r}{nearest(model, names)}",
            hint=f"Known models: {', '.join(names)}. A path to a PaddleOCR configuration file works too.",
        )
    return path
