"""What an exported folder says of itself (model.json, README.md, sums), and PaddleOCR's code where it must travel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.config.overrides import get_key
from ocr_train.disk import sha256_of
from ocr_train.models.export.check import Agreement
from ocr_train.models.export.readme import ReadmeFacts, readme
from ocr_train.redaction.redactor import redactor
from ocr_train.trainer.imports import requirements_of
from ocr_train.trainer.interpreter import packages_of
from ocr_train.trainer.tools import Trainer

if TYPE_CHECKING:
    from ocr_train.models.source import ModelSource

CHECKED = {"exported": "paddle", "onnx": "onnx"}
"""Kinds of model that are compared with the checkpoint, and what their backend is called."""
MODEL_JSON = "model.json"
README = "README.md"
CARRIED = "paddleocr"
_CARRIED_PARTS = ("ppocr", "tools")
_OPTIONAL = ("LICENSE", "__init__.py")


@dataclass(frozen=True, kw_only=True)
class ExportFacts:
    """What is known of an export: `network` is the name of the network's file, `carried` says that PaddleOCR's code
    is in the folder."""

    source: ModelSource
    config: Mapping[str, Any]
    network: str
    trainer: Trainer
    checked: Sequence[Agreement]
    carried: bool


def write_documents(folder: Path, facts: ExportFacts, *, seed: int) -> dict[str, Any]:
    """Write model.json, with the sums of all that was checked, and README.md; what model.json says."""
    model = redactor().mapping(_model(folder, facts, seed))
    text = json.dumps(model, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / MODEL_JSON).write_text(text + "\n", encoding="utf-8")
    readme_facts = ReadmeFacts(model=model, config=facts.config, carried=facts.carried)
    (folder / README).write_text(readme(readme_facts), encoding="utf-8")
    return model


def _model(folder: Path, facts: ExportFacts, seed: int) -> dict[str, Any]:
    source = facts.source
    checked: dict[str, Any] = {"images": max((one.images for one in facts.checked), default=0)}
    if facts.checked:
        checked["seed"] = seed
        checked |= {one.backend: one.to_json() for one in facts.checked}
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and path.name not in (MODEL_JSON, README)
    )
    known = {
        "task": source.task,
        "model": source.name,
        "run_id": source.run_id,
        "step": source.step,
        "epoch": source.epoch,
        "checkpoint_sha256": source.sha256,
        "dataset_digest": source.dataset_digest,
        "val_digest": source.val_digest,
        "versions": dict(facts.trainer.versions),
        "trained_with": dict(source.versions),
        "main_metric": str(get_key(facts.config, "Metric.main_indicator", "acc")),
        "metrics": dict(source.metrics),
        "network": facts.network,
        "checked": checked,
        "backends": ["paddle", *(["onnx"] if (folder / "model.onnx").is_file() else [])],
        "files": {path.name: sha256_of(path) for path in files},
    }
    if source.keep:
        known["keep"] = source.keep.to_json()
    if facts.carried:
        # A server of the model reads model.onnx with onnxruntime.
        runtime = ["onnxruntime"] if (folder / "model.onnx").is_file() else []
        known["requires"] = {
            **requirements_of(facts.trainer.python, folder / CARRIED, model_type=source.task),
            **packages_of(facts.trainer.python, runtime).versions,
        }
    return known


def carry_paddleocr(root: Path, folder: Path) -> bool:
    """Copy PaddleOCR's `ppocr` and `tools` into `folder`: a checkout is not a package that could be installed elsewhere."""
    home = folder / CARRIED
    for part in _CARRIED_PARTS:
        shutil.copytree(
            root / part,
            home / part,
            ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".git"),
            ignore_dangling_symlinks=True,
        )
    # The licence goes where the code goes.
    for name in _OPTIONAL:
        if (root / name).is_file():
            shutil.copyfile(root / name, home / name)
    return True
