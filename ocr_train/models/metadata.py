"""What an exported model says of itself, and the same as tags of a logged model and of a registered version.

A served model has one part (det, rec or cls) or two (det and rec). What a version says must be enough to compare
it when its run is gone: the tags hold the metrics, the dataset digest and the checkpoint of each part.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocr_train.errors import DataError
from ocr_train.models.keep_score import NAMES as KEEP_NAMES
from ocr_train.models.keep_score import KeepScore, read_keep
from ocr_train.ocr_engine.documents import read_json
from ocr_train.ocr_engine.files import read_regular
from ocr_train.ocr_engine.settings import TASKS

MODEL_FILE = "model.json"
PAIR = "det+rec"
_PACKAGE = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
_VERSION = re.compile(r"(?:\d[\w.+!-]{0,99})?", re.ASCII)
_EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class ModelPart:
    """One exported network: where it comes from and how good it was; `value` is its main metric, NaN unknown.

    `requires` are the packages that a PaddleOCR of its own imports, with the versions it was checked with; `characters`
    is the size of its dictionary, 0 without one; `keep` is what it reads of what could be read before its training, None
    where that was not looked at.
    """

    task: str
    model: str = ""
    run_id: str = ""
    step: int | None = None
    checkpoint_sha256: str = ""
    dataset_digest: str = ""
    val_digest: str = ""
    main_metric: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    requires: Mapping[str, str] = field(default_factory=dict)
    characters: int = 0
    keep: KeepScore | None = None

    @property
    def value(self) -> float:
        """The main metric at the checkpoint."""
        return self.metrics.get(self.main_metric, math.nan)

    @property
    def checkpoint(self) -> str:
        """The artifact folder of the checkpoint in its run, as retention looks for it."""
        return "" if self.step is None else f"checkpoints/step_{self.step:08d}"


def read_part(folder: Path) -> ModelPart:
    """What `model.json` of an exported folder says; raises `DataError` where it is none."""
    path = folder / MODEL_FILE
    try:
        document = read_json(path)
    except (OSError, ValueError) as exc:
        raise DataError(
            f"{str(folder)!r} is not an exported model: {path.name} cannot be read: {exc}",
            hint="`python -m ocr_train export RUN` makes one.",
        ) from exc
    if not isinstance(document, dict) or document.get("task") not in TASKS:
        raise DataError(
            f"{str(path)!r} does not name one of the tasks {', '.join(TASKS)}.",
            hint="Export the model again.",
        )
    return replace(_part(document), characters=_characters(folder / "dict.txt"))


def _characters(dictionary: Path) -> int:
    """How many lines the dictionary has; 0 where there is none that can be read."""
    try:
        data = read_regular(dictionary)
    except OSError:
        return 0
    return len([line for line in data.decode("utf-8", "replace").split("\n") if line.strip("\r")])


def _part(document: Mapping[str, Any]) -> ModelPart:
    step = document.get("step")
    metrics = document.get("metrics")
    versions, requires = document.get("versions"), document.get("requires")
    return ModelPart(
        task=str(document["task"]),
        model=str(document.get("model") or ""),
        run_id=str(document.get("run_id") or ""),
        step=step if type(step) is int and step >= 0 else None,
        checkpoint_sha256=str(document.get("checkpoint_sha256") or ""),
        dataset_digest=str(document.get("dataset_digest") or ""),
        val_digest=str(document.get("val_digest") or ""),
        main_metric=str(document.get("main_metric") or ""),
        metrics=numeric_values(metrics if isinstance(metrics, Mapping) else _EMPTY),
        versions={str(key): str(value) for key, value in dict(versions or {}).items() if value},
        requires=_requirements(requires if isinstance(requires, Mapping) else _EMPTY),
        keep=read_keep(document.get("keep")),
    )


def _requirements(values: Mapping[str, Any]) -> dict[str, str]:
    """Those that are a package's name and a version, or none: pip reads the file that they are written to."""
    return {
        str(name): str(version)
        for name, version in values.items()
        if _PACKAGE.fullmatch(str(name)) and _VERSION.fullmatch(str(version))
    }


def numeric_values(values: Mapping[str, Any]) -> dict[str, float]:
    """Those of `values` that are numbers; the texts nan, inf and -inf are."""
    found = {}
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            continue
        try:
            found[str(key)] = float(value)
        except ValueError:
            continue
    return found


def task_of(parts: Sequence[ModelPart]) -> str:
    """ "det", "rec", "cls" or "det+rec"; raises `DataError` for anything else together."""
    tasks = [part.task for part in parts]
    if len(tasks) == 1:
        return tasks[0]
    if sorted(tasks) == ["det", "rec"]:
        return PAIR
    raise DataError(
        f"a model is made of one part, or of a det and a rec; these are: {', '.join(tasks) or 'none'}.",
        hint="Name one exported model, or one of detection and one of recognition.",
    )


def tags_of(parts: Sequence[ModelPart]) -> dict[str, str]:
    """The tags that say all this; those of a pair begin with "det." and "rec."; what is not known has none."""
    task = task_of(parts)
    tags = {"task": task}
    for part in parts:
        start = f"{part.task}." if task == PAIR else ""
        values = {
            "model": part.model,
            "run_id": part.run_id,
            "checkpoint": part.checkpoint,
            "checkpoint_sha256": part.checkpoint_sha256,
            "dataset_digest": part.dataset_digest,
            "val_digest": part.val_digest,
            "characters": str(part.characters or ""),
            "main_metric": part.main_metric,
            "value": "" if part.main_metric not in part.metrics else repr(part.value),
            "metrics": json.dumps({key: repr(value) for key, value in part.metrics.items()}),
            **{f"version.{key}": value for key, value in part.versions.items()},
            **(part.keep.tags() if part.keep else {}),
        }
        tags |= {f"{start}{key}": value for key, value in values.items() if value}
    return tags


def parts_of(tags: Mapping[str, str]) -> tuple[ModelPart, ...]:
    """The parts that tags speak of; none where they are not ours."""
    task = tags.get("task", "")
    if task == PAIR:
        return tuple(_from_tags(one, f"{one}.", tags) for one in ("det", "rec"))
    return (_from_tags(task, "", tags),) if task in TASKS else ()


def _from_tags(task: str, start: str, tags: Mapping[str, str]) -> ModelPart:
    def tag(key: str) -> str:
        return tags.get(f"{start}{key}", "")

    step = tag("checkpoint").removeprefix("checkpoints/step_")
    try:
        metrics = json.loads(tag("metrics") or "{}")
    except ValueError:
        metrics = {}
    found = numeric_values(metrics if isinstance(metrics, dict) else {})
    if tag("main_metric") and tag("main_metric") not in found:
        found |= numeric_values({tag("main_metric"): tag("value")})
    return ModelPart(
        task=task,
        model=tag("model"),
        run_id=tag("run_id"),
        step=int(step) if step.isdecimal() else None,
        checkpoint_sha256=tag("checkpoint_sha256"),
        dataset_digest=tag("dataset_digest"),
        val_digest=tag("val_digest"),
        characters=int(tag("characters")) if tag("characters").isdecimal() else 0,
        main_metric=tag("main_metric"),
        metrics=found,
        keep=read_keep({name: tag(f"keep.{name}") for name in KEEP_NAMES}),
    )
